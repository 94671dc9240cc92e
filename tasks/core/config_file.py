"""Reading config.yaml: the models of it, or one line about what is wrong with it.

    config.yaml -> load() -> Config -> select_profile(), select_python()

A wrong key, type or reference is a `ConfigError` with the key's path.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.core import user_file, yaml_data
from tasks.core.config import (
    CondaRecipe,
    Config,
    LibraryFile,
    MsvcToolchain,
    Profile,
    Recipes,
)
from tasks.core.errors import ConfigError
from tasks.core.urls import public_url

_M = TypeVar("_M", bound=BaseModel)

_LONGEST_SHOWN = 200


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> ConfigError:
    """The error for a name that is not one of `known`; `where` says who used it."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else "known: " + ", ".join(known)
    return ConfigError(f'{where}: unknown {kind} "{name}"; {hint}')


def _models(annotation: Any) -> Iterator[Any]:
    """The models in an annotation: itself, or those of an Optional, Annotated, dict or tuple."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def _is_of_pydantic(part: int | str) -> bool:
    """Whether a part of a location names a type and no key."""
    return isinstance(part, str) and part.startswith(("dict[", "function-", "[key]"))


def _key_path(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[str, list[str]]:
    """A location of pydantic's as people write it, and the keys that are known beside its last.

    pydantic names the chosen member of a union as if it were a key; those parts are left out.
    """
    path = ""
    models: list[Any] = [model]
    keys: list[str] = []
    for part in location:
        fields = {
            field.alias or name: field
            for model in models
            for name, field in model.model_fields.items()
        }
        of_kind = [
            model
            for model in models
            if "kind" in model.model_fields
            and part in getattr(model.model_fields["kind"].annotation, "__args__", ())
        ]
        if len(models) > 1 and of_kind:
            models = of_kind
            continue
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith(("function-", "literal", "constrained-")):
            path += f".{part}" if path else part
        keys = list(fields)
        if part in fields:
            models = list(_models(fields[str(part)].annotation))
    return path, keys


def _explained(error: ValidationError, name: str, model: type[BaseModel]) -> ConfigError:
    """The first validation error of a file as one line.

    Args:
        name: the file's.
        model: what the file was held to.
    """
    errors = error.errors(include_url=False)
    # Where a value may be of several types, the reason is that of the one that it is meant to be.
    first = next((e for e in errors if e["type"] == "value_error"), errors[0])
    location = tuple(part for part in first["loc"] if not _is_of_pydantic(part))
    path, keys = _key_path(location, model)
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), keys, n=1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        return ConfigError(f"{name}: {path}: unknown key{hint}")
    if first["type"] == "missing":
        return ConfigError(f"{name}: {path}: is missing")
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = first["input"]
    if not isinstance(given, dict | list) and not first["type"].startswith("value_error"):
        message += f", not {str(given)[:_LONGEST_SHOWN]!r}"
    if first["type"] == "string_type" and isinstance(given, bool | int | float):
        message += "; write it in quotes"
    return ConfigError(f"{name}: {path}: {public_url(message)}")


def _check_libraries(config: Config | LibraryFile, name: str, root: Path) -> None:
    """The artifacts of libraries, and the patches of artifacts."""
    for artifact_name, artifact in config.artifacts.items():
        for patch in artifact.patches:
            if not (root / patch).is_file():
                raise ConfigError(
                    f"{name}: artifacts.{artifact_name}.patches: there is no file {patch}"
                )
    for library_name, library in config.libraries.items():
        for recipe_name in Recipes.model_fields:
            recipe = getattr(library.recipes, recipe_name)
            if recipe is None or isinstance(recipe, CondaRecipe):
                continue
            if library_name in getattr(recipe, "needs", ()):
                raise ConfigError(f"{name}: libraries.{library_name}.recipes: it needs itself")
            where = f"libraries.{library_name}.recipes.{recipe_name}.artifact"
            if recipe.artifact not in config.artifacts:
                raise unknown("artifact", recipe.artifact, config.artifacts, f"{name}: {where}")
            if recipe_name == "prebuilt":
                for i, source in enumerate(config.artifacts[recipe.artifact].sources):
                    if source.stage is None:
                        raise ConfigError(
                            f"{name}: artifacts.{recipe.artifact}.sources[{i}].stage: is missing; "
                            f"{where} takes its files by it"
                        )


def _check_references(config: Config, name: str, root: Path) -> None:
    """Names that one part of the file uses and another defines."""

    def defined(kind: str, used: str, known: Mapping[str, Any], where: str) -> None:
        if used not in known:
            raise unknown(kind, used, known, f"{name}: {where}")

    _check_libraries(config, name, root)
    for package_name, package in config.packages.items():
        where = f"packages.{package_name}"
        defined("artifact", package.artifact, config.artifacts, f"{where}.artifact")
        if package.build is None:
            continue
        for i, used in enumerate(package.build.libraries):
            defined("library", used, config.libraries, f"{where}.build.libraries[{i}]")
        for patch in package.build.patches:
            if not (root / patch).is_file():
                raise ConfigError(f"{name}: {where}.build.patches: there is no file {patch}")
    for profile_name, profile in config.profiles.items():
        where = f"profiles.{profile_name}"
        for used, recipe_name in profile.libraries.items():
            defined("library", used, config.libraries, f"{where}.libraries")
            if getattr(config.libraries[used].recipes, recipe_name) is None:
                raise ConfigError(
                    f"{name}: {where}.libraries.{used}: "
                    f"libraries.{used}.recipes has no {recipe_name}"
                )
        for i, used in enumerate(profile.packages):
            defined("package", used, config.packages, f"{where}.packages[{i}]")
            build = config.packages[used].build
            for library_name in build.libraries if build else ():
                if library_name not in profile.libraries:
                    raise ConfigError(
                        f"{name}: {where}.libraries: {library_name} is missing; "
                        f"packages.{used} links it"
                    )
        compiler = profile.toolchain
        if isinstance(compiler, MsvcToolchain) and compiler.fetch:
            key = f"{where}.toolchain.fetch.artifact"
            defined("artifact", compiler.fetch.artifact, config.artifacts, key)
        for key, used in profile.environment.artifacts.items():
            defined("artifact", used, config.artifacts, f"{where}.environment.{key}")
    for system, used in config.profile:
        defined("profile", used, config.profiles, f"profile.{system}")
    defined("profile", config.dist.profile, config.profiles, "dist.profile")


def read(path: Path, model: type[_M]) -> _M:
    """Read a YAML file, and hold it to a model.

    Raises:
        ConfigError: with the path of the key that is wrong.
    """
    try:
        data = yaml_data.parse(user_file.read_text(path))
    except user_file.UnreadableError as error:
        raise ConfigError(f"{path.name} cannot be read: {error}") from error
    except yaml_data.YAMLProblemError as error:
        raise ConfigError(f"{path.name}: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name}: is empty or no mapping of keys to values")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _explained(error, path.name, model) from error


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Args:
        path: the YAML file; paths inside it count from its folder.

    Raises:
        ConfigError: with the path of the key that is wrong.
    """
    config = read(path, Config)
    _check_references(config, path.name, path.parent)
    return config


def load_libraries(path: Path) -> LibraryFile:
    """Read and check a file of libraries, recipes/libraries/NAME.yaml.

    Raises:
        ConfigError: with the path of the key that is wrong.
    """
    libraries = read(path, LibraryFile)
    _check_libraries(libraries, path.name, path.parent)
    return libraries


def select_profile(config: Config, name: str, where: str) -> Profile:
    """The profile of this name; `where` says who asked, for the error."""
    if name not in config.profiles:
        raise unknown("profile", name, config.profiles, where)
    return config.profiles[name]


def select_python(profile: Profile, version: str, where: str) -> str:
    """The version of Python, if the profile has it; `where` says who asked, for the error."""
    pythons = profile.environment.pythons
    if version not in pythons:
        raise ConfigError(
            f'{where}: this profile has no Python "{version}"; it has {", ".join(pythons)}'
        )
    return version
