"""A made-up Visual Studio whose cl.exe, link.exe, lib.exe and rc.exe really compile.

    with standin.install(folder) as visual_studio:
        ...                         # Windows programs under Wine run it like the real one
        visual_studio.asked         # what its programs were asked, and what they answered

Microsoft's compiler cannot be had here, and zig does not run under Wine. So each program is a
small Windows program (tasks/handover/client.c) that hands its arguments to this process on the
host, which translates them for zig (cl.py, link.py, programs.py) and translates back what zig says.
They take options, INCLUDE, LIB, LINK and CL as Microsoft documents them, and fail with Microsoft's
messages and exit statuses where a header or a library is not where these say.

What differs: the code is for the GNU C++ ABI, and headers and libraries of Windows and of C are
zig's; but they count only where INCLUDE and LIB name the folders of this Visual Studio.
"""

import secrets
import shutil
import socketserver
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from support import zig_environment

import tasks.handover as client_source
from standin.programs import run
from standin.request import Request, zig_command

TOOLSET = "14.38.33130"
SDK = "10.0.22621.0"

# An archive without members: what counts is that LIB leads to it.
_EMPTY_LIBRARY = b"!<arch>\n"

# What the real script sets, as far as builds read it.
# https://learn.microsoft.com/cpp/build/building-on-the-command-line
VCVARS = rf"""@echo off
for %%i in ("%~dp0..\..\..") do set "VSINSTALLDIR=%%~fi\"
for %%i in ("%~dp0..\..\..\..\..\..\Windows Kits\10") do set "WindowsSdkDir=%%~fi\"
set "VCINSTALLDIR=%VSINSTALLDIR%VC\"
set "VCToolsVersion={TOOLSET}"
set "VCToolsInstallDir=%VCINSTALLDIR%Tools\MSVC\{TOOLSET}\"
set "VisualStudioVersion=17.0"
set "WindowsSDKVersion={SDK}\"
set "VSCMD_VER=17.8.0"
set "VSCMD_ARG_HOST_ARCH=x64"
set "VSCMD_ARG_TGT_ARCH=x64"
set "Platform=x64"
set "INCLUDE=%VCToolsInstallDir%include;%WindowsSdkDir%include\{SDK}\ucrt;%INCLUDE%"
set "LIB=%VCToolsInstallDir%lib\x64;%WindowsSdkDir%lib\{SDK}\ucrt\x64;%LIB%"
set "LIBPATH=%VCToolsInstallDir%lib\x64;%LIBPATH%"
set "PATH=%VCToolsInstallDir%bin\Hostx64\x64;%WindowsSdkDir%bin\{SDK}\x64;%PATH%"
exit /b 0
"""


@dataclass(frozen=True)
class Asked:
    """What a program was asked, and what it answered.

    Args:
        request: program, arguments, environment.
        zig: the commands that were run for it.
        status: the exit status.
        output: what it printed.
    """

    request: Request
    zig: list[list[str]]
    status: int
    output: str


@dataclass(frozen=True)
class StandIn:
    """An installed stand-in, whose server runs.

    Args:
        path: the installation's folder, .../Microsoft Visual Studio/2022/BuildTools.
        asked: one entry for each time that one of its programs ran.
    """

    path: Path
    asked: list[Asked] = field(default_factory=list)

    @property
    def vcvars(self) -> Path:
        """The script that activates it."""
        return self.path / "VC" / "Auxiliary" / "Build" / "vcvars64.bat"

    @property
    def tools(self) -> Path:
        """VC/Tools/MSVC/VERSION."""
        return self.path / "VC" / "Tools" / "MSVC" / TOOLSET

    def install_zig(self, package: Path) -> None:
        """Make a package ziglang whose zig.exe hands its work to the host's zig."""
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        shutil.copyfile(self.path / "client.exe", package / "zig.exe")
        shutil.copy(self.tools / "bin" / "Hostx64" / "x64" / "server.txt", package)

    @property
    def sdk(self) -> Path:
        """The Windows SDK's folder."""
        return self.path.parents[2] / "Windows Kits" / "10"

    def programs(self, name: str) -> list[Asked]:
        """What one of the programs ("cl", "link", "lib", "rc") was asked."""
        return [asked for asked in self.asked if asked.request.program == name]


@contextmanager
def install(folder: Path) -> Iterator[StandIn]:
    """Lay down the stand-in below `folder`, and run its server for as long as the context lasts.

    Args:
        folder: stands for the root of a drive; "Program Files (x86)" is made in it.

    Yields:
        the stand-in. Its programs fail when the context has ended.
    """
    programs = folder / "Program Files (x86)"
    made = StandIn(programs / "Microsoft Visual Studio" / "2022" / "BuildTools")
    word = secrets.token_hex(16)
    with _Server(made, word) as server:
        _lay_down(made, f"{server.server_address[1]} {word}\n")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def _lay_down(made: StandIn, address: str) -> None:
    binaries = {
        made.tools / "bin" / "Hostx64" / "x64": ("cl.exe", "link.exe", "lib.exe"),
        made.sdk / "bin" / SDK / "x64": ("rc.exe",),
    }
    files = {
        made.vcvars: VCVARS.replace("\n", "\r\n").encode("ascii"),
        made.vcvars.with_name("Microsoft.VCToolsVersion.default.txt"): f"{TOOLSET}\r\n".encode(),
        made.tools / "include" / "vcruntime.h": b"#include_next <vcruntime.h>\n",
        made.tools / "lib" / "x64" / "MSVCRT.lib": _EMPTY_LIBRARY,
        made.tools / "lib" / "x64" / "LIBCMT.lib": _EMPTY_LIBRARY,
        made.sdk / "Include" / SDK / "ucrt" / "corecrt.h": b"#include_next <corecrt.h>\n",
        made.sdk / "Lib" / SDK / "ucrt" / "x64" / "ucrt.lib": _EMPTY_LIBRARY,
        **{binary / "server.txt": address.encode() for binary in binaries},
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    client = made.path / "client.exe"
    source = Path(client_source.__file__).with_name("client.c")
    subprocess.run(
        [*zig_command("cc"), "-municode", "-O2", "-g0", "-o", client, source, "-lws2_32"],
        env=zig_environment(), check=True, capture_output=True,
    )  # fmt: skip
    for binary, names in binaries.items():
        for name in names:
            shutil.copyfile(client, binary / name)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, made: StandIn, word: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.made = made
        self.word = word


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast(_Server, self.server)
        word, *texts = self.rfile.read().decode("utf-8", "surrogateescape").split("\0")[:-1]
        if word != server.word:
            return
        request = Request.read(texts)
        status, output, commands = run(request, server.made.tools)
        server.made.asked.append(Asked(request, commands, status, output))
        answer = output.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
        self.wfile.write(struct.pack("<I", status) + answer)
