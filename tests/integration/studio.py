"""Microsoft's Build Tools on drive C of a Wine prefix, as the Visual Studio Installer lays them.

Real are the programs, headers and libraries (hard links to what the artifact msvc-buildtools
holds). The installer and its scripts are in no package that can be had here, so these are written
down: vcvars64.bat sets what Microsoft's sets, as far as builds read it, and vswhere.exe answers
with the one installation that there is.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

import setuptools
import visual_studio
from support import path_for_windows

PROGRAMS = PureWindowsPath("C:/Program Files (x86)")
STUDIO = PROGRAMS / "Microsoft Visual Studio" / "2022" / "BuildTools"

# https://learn.microsoft.com/cpp/build/building-on-the-command-line
VCVARS = r"""@echo off
for %%i in ("%~dp0..\..\..") do set "VSINSTALLDIR=%%~fi\"
for %%i in ("%~dp0..\..\..\..\..\..\Windows Kits\10") do set "WindowsSdkDir=%%~fi\"
set "VCINSTALLDIR=%VSINSTALLDIR%VC\"
set "VCToolsVersion={toolset}"
set "VCToolsInstallDir=%VCINSTALLDIR%Tools\MSVC\{toolset}\"
set "VisualStudioVersion=17.0"
set "WindowsSDKVersion={sdk}\"
set "VSCMD_VER=17.14.0"
set "VSCMD_ARG_HOST_ARCH=x64"
set "VSCMD_ARG_TGT_ARCH=x64"
set "Platform=x64"
set "__H=%WindowsSdkDir%Include\{sdk}\"
set "__L=%WindowsSdkDir%Lib\{sdk}\"
set "INCLUDE=%VCToolsInstallDir%include;%__H%ucrt;%__H%um;%__H%shared;%INCLUDE%"
set "LIB=%VCToolsInstallDir%lib\x64;%__L%ucrt\x64;%__L%um\x64;%LIB%"
set "LIBPATH=%VCToolsInstallDir%lib\x64;%LIBPATH%"
set "PATH=%VCToolsInstallDir%bin\Hostx64\x64;%WindowsSdkDir%bin\{sdk}\x64;%PATH%"
exit /b 0
"""
# What setuptools asks for is one property; our own search wants all, as JSON.
VSWHERE = """\
import sys
if "-property" in sys.argv:
    print({path!r})
else:
    sys.stdout.buffer.write({answer!r})
"""


def link_tree(source: Path, target: Path, leave_out: tuple[str, ...] = ()) -> None:
    """Copy a tree by hard links, which takes no time."""
    ignore = shutil.ignore_patterns("__pycache__", *leave_out)
    shutil.copytree(source, target, copy_function=os.link, ignore=ignore, dirs_exist_ok=True)


@contextmanager
def installed(tools: Path, drive_c: Path, python: Path) -> Iterator[PureWindowsPath]:
    """Build Tools on a drive, for as long as the context lasts.

    Args:
        tools: the unpacked artifact msvc-buildtools, on the file system of the drive.
        drive_c: the prefix's drive C.
        python: the Windows Python that vswhere.exe starts.

    Yields:
        the installation's folder.
    """
    kits, studio = (drive_c.joinpath(*p.parts[1:]) for p in (PROGRAMS / "Windows Kits", STUDIO))
    for folder in (kits, studio.parents[1]):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        link_tree(tools / "VC", studio / "VC")
        link_tree(tools / "Windows Kits", kits)
        [toolset] = (path.name for path in (studio / "VC" / "Tools" / "MSVC").iterdir())
        [sdk] = (path.name for path in (kits / "10" / "Include").iterdir())
        scripts = studio / "VC" / "Auxiliary" / "Build"
        scripts.mkdir(parents=True)
        vcvars = VCVARS.format(toolset=toolset, sdk=sdk).replace("\n", "\r\n")
        for name in ("vcvars64.bat", "vcvarsall.bat"):
            (scripts / name).write_bytes(vcvars.encode("ascii"))
        default = scripts / "Microsoft.VCToolsVersion.default.txt"
        default.write_text(f"{toolset}\n", encoding="ascii")
        _lay_vswhere(studio.parents[1] / "Installer", python)
        yield STUDIO
    finally:
        for folder in (kits, studio.parents[1]):
            shutil.rmtree(folder, ignore_errors=True)


def _lay_vswhere(folder: Path, python: Path) -> None:
    """vswhere.exe: setuptools' program that starts the script of its name."""
    folder.mkdir()
    shutil.copy(Path(setuptools.__file__).with_name("cli-64.exe"), folder / "vswhere.exe")
    for runtime in python.parent.glob("vcruntime140*.dll"):
        shutil.copy(runtime, folder)
    answer = visual_studio.answer(STUDIO, version="17.14.36310.24").encode("utf-8")
    code = VSWHERE.format(path=str(STUDIO), answer=answer)
    text = f'#!"{path_for_windows(python)}"\n{code}'
    (folder / "vswhere-script.py").write_text(text, encoding="utf-8")
