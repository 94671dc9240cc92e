"""The programs gcc, g++, ar and windres for Windows, whose work the host's zig does.

    gcc.exe in a Windows build -> client.c -> loopback socket -> words.call_of -> zig on the host
    exit status and output  <-------------------------------------

zig's own Windows build cannot compile under Wine 8. The word in server.txt keeps other users of
the machine from having programs run.
"""

import re
import secrets
import shutil
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from tasks.compilers.toolchain import Toolchain
from tasks.core import process
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.handover.request import Request
from tasks.handover.words import Call, call_of

PROGRAMS = ("gcc", "g++", "cc", "c++", "clang", "clang++", "ar", "llvm-ar", "ranlib", "windres")
NOT_KNOWN = 127
_NO_INIT = re.compile(r"undefined symbol: (PyInit_\w+)")


def windows_libraries(toolchain: Toolchain, zig: Path) -> Callable[[str], bool]:
    """Whether Windows has an import library of a name (in lower case), as zig knows them."""
    folders = [zig.parent / "lib" / "libc" / "mingw" / name for name in ("lib-common", "lib64")]
    names = {
        file.name.partition(".")[0].lower() for folder in folders for file in folder.glob("*.def*")
    }
    return names.__contains__


def without_init(output: str, words: Sequence[str], folder: Path) -> bool:
    """Take the export of a PyInit function that is not there out of a link's .def file.

    setuptools has every Extension export one. What is loaded with ctypes has none, or one for
    Microsoft's linker only, which takes a C++ function of that name for it.

    Args:
        output: of the link that failed.
        words: of that link.
        folder: that it ran in.

    Returns:
        whether a file was changed, so that the link may succeed now.
    """
    missing = {line.strip() for line in _NO_INIT.findall(output)}
    changed = False
    for file in (folder / word for word in words if word.lower().endswith(".def")):
        if not missing or not file.is_file():
            continue
        lines = file.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line.strip() not in missing]
        if kept != lines:
            file.write_text("\n".join(kept) + "\n", encoding="utf-8")
            changed = True
    return changed


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        toolchain: Toolchain,
        word: str,
        has_library: Callable[[str], bool],
        env: Mapping[str, str],
        extra: list[str],
        after: Callable[[Call], list[str]],
        note: Callable[[Call, str], None],
    ):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.toolchain = toolchain
        self.word = word
        self.has_library = has_library
        self.env = env
        self.extra = extra
        self.after = after
        self.note = note

    def answer(self, request: Request) -> tuple[int, str]:
        """Do what a program asks; its exit status and output."""
        call = call_of(request, self.has_library)
        words = call.words
        if call.role in ("cc", "cxx"):
            words = [*self.extra, *call.words, *self.after(call)]
        command = [self.toolchain.programs[call.role], *words]
        folder = request.host(".")
        status, output = process.output_of(command, cwd=folder, env=self.env)
        if status and without_init(output, words, folder):
            status, output = process.output_of(command, cwd=folder, env=self.env)
        self.note(call, process.command_line(command))
        return status, output


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast(_Server, self.server)
        word, *texts = self.rfile.read().decode("utf-8", "surrogateescape").split("\0")[:-1]
        if not secrets.compare_digest(word.encode(), server.word.encode()):
            return
        try:
            status, output = server.answer(Request.read(texts))
        except (BuildError, OSError, ValueError) as error:
            status, output = NOT_KNOWN, f"the hand-over to the host failed: {error}\n"
        answer = output.replace("\n", "\r\n").encode("utf-8", "replace")
        self.wfile.write(struct.pack("<I", status & 0xFFFFFFFF) + answer)


@contextmanager
def serving(
    folder: Path,
    toolchain: Toolchain,
    zig: Path,
    env: Mapping[str, str],
    extra: list[str],
    after: Callable[[Call], list[str]],
    note: Callable[[Call, str], None],
    job: Job,
) -> Iterator[Path]:
    """Lay the programs down in `folder`, and do their work for as long as the context lasts.

    Args:
        zig: the program, for what it knows of Windows' libraries.
        env: the environment of the host's programs.
        extra: words in front of those of every compiler call.
        after: the words that follow those of a call.
        note: called after each call with what was made of it, and the command.

    Yields:
        the folder of the programs, for PATH.
    """
    folder.mkdir(parents=True, exist_ok=True)
    client = folder / "gcc.exe"
    process.run(
        [
            toolchain.programs["cc"], "-municode", "-o", client,
            Path(__file__).with_name("client.c"), "-lws2_32",
        ],
        log=job.log, cwd=folder, env=env, line=job.line,
    )  # fmt: skip
    for name in PROGRAMS[1:]:
        shutil.copyfile(client, folder / f"{name}.exe")
    word = secrets.token_hex(16)
    known = windows_libraries(toolchain, zig)
    with _Server(toolchain, word, known, env, extra, after, note) as server:
        address = f"{server.server_address[1]} {word}\n"
        place = folder / "server.txt"
        place.touch(mode=0o600)
        place.write_text(address, encoding="ascii")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield folder
        finally:
            server.shutdown()
            thread.join()
