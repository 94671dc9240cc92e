"""Made-up machines: installations of Visual Studio, variables, and a program that is vswhere."""

import json
import os
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath

from tasks.compilers import msvc
from tasks.compilers.msvc_places import AskVswhere, Installation, Place, Wanted, places
from tasks.core.config import MsvcToolchain

SETTINGS = MsvcToolchain(kind="msvc", minimum_toolset="14.10", install="winget install tools")
SCRIPTS = Path("VC", "Auxiliary", "Build")


def install(folder: Path, toolset: str = "14.38.33130", *, without: str = "") -> Path:
    """Make what counts of an installation; `without` names one file to leave out."""
    programs = tools(folder, toolset)
    texts = {
        folder / SCRIPTS / "Microsoft.VCToolsVersion.default.txt": f"{toolset}\r\n",
        folder / SCRIPTS / "vcvars64.bat": "@exit /b 0\r\n",
        folder / SCRIPTS / "vcvarsall.bat": "@exit /b 0\r\n",
        programs / "cl.exe": "",
        programs / "link.exe": "",
        programs / "lib.exe": "",
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name != without:
            path.write_text(text, encoding="utf-8", newline="")
    return folder


# A portable folder: which files of compiler and Windows SDK are where, below the two versions.
TOOLSET_FILES = (
    "bin/Hostx64/x64/cl.exe", "bin/Hostx64/x64/link.exe", "bin/Hostx64/x64/lib.exe",
    "include/vcruntime.h", "lib/x64/msvcrt.lib",
)  # fmt: skip
SDK_FILES = (
    "Include/{}/ucrt/stdio.h", "Include/{}/um/Windows.h", "Include/{}/shared/windef.h",
    "Lib/{}/ucrt/x64/ucrt.lib", "Lib/{}/um/x64/kernel32.Lib",
    "bin/{}/x64/rc.exe", "bin/{}/x64/mt.exe",
)  # fmt: skip


def lay_portable(
    folder: Path,
    toolsets: Sequence[str] = ("14.44.35207",),
    sdks: Sequence[str] = ("10.0.26100.0",),
    *,
    lower: bool = False,
    without: str = "",
) -> Path:
    """Lay down a portable folder.

    Args:
        lower: with the names that msvc-wine gives.
        without: a part of the names of files to leave out.
    """
    msvc, kits = "VC/Tools/MSVC", "Windows Kits/10"
    names = [f"{msvc}/{version}/{file}" for version in toolsets for file in TOOLSET_FILES]
    names += [f"{kits}/{file.format(version)}" for version in sdks for file in SDK_FILES]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if without and without in name:
            continue
        if lower:
            name = name.replace("VC/Tools/MSVC", "vc/tools/msvc").replace("Windows Kits", "kits")
            name = name.replace("/Include/", "/include/").replace("/Lib/", "/lib/")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def tools(folder: Path, toolset: str = "14.38.33130") -> Path:
    """The folder of an installation's compiler."""
    return folder / "VC" / "Tools" / "MSVC" / toolset / "bin" / "Hostx64" / "x64"


class Machine:
    """A machine's folders and variables."""

    def __init__(self, folder: Path):
        self.root = folder / "projects" / "ffcv"
        self.root.mkdir(parents=True)
        self.x64 = folder / "Program Files"
        self.x86 = folder / "Program Files (x86)"
        self.variables = {
            "ProgramFiles": str(self.x64),
            "ProgramFiles(x86)": str(self.x86),
            "ProgramData": str(folder / "ProgramData"),
            "Path": str(folder / "Windows"),
        }

    def prepend(self, folder: Path) -> None:
        self.variables["Path"] = f"{folder}{os.pathsep}{self.variables['Path']}"

    def record(self, name: str, text: str) -> None:
        path = Path(self.variables["ProgramData"], "Microsoft/VisualStudio/Packages/_Instances")
        (path / name).mkdir(parents=True)
        (path / name / "state.json").write_text(text, encoding="utf-8")

    def tried(self, ask: AskVswhere | None = None) -> list[Place]:
        return places(self.variables, self.root, Wanted(SETTINGS.minimum_toolset), ask)

    def chosen(self) -> Installation:
        return msvc.choose(self.tried(), SETTINGS)

    def reasons(self, found_by: str) -> list[str]:
        return [place.rejected for place in self.tried() if place.found_by == found_by]


def answer(*folders: PurePath, version: str = "17.8.34330.188") -> str:
    """What `vswhere -format json` prints, shortened."""
    return json.dumps(
        [
            {
                "instanceId": f"{number:08x}",
                "installDate": "2023-11-30T10:00:00Z",
                "installationName": f"VisualStudio/{version}",
                "installationPath": str(folder),
                "installationVersion": version,
                "productId": "Microsoft.VisualStudio.Product.BuildTools",
                "state": 4294967295,
                "isComplete": True,
                "isLaunchable": True,
                "isPrerelease": False,
                "catalog": {"productLineVersion": "2022", "productMilestoneIsPreRelease": "False"},
            }
            for number, folder in enumerate(folders)
        ],
        indent=2,
        ensure_ascii=False,
    )


def make_vswhere(folder: Path, said: str, status: int = 0) -> Path:
    """A program vswhere.exe that notes its arguments, says something and ends with `status`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "said.json").write_bytes(said.encode())
    return make_program(
        folder / "vswhere.exe",
        "import json, pathlib, sys\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "(folder / 'arguments.json').write_text(json.dumps(sys.argv[1:]))\n"
        "sys.stdout.buffer.write((folder / 'said.json').read_bytes())\n"
        f"sys.exit({status})\n",
    )


def make_program(path: Path, code: str) -> Path:
    """A program for this system, named .exe, that runs Python code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.name == "nt":
        # setuptools brings an .exe that starts the script of its name with the Python of line 1.
        import setuptools

        shutil.copy(Path(setuptools.__file__).with_name("cli-64.exe"), path)
        for runtime in Path(sys.executable).parent.glob("vcruntime140*.dll"):
            shutil.copy(runtime, path.parent)
        script, python = path.with_name(f"{path.stem}-script.py"), f'"{sys.executable}"'
    else:
        script, python = path, sys.executable
    script.write_text(f"#!{python}\n{code}", encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return path
