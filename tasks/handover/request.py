"""What a Windows program (client.c) asks of the host: who it is, where, and with what words."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from tasks.core import host

_QUOTED_WORDS = re.compile(r'(?:\\"|[^\s"]|"(?:\\"|[^"])*")+')


@dataclass(frozen=True)
class Request:
    """One call of a program.

    Args:
        program: its name in lower case, without ending.
        drive_c: the host's folder that is drive C under Wine; "" on Windows.
        folder: the working folder, as Windows sees it.
        arguments: without the program's name; response files are read.
    """

    program: str
    drive_c: str
    folder: str
    arguments: tuple[str, ...]

    @classmethod
    def read(cls, texts: Sequence[str]) -> "Request":
        """A request as client.c sends it."""
        program, drive_c, folder, number, *rest = texts
        made = cls(program.lower(), drive_c, folder, ())
        words = [word for given in rest[: int(number)] for word in made._expanded(given)]
        return cls(program.lower(), drive_c, folder, tuple(words))

    def _expanded(self, word: str) -> list[str]:
        """A word, or those of the response file that it names (gcc(1), @FILE)."""
        file = self.host(word[1:])
        if not word.startswith("@") or not file.is_file():
            return [word]
        text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
        return [w.replace('\\"', "\0").replace('"', "").replace("\0", '"')
                for w in _QUOTED_WORDS.findall(text)]  # fmt: skip

    def host(self, path: str) -> Path:
        """The host's name of a path as Windows sees it."""
        if host.WINDOWS:
            return Path(self.folder, path)
        whole = PureWindowsPath(self.folder, path)
        root = Path(self.drive_c if whole.drive.upper() == "C:" else "/")
        return _in_any_case(root, whole.parts[1:])

    def relative(self, path: str) -> str:
        """The host's spelling of a path below the working folder.

        Setuptools' class for gcc writes the names of objects in lower case, and not those of the
        folders that it makes for them.
        """
        given = path.replace("\\", "/")
        here = self.host(".")
        if host.WINDOWS or given.startswith("/") or os.path.lexists(here / given):
            return given
        return _in_any_case(here, PurePosixPath(given).parts).relative_to(here).as_posix()


def _in_any_case(root: Path, parts: Sequence[str]) -> Path:
    """A path below `root`; where there is no such name, that which differs in case alone."""
    exact = root.joinpath(*parts)
    if os.path.lexists(exact):
        return exact
    found = root
    for part in parts:
        if part != ".." and not os.path.lexists(found / part) and found.is_dir():
            same = (p for p in found.iterdir() if p.name.lower() == part.lower())
            found = next(same, found / part)
        else:
            found /= part
    return found
