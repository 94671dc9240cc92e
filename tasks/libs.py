"""libs:NAME - every native library in one uniform prefix: bin/, include/, lib/.

    cmake     extracted source -> CMake + Ninja -> install tree -> stage map -> prefix
    prebuilt  extracted release                                 -> stage map -> prefix
    conda     the environment's Library folder                  -> stage map -> prefix

What comes later sees prefixes, and never how a library came to be.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tasks import extract, staging
from tasks.compilers import cmake, toolchain
from tasks.core import host, manifest
from tasks.core.config import CMakeRecipe, CMakeValue, CondaRecipe, PrebuiltRecipe, Recipe
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.stage import stage


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


def _made(name: str, prefix: Path, features: dict[str, Path | None]) -> Made:
    files = manifest.record(prefix)
    binaries = [Path(file).name for file in files if file.startswith(("bin/", "lib/"))]
    switched = "".join(
        f"; {feature}: {'on' if found else 'off'}" for feature, found in features.items()
    )
    return Made(
        f"{', '.join(binaries)}{switched}",
        where=prefix,
        root=prefix,
        files=files,
        details={"library": name, "features": {k: str(v) for k, v in features.items() if v}},
    )


def build_with_cmake(
    project: Project, name: str, recipe: CMakeRecipe, features: dict[str, Path | None], job: Job
) -> Made:
    """Build a library from its extracted source and stage it."""
    for option in recipe.optional:
        if features[option.feature] is None:
            job.warn(
                f"{option.program} was not found, so {name} is built without {option.feature}: "
                f"{option.without}. Install {option.program} and run doit again"
            )
    work = project.build / "work" / name
    install = work / "install"
    compiler = toolchain.load(project.toolchain_file)
    cmake.build(
        project.source_tree(recipe.artifact),
        install,
        # Objects of two compilers do not mix, and Ninja does not see which one a wrapper calls.
        work / f"{compiler.kind}-{compiler.version}",
        compiler,
        cmake_defines(recipe, features),
        job,
        recipe.precompile,
    )
    prefix = project.prefix(name)
    where = f"config.yaml, libraries.{name}.recipes.cmake"
    staging.stage_prefix(install, recipe.stage, prefix, contents=recipe.contents, where=where)
    remove_tree(install)
    return _made(name, prefix, features)


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
    return _made(name, prefix, {})


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
    return _made(name, prefix, {})


def create(project: Project) -> Iterator[dict[str, Any]]:
    """libs:NAME for every library of the profile."""
    yield {"basename": "libs", "name": None, "doc": "native libraries, each in a prefix of its own"}
    for name in project.profile.libraries:
        recipe = project.recipe(name)
        prefix = project.prefix(name)
        if isinstance(recipe, CMakeRecipe):
            features = optional_features(recipe)
            yield stage(
                project,
                f"libs:{name}",
                f"build {name} from source",
                partial(build_with_cmake, project, name, recipe, features),
                settings={"recipe": _read(recipe), "features": features},
                needs=[f"extract:{recipe.artifact}", "toolchain"],
                owns=[prefix, project.build / "work" / name],
            )
        elif isinstance(recipe, PrebuiltRecipe):
            yield stage(
                project,
                f"libs:{name}",
                f"take {name} as released",
                partial(take_prebuilt, project, name, recipe),
                settings=_read(recipe),
                needs=[f"extract:{recipe.artifact}"],
                owns=[prefix],
            )
        else:
            yield stage(
                project,
                f"libs:{name}",
                f"take {name} from the conda environment",
                partial(take_from_environment, project, name, recipe),
                settings=_read(recipe),
                needs=["env:packages"],
                owns=[prefix],
            )
