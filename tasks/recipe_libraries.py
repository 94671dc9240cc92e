"""The native libraries that a package's recipe asks for, built by the stages that build FFCV's.

recipe: libraries: [NAME] -> recipes/libraries/NAME.yaml, or config.yaml's libraries.NAME
  -> fetch:ARTIFACT, extract:ARTIFACT, libs:NAME (not in the graph, and done where stale)
  -> a prefix: bin/, include/, lib/
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tasks import extract, fetch, libs
from tasks.compilers.build_environment import LinkedLibrary
from tasks.core import config_file, manifest
from tasks.core.config import (
    Artifact,
    CondaRecipe,
    Library,
    LibraryFile,
    RecipeKind,
    Recipes,
)
from tasks.core.errors import ConfigError
from tasks.core.project import Project
from tasks.core.recipe import FOLDER
from tasks.stage import made_now

# Where a library can be had in several ways: as config.yaml orders them.
_KINDS: tuple[RecipeKind, ...] = ("prebuilt", "cmake")


def folder(project: Project) -> Path:
    """Where the files of libraries are."""
    return project.root / FOLDER / "libraries"


def _file(project: Project, name: str) -> Path:
    return folder(project) / f"{name}.yaml"


def known(project: Project) -> list[str]:
    """The libraries that a recipe may name."""
    own = {path.stem for path in folder(project).glob("*.yaml")}
    return sorted(own | {n for n in project.config.libraries if _kind(project, n)})


def by_header(project: Project) -> dict[str, str]:
    """Header -> the library of recipes/libraries that brings it."""
    files = sorted(folder(project).glob("*.yaml"))
    return {
        header: path.stem
        for path in files
        for library in config_file.load_libraries(path).libraries.values()
        for header in library.headers
    }


def _kind(project: Project, name: str) -> RecipeKind | None:
    """How a library of the configuration is had for a package; None if it cannot be."""
    recipes: Recipes = project.config.libraries[name].recipes
    chosen = project.profile.libraries.get(name)
    if chosen and not isinstance(getattr(recipes, chosen), CondaRecipe):
        return chosen
    return next((kind for kind in _KINDS if getattr(recipes, kind)), None)


def _read(project: Project, name: str, where: str) -> LibraryFile:
    """What describes a library.

    Raises:
        ConfigError: nothing does, or it cannot be used.
    """
    path = _file(project, name)
    if path.is_file():
        described = config_file.load_libraries(path)
        if name not in described.libraries:
            raise ConfigError(f"{path.name}: libraries: {name} is missing")
        return described
    names = known(project)
    if name not in names:
        unknown = config_file.unknown("library", name, names, f"{where}: libraries")
        shown = project.shown(folder(project))
        raise ConfigError(f"{unknown.message} (or describe it in {shown}/{name}.yaml)")
    return LibraryFile(artifacts={}, libraries={})


def have(
    project: Project, names: Sequence[str], where: str, say: Callable[[str], None]
) -> list[LinkedLibrary]:
    """Have libraries in their prefixes, and those that they need.

    Args:
        where: the recipe's file, for messages.
        say: called with a line for each one.

    Returns:
        a library before those that it needs, as a linker wants them.

    Raises:
        ConfigError: one is not known, or its file cannot be used.
        BuildError: one cannot be had or built.
    """
    described = _all_described(project, names, where)
    config = project.config.model_copy(
        update={
            "artifacts": {**project.config.artifacts, **described.artifacts},
            "libraries": {**project.config.libraries, **described.libraries},
        }
    )
    own = replace(project, config=config)
    kinds = {name: _chosen_kind(own, name) for name in described.libraries}
    profile = own.profile.model_copy(update={"libraries": {**own.profile.libraries, **kinds}})
    own = replace(own, profile=profile)
    ordered = _ordered(own, names, where)
    for name in reversed(ordered):
        _have(own, name, described.artifacts, say)
    return [
        LinkedLibrary(own.prefix(name), own.recipe(name).link, config.libraries[name].pkg_config)
        for name in ordered
    ]


def _all_described(project: Project, names: Sequence[str], where: str) -> LibraryFile:
    """What describes libraries and all that they need, at any remove."""
    artifacts: dict[str, Artifact] = {}
    libraries: dict[str, Library] = {}
    asked = [(name, where) for name in names]
    for name, by in asked:  # grows meanwhile
        if name in libraries:
            continue
        described = _read(project, name, by)
        artifacts |= described.artifacts
        found = described.libraries.get(name) or project.config.libraries[name]
        libraries |= {**described.libraries, name: found}
        recipe = found.recipes.cmake
        asked += [(needed, f"{name}.yaml") for needed in (recipe.needs if recipe else ())]
    return LibraryFile(artifacts=artifacts, libraries=libraries)


def _chosen_kind(project: Project, name: str) -> RecipeKind:
    kind = _kind(project, name)
    if kind is None:
        raise ConfigError(f"{name}.yaml: libraries.{name}.recipes: has neither prebuilt nor cmake")
    return kind


def _ordered(project: Project, names: Sequence[str], where: str) -> list[str]:
    """The libraries and what they need; each stands before what it needs."""
    needs = {name: getattr(project.recipe(name), "needs", ()) for name in project.profile.libraries}
    asked = list(names)
    for name in asked:  # grows meanwhile
        asked += [needed for needed in needs[name] if needed not in asked]
    graph = {name: set(needs[name]) for name in asked}
    try:
        return list(reversed(list(TopologicalSorter(graph).static_order())))
    except CycleError as error:
        raise ConfigError(
            f"{where}: libraries need each other: {' -> '.join(error.args[1])}"
        ) from None


def _have(
    project: Project, name: str, of_recipes: Container[str], say: Callable[[str], None]
) -> None:
    """Have one library, where those that it needs are there.

    Args:
        of_recipes: artifacts of recipes/libraries; their patches lie there.
    """
    recipe = project.recipe(name)
    assert not isinstance(recipe, CondaRecipe)
    artifact = project.config.artifacts[recipe.artifact]
    own = recipe.artifact in of_recipes
    beside = folder(project) if own else project.root
    file = project.shown(_file(project, name)) if own else "config.yaml"
    done = [
        made_now(task)
        for task in (
            fetch.task_of(project, recipe.artifact, artifact, file),
            extract.task_of(project, recipe.artifact, artifact, beside),
            libs.task_of(project, name),
        )
    ]
    made = manifest.read(project.manifest(f"libs:{name}"))
    say(f"library {name}: {made.summary if made else ''}" + ("" if any(done) else " (as before)"))
