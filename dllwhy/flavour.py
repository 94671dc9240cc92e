"""Which Python an environment folder holds, and where that Python lets Windows look for DLLs.

A Windows environment can be read from any system: nothing in it is run.

    python.exe beside pythonXY.dll     an installation: python.org's, embeddable (with a ._pth
                                       file) or conda's (with a conda-meta folder)
    pyvenv.cfg                         a venv: its `home` names the installation that runs
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal

from dllwhy import pe, windows
from dllwhy.errors import DiagnosisError

Layout = Literal["python.org", "embeddable", "conda", "assumed python.org"]

# In search order. conda-forge's python-feedstock, patch "Add CondaEcosystemModifyDllSearchPath":
# pythonXY.dll adds them at start-up from the last to the first, and Windows puts each new folder
# in front of the others.
CONDA_DIRECTORIES = ("Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin")

_SYSTEM_SITE = "include-system-site-packages"  # https://docs.python.org/3/library/venv.html


@dataclass(frozen=True)
class Environment:
    """A Python for Windows, as the loader sees it.

    Attributes:
        root: the folder of the python.exe that runs; of a venv, its base installation's.
        prefix: the environment's own folder: of a venv, the venv; otherwise `root`.
        layout: of the installation in `root`.
        version: major, minor and, where it is known, micro.
        machine: "x64", "x86" or "arm64".
        abi: the digits and letters in pythonXY.dll's name: "311", "313t".
        added_directories: folders given to os.add_dll_directory, and those that conda's Python
            adds by itself, in search order: the one added last is first.
        dll_directory: the folder that the program gave to SetDllDirectory, if it did.
        python_path: folders that are searched for packages before site-packages, as an unpacked
            wheel's is.
        path: the folders of PATH. A module's imports are not looked up there (except by old
            Pythons), but delay-loaded DLLs are.
        searches_path: an old Python: PATH instead of `added_directories`, see `_searches_path`.
        system_site_packages: a venv in which the packages of its base count too.
        windows: the edition that stands for System32, a key of `windows.editions()`.
        system32: a real System32 to look into instead.
    """

    root: Path
    prefix: Path
    layout: Layout
    version: tuple[int, ...]
    machine: str
    abi: str
    added_directories: tuple[Path, ...] = ()
    dll_directory: Path | None = None
    python_path: tuple[Path, ...] = ()
    path: tuple[Path, ...] = ()
    searches_path: bool = False
    system_site_packages: bool = False
    windows: str = "11"
    system32: Path | None = None

    @property
    def python_dll(self) -> str:
        """The name of the DLL that is this Python."""
        return f"python{self.abi}.dll"

    @property
    def is_venv(self) -> bool:
        """Whether this is a virtual environment on top of `root`."""
        return self.prefix != self.root

    @property
    def site_packages(self) -> Path:
        """Where packages are installed (on Windows `Lib\\site-packages`, in every flavour)."""
        return self.prefix / "Lib" / "site-packages"

    @property
    def site_folders(self) -> tuple[Path, ...]:
        """Where packages are imported from, in the order of sys.path.

        `python_path`, `site_packages`, and a base's that counts too.
        """
        own = (*self.python_path, self.site_packages)
        return (*own, self.root / "Lib" / "site-packages") if self.system_site_packages else own

    @property
    def title(self) -> str:
        """The environment in a few words for people: "conda Python 3.11 (x64)"."""
        python = f"{self.layout} Python {'.'.join(map(str, self.version))} ({self.machine})"
        return f"venv of {python}" if self.is_venv else python


def detect_environment(
    folder: Path,
    *,
    base: Path | None = None,
    added_directories: tuple[Path, ...] = (),
    path: tuple[Path, ...] = (),
    windows: str = "11",
    system32: Path | None = None,
    conda_search_modification: bool = False,
) -> Environment:
    """Read which Python `folder` holds, from any system, without running it.

    Args:
        folder: where python.exe is, or a venv's folder.
        base: a venv's base installation, where the `home` in pyvenv.cfg means nothing here.
        added_directories: what the program gives to os.add_dll_directory, the last one first.
        system32: the System32 of a real Windows. A 32-bit Python sees its SysWOW64 in that place.
            https://learn.microsoft.com/windows/win32/winprog64/file-system-redirector
        conda_search_modification: CONDA_DLL_SEARCH_MODIFICATION_ENABLE is set. conda's Pythons
            3.8 to 3.10 then search PATH too; later ones take no notice.

    Raises:
        DiagnosisError: `folder` holds no Python for Windows.
    """
    prefix = folder
    configured = _pyvenv(folder)
    if configured and not is_windows_python(folder):
        raise DiagnosisError(
            f"{folder} is a virtual environment of Linux or macOS, not of Windows."
        )
    root = folder
    if configured:
        home = configured.get("home", "")
        if not (home or base):
            raise DiagnosisError(
                f"{folder / 'pyvenv.cfg'} has no line `home = FOLDER`, so no Python can start "
                "there: make the venv anew."
            )
        root = base or host_path(home, near=folder) or Path(home)
    abi = _python_abi(root)
    if abi is None and configured:
        abi = "".join(configured.get("version_info", configured.get("version", "")).split(".")[:2])
    if not abi:
        raise DiagnosisError(
            f"{folder} is not a Python environment for Windows: it has neither a python3XY.dll "
            "nor a pyvenv.cfg. Give the folder that holds python.exe."
        )
    layout = _layout(root)
    machine = _machine(root, abi)
    if system32 and machine == "x86" and (system32.parent / "SysWOW64").is_dir():
        system32 = system32.parent / "SysWOW64"
    version = _version(root, abi, configured)
    searches_path = _searches_path(layout, version)
    if layout == "conda":
        conda = tuple(root / name for name in CONDA_DIRECTORIES)
        path = (root / "Library" / "bin", *path)  # its site.py sees to that
        if conda_search_modification and (3, 8) <= version < (3, 11):
            searches_path = False
            added_directories = (*conda, *path, *added_directories)
        else:
            added_directories = (*added_directories, *conda)
    return Environment(
        root=root,
        prefix=prefix,
        layout=layout,
        version=version,
        machine=machine,
        abi=abi,
        added_directories=added_directories,
        path=path,
        searches_path=searches_path,
        system_site_packages=configured.get(_SYSTEM_SITE, "").lower() == "true",
        windows=windows,
        system32=system32,
    )


def is_windows_python(folder: Path) -> bool:
    """Say whether `folder` holds a Python for Windows: an installation, or a virtual environment.

    https://docs.python.org/3/library/venv.html: on Windows, programs are in Scripts, not in bin.
    """
    if (folder / "pyvenv.cfg").is_file():
        program = folder / "bin" / "python"
        return not (program.exists() or program.is_symlink())
    return next(folder.glob("python3*.dll"), None) is not None


def environment_around(file: Path) -> Path | None:
    """Return the closest folder above `file` that is a Python for Windows; None if none is."""
    return next((folder for folder in file.absolute().parents if is_windows_python(folder)), None)


def host_path(name: str, *, near: Path) -> Path | None:
    """Return the folder that the Windows path `name` means on this system, None if there is none.

    Looks, in this order, for the path as it is, below a Wine prefix that holds `near`
    ("drive_c"), Wine's drive Z: (the whole file system), and WSL's /mnt/c.
    """
    windows_path = PureWindowsPath(name)
    drive, parts = windows_path.drive[:1].lower(), windows_path.parts[1:]
    candidates = [Path(name)]
    candidates += [
        p.joinpath(*parts) for p in near.absolute().parents if p.name == f"drive_{drive}"
    ]
    if drive == "z":
        candidates.append(Path("/", *parts))
    candidates.append(Path("/mnt", drive, *parts))
    return next((path for path in candidates if name and path.is_dir()), None)


def _pyvenv(folder: Path) -> dict[str, str]:
    """Return the settings in pyvenv.cfg, nothing if `folder` is no venv."""
    file = folder / "pyvenv.cfg"
    if not file.is_file():
        return {}
    # Notepad and PowerShell 5 put a byte order mark in front.
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    lines = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in lines}


def _python_abi(root: Path) -> str | None:
    if not root.is_dir():
        return None
    found = (re.fullmatch(r"(?i)python(3\d+t?(?:_d)?)\.dll", path.name) for path in root.iterdir())
    return max((match[1].lower() for match in found if match), key=len, default=None)


def _layout(root: Path) -> Layout:
    if (root / "conda-meta").is_dir():
        return "conda"
    return "embeddable" if next(root.glob("python*._pth"), None) else "python.org"


def _version(root: Path, abi: str, configured: dict[str, str]) -> tuple[int, ...]:
    minor = re.match(r"3(\d+)", abi)
    assert minor, abi
    pattern = rf"3\.{minor[1]}\.\d+"
    texts = [path.name for path in root.glob("conda-meta/python-3*.json")]
    texts += [configured.get("version_info", ""), configured.get("version", "")]
    if found := re.search(pattern, " ".join(texts)):
        return tuple(int(number) for number in found[0].split("."))
    return 3, int(minor[1])


def _searches_path(layout: Layout, version: tuple[int, ...]) -> bool:
    """Whether this Python loads a module with LOAD_WITH_ALTERED_SEARCH_PATH.

    PATH counts then, and the folder of python.exe and os.add_dll_directory do not. Every CPython
    before 3.8 did so (https://docs.python.org/3/whatsnew/3.8.html, ctypes), and conda kept it.
    conda-forge took over 3.10's patches with a second build of 3.9.9 (python-feedstock, pull
    request 532) and with 3.8.13 (pull request 562, which closed issue 534). Here all builds of
    3.9.9 count as old. Anaconda's own channel dropped it within 3.8 and 3.9 too, with releases
    that are not known here (conda issue 10897; delvewheel's comment in `_wheel_repair.py`).
    """
    if version < (3, 8):
        return True
    return layout == "conda" and (version < (3, 8, 13) or (3, 9) <= version < (3, 9, 10))


def _machine(root: Path, abi: str) -> str:
    for name in (f"python{abi}.dll", "python.exe"):
        if (root / name).is_file():
            return pe.read_pe(root / name).machine
    return "x64"  # a venv whose base is out of reach


def assumed_dlls(environment: Environment) -> frozenset[str]:
    """Return the DLLs that lie beside a python.exe that cannot be looked at from here."""
    if environment.root.is_dir():
        return frozenset()
    return windows.python_org_dlls() | {environment.python_dll}
