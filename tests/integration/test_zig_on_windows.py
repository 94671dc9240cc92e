"""The profile zig on Windows: a Windows Python builds FFCV's wheel with zig.exe.

zig for Windows starts under Wine 8 and cannot compile there. So its zig.exe hands its work to the
zig of this machine (tasks/handover/client.c). The rest is what runs on Windows: the stages, the
.cmd files that call zig as one compiler program, and setuptools' class for compilers that are
called as gcc is.
"""

import re
import secrets
import shutil
import socketserver
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pe_files import zig
from support import ROOT, path_for_windows, zig_environment, zig_program

from dllwhy import pe
from tasks import handover
from tasks.handover.request import Request

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

WHEEL = "ffcv-1.0.2-cp311-cp311-win_amd64.whl"
# A path has a drive, or is relative with a backslash; -I, -L and -o may stand before it.
PATH = re.compile(r"(-[ILo]|)([A-Za-z]:[\\/].*|[^-].*\\.*)")
WORK = r"""
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tasks import toolchain, wheel
from tasks.core.job import Job
from tasks.core.project import load
project = load(Path(sys.argv[2]))
for module, name in ((toolchain, None), (wheel, "ffcv")):
    [stage] = [s for s in module.create(project) if s.get("actions") and s.get("name") == name]
    job = Job(stage["basename"], project.log(stage["basename"]), lambda *_: None, print, print)
    print(stage["actions"][0].work(job).summary)
"""


class Server(socketserver.ThreadingTCPServer):
    """Runs the zig of this machine for Windows programs that know its word."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.word = secrets.token_hex(16)
        self.asked: list[list[str]] = []


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        word, *texts = self.rfile.read().decode("utf-8").split("\0")[:-1]
        if word != server.word:
            return
        request = Request.read(texts)

        def here(match: re.Match[str]) -> str:
            return match[1] + str(request.host(match[2]))

        words = [PATH.sub(here, word) if PATH.fullmatch(word) else word
                 for word in request.arguments]  # fmt: skip
        server.asked.append(words)
        done = subprocess.run(
            [zig_program(), *words], cwd=request.host("."), env=zig_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        self.wfile.write(struct.pack("<I", done.returncode) + done.stdout)


@contextmanager
def zig_package(folder: Path) -> Iterator[Server]:
    """A package ziglang whose zig.exe is run here, for as long as the context lasts."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    source = Path(handover.__file__).with_name("client.c")
    zig(folder, "cc", "-target", "x86_64-windows-gnu", "-municode", "-O2", "-g0", "-o", "zig.exe",
        str(source), "-lws2_32")  # fmt: skip
    with Server() as server:
        (folder / "server.txt").write_text(f"{server.server_address[1]} {server.word}\n", "ascii")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_wheel_is_built_through_setuptools_other_class(products, windows_runner, tmp_path):
    root = tmp_path / "FFCV mit ^zig & (c)!"
    build = root / "build" / "zig-cp311"
    for name in ("patches", "config.yaml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        root.mkdir(exist_ok=True)
        copy(ROOT / name, root / name)
    for name in ("libs", "source"):
        (build / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(products / name, build / name)
    (build / "env").symlink_to(windows_runner.python.parent)
    with zig_package(tmp_path / "packages" / "ziglang") as server:
        done = windows_runner.run(
            [windows_runner.python, "-c", WORK, path_for_windows(ROOT), path_for_windows(root)],
            cwd=root,
            variables={
                "FFCVWIN_PROFILE": "zig",
                "FFCVWIN_PYTHON": "3.11",
                "PYTHONPATH": path_for_windows(tmp_path / "packages"),
                # A cache keeps the zig of its version, and this one is not the real one.
                "FFCVWIN_CACHE": path_for_windows(tmp_path / "cache"),
            },
        )
    assert done.returncode == 0, done.stdout
    assert any("-lpthreadVC2" in words for words in server.asked)
    extension = build / "wheels" / "ffcv" / "_libffcv.cp311-win_amd64.pyd"
    assert (extension.parent / WHEEL).is_file()
    assert {"python311.dll", "libopencv_core460.dll", "pthreadVC2.dll"} <= set(
        pe.read_pe(extension).imports
    )
