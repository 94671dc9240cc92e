"""The native libraries that a package's recipe asks for, built by the stages that build FFCV's.

recipe: libraries: [NAME] -> recipes/libraries/NAME.yaml, or config.yaml's libraries.NAME
  -> fetch:ARTIFACT, extract:ARTIFACT, libs:NAME (not in the graph, and done where stale)
  -> a prefix: bin/, include/, lib/
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tasks import extract, fetch, libs
from tasks.compilers.build_environment import LinkedLibrary
from tasks.core import config_file, manifest
from tasks.core.config import CondaRecipe, LibraryFile, RecipeKind, Recipes
from tasks.core.errors import ConfigError
from tasks.core.project import Project
from tasks.core.recipe import FOLDER
from tasks.stage import made_now

# Where a library can be had in several ways: as config.yaml orders them.
_KINDS: tuple[RecipeKind, ...] = ("prebuilt", "cmake")


def folder(project: Project) -> Path:
    """Where the files of libraries are."""
    return project.root / FOLDER / "libraries"


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
    path = folder(project) / f"{name}.yaml"
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
    """Have libraries in their prefixes.

    Args:
        where: the recipe's file, for messages.
        say: called with a line for each one that was built.

    Raises:
        ConfigError: one is not known, or its file cannot be used.
        BuildError: one cannot be had or built.
    """
    return [_have(project, name, where, say) for name in names]


def _have(project: Project, name: str, where: str, say: Callable[[str], None]) -> LinkedLibrary:
    described = _read(project, name, where)
    config = project.config.model_copy(
        update={
            "artifacts": {**project.config.artifacts, **described.artifacts},
            "libraries": {**project.config.libraries, **described.libraries},
        }
    )
    own = replace(project, config=config)
    kind = _kind(own, name)
    if kind is None:
        raise ConfigError(f"{name}.yaml: libraries.{name}.recipes: has neither prebuilt nor cmake")
    profile = project.profile.model_copy(
        update={"libraries": {**project.profile.libraries, name: kind}}
    )
    own = replace(own, profile=profile)
    recipe = own.recipe(name)
    assert not isinstance(recipe, CondaRecipe)
    artifact = config.artifacts[recipe.artifact]
    beside = folder(project) if recipe.artifact in described.artifacts else project.root
    done = [
        made_now(task)
        for task in (
            fetch.task_of(own, recipe.artifact, artifact),
            extract.task_of(own, recipe.artifact, artifact, beside),
            libs.task_of(own, name),
        )
    ]
    made = manifest.read(own.manifest(f"libs:{name}"))
    say(f"library {name}: {made.summary if made else ''}" + ("" if any(done) else " (as before)"))
    library = config.libraries[name]
    return LinkedLibrary(own.prefix(name), recipe.link, library.pkg_config)
