"""config.yaml as frozen, validated models.

    config.yaml -> load() -> Config -> select() -> Selection (one profile, one Python)

A wrong key, type or reference is a `ConfigError`: one line with the key's path.
"""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from tasks.core.errors import ConfigError

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
    link: tuple[str, ...]
    defines: dict[str, CMakeValue] = {}
    optional: tuple[OptionalProgram, ...] = ()
    stage: StageMap
    contents: dict[str, Sha256] = {}


class PrebuiltRecipe(Model):
    """A library taken as it is from its artifact, whose source has the stage map."""

    artifact: str
    link: tuple[str, ...]
    contents: dict[str, Sha256] = {}


class CondaRecipe(Model):
    """A library taken from the conda environment, where a package put it."""

    link: tuple[str, ...]
    stage: StageMap
    contents: dict[str, Sha256] = {}


Recipe = CMakeRecipe | PrebuiltRecipe | CondaRecipe
RecipeKind = Literal["cmake", "prebuilt", "conda"]


class Recipes(Model):
    """The ways in which a library can be had."""

    cmake: CMakeRecipe | None = None
    prebuilt: PrebuiltRecipe | None = None
    conda: CondaRecipe | None = None


class Library(Model):
    """A native library, staged into a prefix of its own."""

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


class MsvcToolchain(Model):
    """Microsoft's compiler, wherever it is installed."""

    kind: Literal["msvc"]
    minimum_toolset: Annotated[str, StringConstraints(pattern=r"^14\.\d+$")]
    install: str


class PortablePython(Model):
    """One Windows Python and the packages locked for it."""

    artifact: str
    requirements: str


class PortableEnvironment(Model):
    """A Windows Python that runs from where it is unpacked."""

    kind: Literal["portable"]
    pythons: dict[PythonVersion, PortablePython]
    requirements_in: str

    @property
    def artifacts(self) -> dict[str, str]:
        """Key below `environment` -> the artifact that it names."""
        return {f"pythons.{v}.artifact": python.artifact for v, python in self.pythons.items()}

    def needed(self, version: str) -> list[str]:
        """The artifacts that this version of Python needs."""
        return [self.pythons[version].artifact]


class Accelerator(Model):
    """Package specifications by which the solver takes the one build or the other."""

    cuda: tuple[str, ...]
    cpu: tuple[str, ...]


class CondaPython(Model):
    """One Python of a conda environment."""

    spec: str


class CondaEnvironment(Model):
    """An environment that Micromamba makes from conda packages, in two steps."""

    kind: Literal["conda"]
    micromamba: str
    pythons: dict[PythonVersion, CondaPython]
    base: str
    packages: str
    extras: str | None = None
    accelerator: Accelerator

    @property
    def artifacts(self) -> dict[str, str]:
        """Key below `environment` -> the artifact that it names."""
        return {"micromamba": self.micromamba}

    def needed(self, version: str) -> list[str]:
        """The artifacts that this version of Python needs."""
        return [self.micromamba]


Toolchain = Annotated[ZigToolchain | MsvcToolchain, Field(discriminator="kind")]
Environment = Annotated[PortableEnvironment | CondaEnvironment, Field(discriminator="kind")]


class Profile(Model):
    """Which implementation each stage uses.

    Args:
        disk_gb: the free space, in GB, that a build and its cache want.
    """

    toolchain: Toolchain
    environment: Environment
    libraries: dict[str, RecipeKind]
    packages: tuple[str, ...]
    dlls: str | None = None
    disk_gb: PositiveFloat


class DefaultProfile(Model):
    """The profile that is used where none is asked for."""

    windows: str
    elsewhere: str

    @property
    def here(self) -> str:
        """The one for the system that this runs on."""
        return self.windows if os.name == "nt" else self.elsewhere


class Config(Model):
    """config.yaml."""

    profile: DefaultProfile
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


def _models(annotation: Any) -> Iterator[Any]:
    """The models in an annotation: itself, or those of an Optional, Annotated, dict or tuple."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def _key_path(location: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """A location of pydantic's as people write it, and the keys that are known beside its last.

    pydantic names the chosen member of a union as if it were a key; those parts are left out.
    """
    path = ""
    models = [Config]
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


def _explain(error: ValidationError, name: str) -> ConfigError:
    """The first validation error as one line."""
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    path, keys = _key_path(location)
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
            if recipe is None or isinstance(recipe, CondaRecipe):
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
        for key, used in profile.environment.artifacts.items():
            defined("artifact", used, config.artifacts, f"{where}.environment.{key}")
    for system, used in config.profile:
        defined("profile", used, config.profiles, f"profile.{system}")


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


def select_python(profile: Profile, version: str, where: str) -> str:
    """The version of Python, if the profile has it; `where` says who asked, for the error."""
    pythons = profile.environment.pythons
    if version not in pythons:
        raise ConfigError(
            f'{where}: this profile has no Python "{version}"; it has {", ".join(pythons)}'
        )
    return version
