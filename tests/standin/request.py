"""What the stand-in's programs are asked, and what they have in common."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from support import zig_environment, zig_program

ZIG = zig_program()
TARGET = "x86_64-windows-gnu"


def zig_command(role: str) -> list[str]:
    """zig's compiler for Windows: "cc" or "c++"."""
    return [str(ZIG), role, "-target", TARGET]


@dataclass(frozen=True)
class Request:
    """What a program was called with.

    Args:
        program: its name in lower case, without ending.
        drive_c: the host's folder that is drive C.
        folder: the working folder, as Windows sees it.
        arguments: without the program's name.
        environment: names in upper case.
    """

    program: str
    drive_c: str
    folder: str
    arguments: list[str]
    environment: Mapping[str, str]

    @classmethod
    def read(cls, texts: Sequence[str]) -> "Request":
        """A request as client.c sends it."""
        program, drive_c, folder, number, *rest = texts
        count = int(number)
        pairs = (text.partition("=") for text in rest[count:] if not text.startswith("="))
        environment = {name.upper(): value for name, _, value in pairs}
        return cls(program.lower(), drive_c, folder, rest[:count], environment)

    def folders(self, variable: str) -> list[str]:
        """The folders in a variable like INCLUDE."""
        return [part for part in self.environment.get(variable, "").split(";") if part]

    def host(self, path: str) -> Path:
        """The host's name of a path as Windows sees it, whatever the case of its letters."""
        whole = PureWindowsPath(self.folder, path.strip('"'))
        found = Path(self.drive_c if whole.drive.upper() == "C:" else "/")
        for part in whole.parts[1:]:
            if part == "..":
                found = found.parent
            elif (found / part).exists() or not found.is_dir():
                found /= part
            else:
                same = (p for p in found.iterdir() if p.name.lower() == part.lower())
                found = next(same, found / part)
        return found

    def search(self, name: str, folders: Sequence[str]) -> Path | None:
        """A file in the working folder or in one of `folders`."""
        for folder in ("", *folders):
            file = self.host(str(PureWindowsPath(folder, name)))
            if file.is_file():
                return file
        return None


class ProgramError(Exception):
    """A program's end with an error: exit status and message."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass
class Run:
    """One run of a program: what it prints, and what zig is asked for it.

    Args:
        tools: the folder of the toolset, VC/Tools/MSVC/VERSION.
    """

    request: Request
    tools: Path
    lines: list[str] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)

    @property
    def minor(self) -> str:
        """What follows the major version: toolset 14.38.33130 has cl.exe 19.38.33130."""
        return self.tools.name.partition(".")[2]

    def zig(self, command: Sequence[str | Path]) -> tuple[int, str]:
        """Run zig; its exit status and output."""
        words = [str(word) for word in command]
        self.commands.append(words)
        done = subprocess.run(
            words, cwd=self.request.host("."), env=zig_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout


def split_words(text: str) -> list[str]:
    """Words as the programs split a variable or a file: quotes hold blanks together."""
    return [w.replace('"', "") for w in re.findall(r'(?:[^\s"]|"[^"]*")+', text)]


def arguments_of(request: Request) -> list[str]:
    """The arguments, with response files read."""
    found: list[str] = []
    for word in request.arguments:
        if word.startswith("@"):
            raw = request.host(word[1:]).read_bytes()
            utf16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
            found += split_words(raw.decode("utf-16" if utf16 else "utf-8-sig"))
        else:
            found.append(word)
    return found


def with_variables(request: Request, before: str, after: str) -> list[str]:
    """The arguments between those in two environment variables."""
    return [
        *split_words(request.environment.get(before, "")),
        *arguments_of(request),
        *split_words(request.environment.get(after, "")),
    ]


def option_of(word: str) -> str | None:
    """An option without its mark, or None for a file."""
    return word[1:] if word[:1] in ("/", "-") and len(word) > 1 else None
