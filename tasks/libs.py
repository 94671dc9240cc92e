"""libs:NAME - every native library in one uniform prefix: bin/, include/, lib/.

    cmake     extracted source -> CMake + Ninja -> install tree -> stage map -> prefix
    prebuilt  extracted release                                 -> stage map -> prefix
    conda     the environment's Library folder                  -> stage map -> prefix

What comes later sees prefixes, and never how a library came to be. A prefix that was built is
kept in the store as well, under the digest of all that made it, and is taken from there by every
other clone and Python.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tasks import extract, staging
from tasks.compilers import cmake, toolchain
from tasks.compilers.toolchain import Toolchain
from tasks.core import host, manifest, process
from tasks.core.config import CMakeRecipe, CMakeValue, CondaRecipe, PrebuiltRecipe, Recipe
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.manifest import FileEntry, Made
from tasks.core.project import Project
from tasks.core.store import Key, Store, digest, flat
from tasks.stage import stage
from tasks.toolchain import calls

# Raise it when the code changed so that a library that was built before is not what is built now.
RECIPE = 1


def optional_features(recipe: CMakeRecipe) -> dict[str, Path | None]:
    """Feature -> the host's program that switches it on, or None where it is missing."""
    return {option.feature: host.program(option.program) for option in recipe.optional}


def cmake_defines(recipe: CMakeRecipe, features: dict[str, Path | None]) -> dict[str, CMakeValue]:
    """A recipe's cache entries, its optional features switched on or off."""
    defines = dict(recipe.defines)
    for option in recipe.optional:
        defines |= option.on if features[option.feature] else option.off
    return defines


def _read(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe its stage reads: how to link the library is read by the wheel's."""
    return recipe.model_dump(mode="json", exclude={"link"})


def _version(program: Path, job: Job) -> str:
    """What a program says about its version."""
    finished = process.run([program, "--version"], log=job.log, check=False)
    return finished.tail[0] if finished.tail else f"exit status {finished.status}"


# What `tools` says, as parts of what a library depends on.
_TOOLS = ("compiler", "flags", "environment", "cmake", "programs")


def tools(
    recipe: CMakeRecipe, features: dict[str, Path | None], compiler: Toolchain, job: Job
) -> dict[str, Any]:
    """The programs that make a library, each as its version. Ninja's is nothing to the result."""
    found = {option.program: features[option.feature] for option in recipe.optional}
    return {
        "compiler": f"{compiler.kind} {compiler.version} for {compiler.target}",
        "flags": list(compiler.flags),
        "environment": dict(compiler.parts),
        "cmake": f"{_version(host.runner_program('cmake'), job)} on {sys.platform}",
        "programs": {name: _version(path, job) for name, path in found.items() if path},
    }


def ingredients(
    recipe: CMakeRecipe,
    features: dict[str, Path | None],
    source: Mapping[str, FileEntry],
    tools: Mapping[str, Any],
    needs: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Everything that a library's prefix depends on; no path of this machine or clone.

    Args:
        source: every file of the unpacked source. Two archives with the same files, such as a
            release and its mirror, are the same source.
        needs: the libraries that it is built with -> the digest of what is in their prefix.
    """
    return {
        "recipe": RECIPE,
        "source": digest({name: file.sha256 for name, file in source.items()}),
        **tools,
        **recipe.model_dump(mode="json", exclude={"artifact", "needs", "link", "optional"}),
        "defines": cmake_defines(recipe, features),
        **({"needs": dict(needs)} if needs else {}),
    }


def _made(
    name: str,
    prefix: Path,
    files: Mapping[str, FileEntry],
    features: Mapping[str, Path | None] | None = None,
    key: Key | None = None,
) -> Made:
    """The same bytes wherever the files come from: what links them must not become stale."""
    binaries = [Path(file).name for file in files if file.startswith(("bin/", "lib/"))]
    features = features or {}
    switched = "".join(
        f"; {feature}: {'on' if found else 'off'}" for feature, found in features.items()
    )
    return Made(
        f"{', '.join(binaries)}{switched}",
        where=prefix,
        root=prefix,
        files=files,
        details={
            "library": name,
            "features": {k: str(v) for k, v in features.items() if v},
            **({"digest": key.digest, "parts": key.parts} if key else {}),
        },
    )


def key_of(
    project: Project, name: str, recipe: CMakeRecipe, features: dict[str, Path | None], job: Job
) -> Key:
    """Everything that a library depends on, which is where the store has it.

    Raises:
        BuildError: its source is not unpacked, or there is no toolchain yet.
    """
    source = manifest.read(project.manifest(f"extract:{recipe.artifact}"))
    if source is None:
        raise BuildError(
            f'{recipe.artifact} is not unpacked; run "doit extract:{recipe.artifact}" again'
        )
    made_with = tools(recipe, features, toolchain.load(project.toolchain_file), job)
    needs = {needed: _contents(project, needed) for needed in recipe.needs}
    return Key(name, ingredients(recipe, features, source.files, made_with, needs))


def _contents(project: Project, name: str) -> str:
    """The digest of the files in a library's prefix."""
    made = manifest.read(project.manifest(f"libs:{name}"))
    if made is None:
        raise BuildError(f'{name} is not there; run "doit libs:{name}" again')
    return digest({file: entry.sha256 for file, entry in made.files.items()})


def build_with_cmake(
    project: Project, name: str, recipe: CMakeRecipe, features: dict[str, Path | None], job: Job
) -> Made:
    """Have a library in its prefix: from the store, or else built from its extracted source."""
    for option in recipe.optional:
        if features[option.feature] is None:
            job.warn(
                f"{option.program} was not found, so {name} is built without {option.feature}: "
                f"{option.without}. Install {option.program} and run doit again"
            )
    key = key_of(project, name, recipe, features, job)
    compiler = toolchain.load(project.toolchain_file)
    job.note(
        "\n".join(
            [
                f"{name} {key.digest} is made of",
                *(f"    {k}: {v}" for k, v in flat(key.parts).items()),
            ]
        )
    )
    store = Store(project.store, job.warn)
    prefix = project.prefix(name)
    with store.alone(key):
        files = store.take(key, prefix)
        if files is not None:
            job.note(f"taken from the store: {store.entry_folder(key)}")
        else:
            if why := store.why_not(key):
                job.warn(f"{name} is built, it is not in the store as needed: {why}")
            # Objects of two compilers do not mix, and Ninja does not see which one a wrapper calls.
            made_with = {part: key.parts[part] for part in ("recipe", *_TOOLS)}
            tree = f"{compiler.kind}-{compiler.version}-{digest(made_with)}"
            _build(project, name, recipe, cmake_defines(recipe, features), compiler, tree, job)
            files = manifest.record(prefix)
            store.put(key, prefix, files)
    return _made(name, prefix, files, features, key)


def _build(
    project: Project,
    name: str,
    recipe: CMakeRecipe,
    defines: dict[str, CMakeValue],
    compiler: Toolchain,
    tree: str,
    job: Job,
) -> None:
    """Build a library from its extracted source and stage it."""
    work = project.build / "work" / name
    install = work / "install"
    cmake.build(
        project.source_tree(recipe.artifact),
        install,
        work / tree,
        compiler,
        defines,
        job,
        recipe.precompile,
        recipe.without_paths,
        calls(project),
        [project.prefix(needed) for needed in recipe.needs],
    )
    where = f"config.yaml, libraries.{name}.recipes.cmake"
    staging.stage_prefix(
        install, recipe.stage, project.prefix(name), contents=recipe.contents, where=where
    )
    remove_tree(install)


def take_prebuilt(project: Project, name: str, recipe: PrebuiltRecipe, job: Job) -> Made:
    """Stage a library from its extracted release."""
    source = extract.source_of(project, recipe.artifact)
    assert source.stage is not None  # tasks.core.config checks it
    prefix = project.prefix(name)
    staging.stage_prefix(
        project.source_tree(recipe.artifact),
        source.stage,
        prefix,
        contents=recipe.contents,
        where=f"config.yaml, libraries.{name}.recipes.prebuilt",
    )
    return _made(name, prefix, manifest.record(prefix))


def take_from_environment(project: Project, name: str, recipe: CondaRecipe, job: Job) -> Made:
    """Stage a library from the conda environment, into which a package put it."""
    prefix = project.prefix(name)
    staging.stage_prefix(
        project.environment,
        recipe.stage,
        prefix,
        contents=recipe.contents,
        where=f"config.yaml, libraries.{name}.recipes.conda",
    )
    return _made(name, prefix, manifest.record(prefix))


def task_of(project: Project, name: str) -> dict[str, Any]:
    """libs:NAME."""
    recipe = project.recipe(name)
    prefix = project.prefix(name)
    if isinstance(recipe, CMakeRecipe):
        features = optional_features(recipe)
        return stage(
            project,
            f"libs:{name}",
            f"build {name} from source",
            partial(build_with_cmake, project, name, recipe, features),
            recipe=RECIPE,
            settings={"recipe": _read(recipe), "features": features},
            needs=[
                f"extract:{recipe.artifact}",
                "toolchain",
                *(f"libs:{needed}" for needed in recipe.needs),
            ],
            owns=[prefix, project.build / "work" / name],
        )
    if isinstance(recipe, PrebuiltRecipe):
        return stage(
            project,
            f"libs:{name}",
            f"take {name} as released",
            partial(take_prebuilt, project, name, recipe),
            settings=_read(recipe),
            needs=[f"extract:{recipe.artifact}"],
            owns=[prefix],
        )
    return stage(
        project,
        f"libs:{name}",
        f"take {name} from the conda environment",
        partial(take_from_environment, project, name, recipe),
        settings=_read(recipe),
        needs=["env:packages"],
        owns=[prefix],
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """libs:NAME for every library of the profile."""
    yield {"basename": "libs", "name": None, "doc": "native libraries, each in a prefix of its own"}
    for name in project.profile.libraries:
        yield task_of(project, name)
