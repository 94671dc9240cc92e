"""What this run builds: configuration, profile, target Python, and where things lie.

    config.yaml + environment + doit's NAME=VALUE arguments -> project() -> Project

Everything that the build makes is below `build/PROFILE-TAG/` of the clone, except for
downloads and compiler caches: those are in one cache for all clones.
"""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import doit
import doit.doit_cmd
import platformdirs

from tasks.core import arguments, config_file
from tasks.core.config import CMakeRecipe, Config, Profile, Recipe
from tasks.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Target:
    """The Windows CPython that the build is for (64-bit).

    Names follow PEP 425 (wheel tags) and PEP 3149 / bpo-22980 (extension suffix).
    """

    version: str

    @property
    def digits(self) -> str:
        """Major and minor version without the dot, as in python311.dll."""
        return self.version.replace(".", "")

    @property
    def tag(self) -> str:
        """Python and ABI tag."""
        return f"cp{self.digits}"

    @property
    def platform_tag(self) -> str:
        """Platform tag of a wheel."""
        return "win_amd64"

    @property
    def extension_suffix(self) -> str:
        """File name ending of an extension module."""
        return f".{self.tag}-{self.platform_tag}.pyd"

    @property
    def import_library(self) -> str:
        """The import library that an extension module links."""
        return f"python{self.digits}.lib"


@dataclass(frozen=True)
class Project:
    """One profile and one target Python of a clone."""

    root: Path
    config: Config
    profile_name: str
    profile: Profile
    target: Target
    cache: Path
    offline: bool
    accept_msvc_licence: bool = False

    @property
    def build(self) -> Path:
        """The folder of everything that this profile and Python make."""
        return self.root / "build" / f"{self.profile_name}-{self.target.tag}"

    @property
    def state(self) -> Path:
        """doit's database: which tasks succeeded, and with what."""
        return self.build / ".doit.db"

    @property
    def downloads(self) -> Path:
        """Archives, each in a folder named after its sha256."""
        return self.cache / "downloads"

    @property
    def store(self) -> Path:
        """Staged libraries, each under the digest of what made it."""
        return self.cache / "store"

    @property
    def environment(self) -> Path:
        """The Windows Python environment: the folder of python.exe."""
        return self.build / "env"

    @property
    def site_packages(self) -> Path:
        """Where the environment's packages are."""
        return self.environment / "Lib" / "site-packages"

    @property
    def toolchain_file(self) -> Path:
        """The compiler as data."""
        return self.build / "toolchain" / "toolchain.json"

    def source_tree(self, artifact: str) -> Path:
        """Where an artifact is unpacked."""
        return self.build / "extracted" / artifact

    def prefix(self, library: str) -> Path:
        """The staged prefix of a library: bin/, include/, lib/."""
        return self.build / "libs" / library

    def recipe(self, library: str) -> Recipe:
        """How this profile comes by a library."""
        recipe: Recipe = getattr(
            self.config.libraries[library].recipes, self.profile.libraries[library]
        )
        if isinstance(recipe, CMakeRecipe):
            return recipe.for_compiler(self.profile.toolchain.kind)
        return recipe

    def manifest(self, task: str) -> Path:
        """The manifest of a task, written when its work is done."""
        return self.build / "manifests" / f"{task.replace(':', '-')}.json"

    def log(self, task: str) -> Path:
        """The log of the programs that a task runs."""
        return self.build / "logs" / f"{task.replace(':', '-')}.log"

    def wheel_name(self, package: str) -> str | None:
        """The file name of a package's wheel for the target (PEP 427), if its version is known."""
        for source in self.config.artifacts[self.config.packages[package].artifact].sources:
            if source.pypi is not None:
                tag = self.target.tag
                name, _, version = source.pypi.partition("==")
                name = name.replace("-", "_")
                return f"{name}-{version}-{tag}-{tag}-{self.target.platform_tag}.whl"
        return None

    def shown(self, path: Path) -> str:
        """A path as people read it: relative to the clone where it is inside."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return str(path)


# The settings that doit's arguments and the environment may override.
SETTINGS = ("profile", "python", "cache", "offline", "accept_msvc_licence")
# Variables that are read elsewhere: by bootstrap.sh, and by tests.
_OTHER_VARIABLES = ("FFCVWIN_NO_APT", "FFCVWIN_LOADER_TABLE")
_INTERNAL = "FFCVWIN_VCVARS_"  # tasks.compilers.vcvars talks to itself with them

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


def _setting(name: str, configured: str) -> tuple[str, str]:
    """A setting's value and who gave it: doit's arguments, then the environment, then the file."""
    argument = doit.get_var(name, None)
    if argument is not None:
        return str(argument), f"doit {name}={argument}"
    variable = f"FFCVWIN_{name.upper()}"
    if os.environ.get(variable):
        return os.environ[variable], variable
    return configured, f"config.yaml: {name}"


def _flag(name: str, configured: bool) -> bool:
    value, where = _setting(name, str(configured))
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ConfigError(f'{where}: should be 1 or 0, not "{value}"')


def _check_overrides() -> None:
    """Refuse an override of a setting that there is not."""
    given = doit.doit_cmd._CMDLINE_VARS or {}
    values = arguments.values_of_options(arguments.command_line(), SETTINGS)
    of_options = {value.partition("=")[0] for value in values}
    for name in given:
        if name not in SETTINGS and name not in of_options:
            raise config_file.unknown("setting", name, SETTINGS, f"doit {name}=...")
    variables = [f"FFCVWIN_{name.upper()}" for name in SETTINGS]
    known = (*variables, *_OTHER_VARIABLES)
    for name in os.environ:
        if name.startswith("FFCVWIN_") and not name.startswith(_INTERNAL) and name not in known:
            raise config_file.unknown("variable", name, known, "environment")


def _cache_folder(configured: str | None) -> Path:
    default = configured or platformdirs.user_cache_dir("ffcv-windows", False)
    given, where = _setting("cache", default)
    try:
        folder = Path(given).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f'{where}: "{given}" names a user whom this system lacks') from error
    if "\0" in given:
        raise ConfigError(f"{where}: has a null character in it")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{where}: {folder} is not a folder")
    return folder


def _check_name(folder: Path, what: str) -> None:
    try:
        str(folder).encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(folder).decode("utf-8", "replace")
        raise ConfigError(
            f"the path of {what} is not UTF-8 ({shown}); give it another name"
        ) from None


def load(root: Path) -> Project:
    """The project of the clone at `root`, with the overrides of this run.

    Raises:
        ConfigError: config.yaml or an override cannot be used.
    """
    _check_name(root, "this clone")
    _check_overrides()
    loaded = config_file.load(root / "config.yaml")
    profile_name, where = _setting("profile", loaded.profile.here)
    profile = config_file.select_profile(loaded, profile_name, where)
    version, where = _setting("python", loaded.python)
    version = config_file.select_python(profile, version, where)
    cache = _cache_folder(loaded.cache)
    _check_name(cache, "the cache")
    return Project(
        root=root,
        config=loaded,
        profile_name=profile_name,
        profile=profile,
        target=Target(version),
        cache=cache,
        offline=_flag("offline", loaded.offline),
        accept_msvc_licence=_flag("accept_msvc_licence", loaded.accept_msvc_licence),
    )


@functools.cache
def project() -> Project:
    """The project of this clone.

    Raises:
        doit.exceptions.InvalidDodoFile: the configuration cannot be used; doit shows it as one
            line.
    """
    try:
        return load(ROOT)
    except ConfigError as error:
        raise doit.exceptions.InvalidDodoFile(error.message) from error
