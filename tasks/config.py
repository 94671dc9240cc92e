"""config.yaml as frozen, validated models.

    config.yaml -> load() -> Config -> select() -> Selection (one profile, one Python)

A wrong key, type or reference is a `ConfigError`: one line with the key's path.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from tasks.errors import ConfigError

FIRST_USE = "first-use"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PythonVersion = Annotated[str, StringConstraints(pattern=r"^3\.\d+$")]
# A file or a pattern, kept under its own name, or {new name: file}.
StageRule = str | dict[str, str]
CMakeValue = bool | int | str


class Model(BaseModel):
    """Frozen, and closed: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StageMap(Model):
    """What of an unpacked or installed tree goes to which folder of a prefix."""

    bin: tuple[StageRule, ...] = ()
    include: tuple[StageRule, ...] = ()
    lib: tuple[StageRule, ...] = ()


class Source(Model):
    """One place where an artifact can be had."""

    url: str | None = None
    pypi: Annotated[str, StringConstraints(pattern=r"^[\w.-]+==[\w.]+$")] | None = None
    kind: Literal["sdist", "wheel"] | None = None
    platform: str | None = None
    sha256: Sha256 | Literal["first-use"]
    inner: str | None = None
    root: str = ""
    members: tuple[str, ...] = ()
    stage: StageMap | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "Source":
        if (self.url is None) == (self.pypi is None):
            raise ValueError("needs either url or pypi")
        if self.pypi is not None and self.kind is None:
            raise ValueError("a pypi source needs kind: sdist or wheel")
        return self

    @property
    def place(self) -> str:
        """The URL, or the package's name and version, as people read it."""
        return self.url or f"{self.pypi} ({self.kind})"


class Artifact(Model):
    """An archive that the build needs."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    members: tuple[str, ...] = ()
    unpack: bool = True
    signed_by: dict[str, str] = {}


class OptionalProgram(Model):
    """A program of the host that switches a feature of a library on."""

    program: str
    feature: str
    on: dict[str, CMakeValue]
    off: dict[str, CMakeValue]
    without: str


class CMakeRecipe(Model):
    """A library built from source with CMake and Ninja."""

    artifact: str
    defines: dict[str, CMakeValue] = {}
    optional: tuple[OptionalProgram, ...] = ()
    stage: StageMap
    contents: dict[str, Sha256] = {}


class PrebuiltRecipe(Model):
    """A library taken as it is from its artifact, whose source has the stage map."""

    artifact: str
    contents: dict[str, Sha256] = {}


class Recipes(Model):
    """The ways in which a library can be had."""

    cmake: CMakeRecipe | None = None
    prebuilt: PrebuiltRecipe | None = None


class Library(Model):
    """A native library, staged into a prefix of its own."""

    link: tuple[str, ...] = ()
    pkg_config: str | None = None
    recipes: Recipes


class Build(Model):
    """What a package's own build back end needs from us."""

    patches: dict[str, bool] = {}
    libraries: tuple[str, ...] = ()
    definitions: dict[str, str] = {}
    extension: str


class Package(Model):
    """A package of the Windows environment that comes from an artifact."""

    artifact: str
    build: Build | None = None


class ImportCheck(Model):
    """verify:import."""

    modules: tuple[str, ...]
    timeout_seconds: int


class RoundtripCheck(Model):
    """verify:roundtrip."""

    timeout_seconds: int


class DefectsCheck(Model):
    """verify:defects."""

    tests: str
    timeout_seconds: int


class UpstreamCheck(Model):
    """verify:upstream and verify:upstream-unpatched."""

    package: str
    seconds_per_test: int
    expected: str


class Verify(Model):
    """The checks of the finished environment."""

    import_: ImportCheck = Field(alias="import")
    roundtrip: RoundtripCheck
    defects: DefectsCheck
    upstream: UpstreamCheck


class Wine(Model):
    """How Wine must be set up so that it hides nothing (docs: README, "Honest Wine")."""

    native_dlls: tuple[str, ...]
    disabled_dlls: tuple[str, ...]
    environment: dict[str, str] = {}


class ZigToolchain(Model):
    """zig as a cross-compiler."""

    kind: Literal["zig"]
    target: str


class PortablePython(Model):
    """One Windows Python and the packages locked for it."""

    artifact: str
    requirements: str


class PortableEnvironment(Model):
    """A Windows Python that runs from where it is unpacked."""

    kind: Literal["portable"]
    pythons: dict[PythonVersion, PortablePython]
    requirements_in: str


class Profile(Model):
    """Which implementation each stage uses."""

    toolchain: ZigToolchain
    environment: PortableEnvironment
    libraries: dict[str, Literal["cmake", "prebuilt"]]
    packages: tuple[str, ...]


class Config(Model):
    """config.yaml."""

    profile: str
    python: PythonVersion
    cache: str | None = None
    offline: bool = False
    artifacts: dict[str, Artifact]
    libraries: dict[str, Library]
    packages: dict[str, Package]
    verify: Verify
    wine: Wine
    profiles: dict[str, Profile]

    @field_validator("artifacts", "libraries", "packages", "profiles")
    @classmethod
    def _task_names(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
                raise ValueError(f'the name "{name}" cannot be part of a task name')
        return value


def _unknown(kind: str, name: str, known: Mapping[str, Any], where: str) -> ConfigError:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else "known: " + ", ".join(known)
    return ConfigError(f'{where}: unknown {kind} "{name}"; {hint}')


def _key_path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith(("function-", "literal", "constrained-")):
            path += f".{part}" if path else part
    return path


def _model_keys(location: tuple[int | str, ...]) -> list[str]:
    """Names of the keys that are allowed beside the last one of `location`."""
    annotation: Any = Config
    for part in location[:-1]:
        fields = getattr(annotation, "model_fields", None)
        if fields is not None:
            field = next((f for n, f in fields.items() if part in (n, f.alias)), None)
            annotation = field.annotation if field else None
        else:
            arguments = [a for a in getattr(annotation, "__args__", ()) if a is not Ellipsis]
            annotation = arguments[-1] if arguments else None
        while getattr(annotation, "__metadata__", None) or type(None) in getattr(
            annotation, "__args__", ()
        ):
            annotation = annotation.__args__[0]
    fields = getattr(annotation, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _explain(error: ValidationError, name: str) -> ConfigError:
    """The first validation error as one line."""
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    path = _key_path(location)
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _model_keys(location), n=1)
        hint = f'; did you mean "{close[0]}"?' if close else ""
        return ConfigError(f"{name}: {path}: unknown key{hint}")
    if first["type"] == "missing":
        return ConfigError(f"{name}: {path}: is missing")
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = first["input"]
    if not isinstance(given, dict | list) and not first["type"].startswith("value_error"):
        message += f", not {given!r}"
    return ConfigError(f"{name}: {path}: {message}")


def _check_references(config: Config, name: str, root: Path) -> None:
    """Names that one part of the file uses and another defines."""

    def defined(kind: str, used: str, known: Mapping[str, Any], where: str) -> None:
        if used not in known:
            raise _unknown(kind, used, known, f"{name}: {where}")

    for library_name, library in config.libraries.items():
        for recipe_name in Recipes.model_fields:
            recipe = getattr(library.recipes, recipe_name)
            if recipe is None:
                continue
            where = f"libraries.{library_name}.recipes.{recipe_name}.artifact"
            defined("artifact", recipe.artifact, config.artifacts, where)
            if recipe_name == "prebuilt":
                for i, source in enumerate(config.artifacts[recipe.artifact].sources):
                    if source.stage is None:
                        raise ConfigError(
                            f"{name}: artifacts.{recipe.artifact}.sources[{i}].stage: is missing; "
                            f"{where} takes its files by it"
                        )
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
        for version, python in profile.environment.pythons.items():
            key = f"{where}.environment.pythons.{version}.artifact"
            defined("artifact", python.artifact, config.artifacts, key)


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Args:
        path: the YAML file; paths inside it count from its folder.

    Raises:
        ConfigError: with the path of the key that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}") from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise ConfigError(f"{path.name}:{line} {problem}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name}: is empty or no mapping of keys to values")
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise _explain(error, path.name) from error
    _check_references(config, path.name, path.parent)
    return config


def select_profile(config: Config, name: str, where: str) -> Profile:
    """The profile of this name; `where` says who asked, for the error."""
    if name not in config.profiles:
        raise _unknown("profile", name, config.profiles, where)
    return config.profiles[name]


def select_python(profile: Profile, version: str, where: str) -> PortablePython:
    """The Windows Python of this version; `where` says who asked, for the error."""
    pythons = profile.environment.pythons
    if version not in pythons:
        raise ConfigError(
            f'{where}: there is no artifact for Python "{version}"; have {", ".join(pythons)}'
        )
    return pythons[version]
