"""config.yaml as frozen, validated models: what there is to say, and of which type it is.

tasks.core.config_file reads the file.
"""

import os
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from tasks.core import paths, urls

FIRST_USE = "first-use"


def _checked_url(url: str) -> str:
    if wrong := urls.file_problem(url):
        raise ValueError(f'"{urls.public_url(url)}" {wrong}')
    return url


# A week; no check of the finished environment takes longer.
Seconds = Annotated[int, Field(gt=0, le=7 * 24 * 3600)]
Dotted = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)+$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PythonVersion = Annotated[str, StringConstraints(pattern=r"^3\.\d+$")]
ServiceName = Annotated[str, StringConstraints(pattern=r"^\w+$")]
# A path, or a pattern of paths, below some folder: (folder/)* with * ? [abc] and **.
Pattern = Annotated[str, AfterValidator(paths.checked_pattern)]
Inside = Annotated[str, AfterValidator(paths.checked_path)]
FileName = Annotated[str, AfterValidator(paths.checked_name)]
# A file or a pattern, kept under its own name, or {new name: file}.
StageRule = Pattern | dict[FileName, Inside]
CMakeValue = bool | int | str

# An SPDX expression: https://packaging.python.org/specifications/license-expression/
License = Annotated[str, StringConstraints(pattern=r"^[\w.+() -]+$")]
# https://packaging.python.org/specifications/dependency-specifiers/
Requirement = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]\S*( *;.+)?$")]


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

    url: Annotated[str, AfterValidator(_checked_url)] | None = Field(default=None, repr=False)
    pypi: Annotated[str, StringConstraints(pattern=r"^[\w.-]+==[\w.]+$")] | None = None
    kind: Literal["sdist", "wheel"] | None = None
    platform: str | None = None
    sha256: Sha256 | Literal["first-use"]
    inner: Inside | None = None
    root: Annotated[str, AfterValidator(paths.checked_path_or_nothing)] = ""
    members: tuple[Pattern, ...] = ()
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
        """The URL without its secrets, or the package's name and version, as people read it."""
        return urls.public_url(self.url) if self.url else f"{self.pypi} ({self.kind})"


class Artifact(Model):
    """An archive that the build needs.

    Args:
        patches: unified diffs with a/ and b/, beside the file that names the artifact.
        added_files: name -> text of a file that is written into the unpacked tree: a
            CMakeLists.txt, say, where the source has no build that serves.
    """

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    members: tuple[Pattern, ...] = ()
    unpack: bool = True
    signed_by: dict[Pattern, str] = {}
    patches: tuple[Inside, ...] = ()
    added_files: dict[Inside, str] = {}


class OptionalProgram(Model):
    """A program of the host that switches a feature of a library on."""

    program: str
    feature: str
    on: dict[str, CMakeValue]
    off: dict[str, CMakeValue]
    without: str


class CMakeDifference(Model):
    """What differs in a recipe where Microsoft's compiler builds it: more entries, other files."""

    defines: dict[str, CMakeValue] = {}
    stage: StageMap


class CMakeRecipe(Model):
    """A library built from source with CMake and Ninja.

    Args:
        needs: other libraries, which are built before and found by its find_package. Those that
            are static are linked with it.
    """

    artifact: str
    needs: tuple[str, ...] = ()
    link: tuple[str, ...]
    defines: dict[str, CMakeValue] = {}
    precompile: dict[str, str] = {}
    without_paths: tuple[Inside, ...] = ()
    optional: tuple[OptionalProgram, ...] = ()
    stage: StageMap
    contents: dict[str, Sha256] = {}
    msvc: CMakeDifference | None = Field(default=None, exclude=True)

    def for_compiler(self, kind: str) -> "CMakeRecipe":
        """The recipe as it is for a kind of compiler."""
        if kind != "msvc" or self.msvc is None:
            return self
        changes = {"defines": {**self.defines, **self.msvc.defines}, "stage": self.msvc.stage}
        return self.model_copy(update=changes)


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


class About(Model):
    """What a wheel says of a part that it holds.

    Args:
        version: that of the compiler, where none is said.
        license_files: the texts of the licence, files of this clone below licenses/.
    """

    name: str
    version: str | None = None
    home: Annotated[str, StringConstraints(pattern=r"^https://\S+$")]
    license: License
    license_files: Annotated[tuple[Inside, ...], Field(min_length=1)]


class Runtime(About):
    """What a compiler brings of its own into what it links.

    Args:
        dlls: patterns of the names of its DLLs; none where it is linked into everything.
    """

    dlls: tuple[Pattern, ...] = ()


class Library(Model):
    """A native library, staged into a prefix of its own.

    Args:
        headers: by which sources ask for it.
    """

    pkg_config: str | None = None
    headers: tuple[Inside, ...] = ()
    about: About | None = None
    recipes: Recipes


class LibraryFile(Model):
    """recipes/libraries/NAME.yaml: libraries for packages that ask for them, as in config.yaml."""

    artifacts: dict[str, Artifact]
    libraries: dict[str, Library]


class Build(Model):
    """What a package's own build back end needs from us.

    Args:
        extension: None: nothing is compiled. The artifact is a wheel, which is packed again.
    """

    patches: dict[str, bool] = {}
    libraries: tuple[str, ...] = ()
    definitions: dict[str, str] = {}
    extension: str | None = None


class AboutPackage(About):
    """What a package's wheel says of itself, in place of what its own metadata says.

    Args:
        requires: what it imports, without which it cannot be imported.
        extras: name -> what else some part of it imports.
    """

    requires: tuple[Requirement, ...]
    extras: dict[str, tuple[Requirement, ...]] = {}


class Package(Model):
    """A package of the Windows environment that comes from an artifact.

    Args:
        about: None for a package whose wheel is not given away.
    """

    artifact: str
    about: AboutPackage | None = None
    build: Build | None = None

    @property
    def compiled(self) -> Build | None:
        """How it is built, if a compiler takes part in that."""
        return self.build if self.build and self.build.extension else None


class Dist(Model):
    """The wheels that are given away.

    Args:
        profile: which of the profiles makes them.
        release: part of their version.
    """

    profile: str
    release: Annotated[int, Field(gt=0)]


class PackageBuild(Model):
    """doit build.

    Args:
        constraints: versions that no environment of such a build leaves.
        runtime: compiler -> packages with the DLLs that its modules need.
    """

    constraints: tuple[Requirement, ...] = ()
    runtime: dict[str, tuple[Requirement, ...]] = {}


class ImportCheck(Model):
    """verify:import."""

    modules: tuple[str, ...]
    timeout_seconds: Seconds


class RoundtripCheck(Model):
    """verify:roundtrip."""

    timeout_seconds: Seconds


class DistCheck(Model):
    """verify:dist and verify:dist-from-index.

    Args:
        checks: of the round trip.
        also: what is asked for beside the wheels where pip finds everything else by itself.
    """

    checks: tuple[str, ...]
    also: tuple[Requirement, ...] = ()


class DefectsCheck(Model):
    """verify:defects."""

    tests: str
    timeout_seconds: Seconds


class UpstreamCheck(Model):
    """verify:upstream and verify:upstream-unpatched."""

    package: str
    seconds_per_test: Seconds
    expected: str


class Verify(Model):
    """The checks of the finished environment."""

    import_: ImportCheck = Field(alias="import")
    roundtrip: RoundtripCheck
    dist: DistCheck
    defects: DefectsCheck
    upstream: UpstreamCheck


class Wine(Model):
    """How Wine must be set up so that it hides nothing (docs: README, "Honest Wine")."""

    system32: str
    disabled_dlls: tuple[str, ...]
    disabled_services: tuple[ServiceName, ...] = ()
    environment: dict[str, str] = {}


class CudaMajor(Model):
    """What a major version of CUDA asks for: the oldest driver and the oldest GPU."""

    driver: Dotted
    capability: Dotted


class Cuda(Model):
    """Which versions of CUDA NVIDIA's GPUs and drivers run.

    Args:
        majors: version -> what it asks for.
        since: compute capability of a GPU -> the first version that has code for it.
    """

    majors: dict[Annotated[str, StringConstraints(pattern=r"^\d+$")], CudaMajor]
    since: dict[Dotted, Dotted]


class ZigToolchain(Model):
    """zig as a cross-compiler."""

    kind: Literal["zig"]
    target: str
    flags: tuple[str, ...] = ()
    runtime: tuple[Runtime, ...] = ()


class FetchedCompiler(Model):
    """Microsoft's compiler as an artifact, for those who accept its licence.

    Args:
        about: what it is and who packs it, in a few words.
        licence: where the licence is.
    """

    artifact: str
    about: str
    licence: Annotated[str, StringConstraints(pattern=r"^https://\S+$")]


class MsvcToolchain(Model):
    """Microsoft's compiler, wherever it is installed.

    Args:
        windows_sdk: which one, of several in a portable folder; None for the newest.
        fetch: where it can be had, for those who have none.
        flags, link_flags: in front of what a build gives cl.exe and link.exe itself.
    """

    kind: Literal["msvc"]
    minimum_toolset: Annotated[str, StringConstraints(pattern=r"^14\.\d+$")]
    windows_sdk: Annotated[str, StringConstraints(pattern=r"^10\.[\d.]+$")] | None = None
    install: str
    fetch: FetchedCompiler | None = None
    flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    runtime: tuple[Runtime, ...] = ()


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
    disk_gb: Annotated[float, Field(gt=0, le=100_000)]


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
    accept_msvc_licence: bool = False
    artifacts: dict[str, Artifact]
    libraries: dict[str, Library]
    packages: dict[str, Package]
    dist: Dist
    build: PackageBuild = PackageBuild()
    verify: Verify
    wine: Wine
    cuda: Cuda
    profiles: dict[str, Profile]

    @property
    def compiler_flags(self) -> tuple[str, ...]:
        """Of all profiles: one of them names the processor that every wheel must run on, and
        Microsoft's compiler has no word for it."""
        kinds = self.profiles.values()
        return tuple(flag for profile in kinds for flag in profile.toolchain.flags)

    @field_validator("artifacts", "libraries", "packages", "profiles")
    @classmethod
    def _task_names(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
                raise ValueError(f'the name "{name}" cannot be part of a task name')
        return value
