"""A log as it reaches people -> plain lines, each with its number in the file.

Removed: colours and other escape sequences, control characters, time stamps and marks of build
services, quoting, box characters, indentation. Joined: lines that a console has wrapped.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dllwhy.decode import decoded
from dllwhy.errors import DiagnosisError

# Control sequences (colours, cursor), operating system commands (titles, links), other escapes.
# ECMA-48, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b\n]*\x1b\\"
    r"|\x1b[ -/]*[0-~]|\x1b"
)
# Control characters, and those that turn the direction of writing: none is passed on to a terminal.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What services put before each line. GitHub: "2026-01-31T12:00:00.1234567Z ", with "job<TAB>step<TAB>"
# before it in `gh run view --log`, and commands such as "##[error]" and "::error file=x::"
# (https://docs.github.com/actions/reference/workflow-commands-for-github-actions);
# others: "[12:00:00] ", "#12 3.456 " (docker build); MSBuild: "12>".
_SERVICE = re.compile(
    r"^[ \t]*(?:(?:[^\t\n]{1,100}\t[^\t\n]{1,100}\t)?\ufeff?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?[ \t]+|\[\d\d:\d\d:\d\d(?:\.\d+)?\][ \t]+"
    r"|\#\d+[ \t]\d+\.\d+[ \t]+)?"
    r"(?:\#\#\[\w+\]|::(?:error|warning|notice|debug|group)[^:\n]*::|\d{1,3}>(?=\S))?",
    re.MULTILINE,
)
_QUOTED = re.compile(r"[ \t]*>")
_QUOTE_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?)+")
_BOX = " \t│┃╎"
_LONGEST_LINE = 8000  # characters; the middle of longer ones is no message
# A console is 80 or 120 columns wide, less what an indentation or a quote mark took of the paste.
_CONSOLES = (*range(77, 81), *range(117, 121))
_OTHER_CONSOLE = 3  # so many lines, all as long as the longest, are of a console of another width
_RULER = re.compile(r"\W*(\W)\1{20,}\W*")
# A line that begins a message of its own does not continue the line before.
_BEGINS = re.compile(
    r"\s\s|(?:[\w.+-]+[\\/])?[^\s:]+(?:\(\d+(?:,\d+)?\))?\s?: (?:fatal )?(?:error|warning|note)\b"
    r"|(?:fatal |CMake )?(?:error|warning|note)\b|LINK :|Traceback |File \"|[A-Z]\w+(?:Error|Warning): "
    r"|\[\d+/\d+\]|-- |\$ |[A-Za-z]:\\[^>\n]*>",
    re.IGNORECASE,
)
# Magic numbers of what people take for a log: the archive of a build service's logs, a PDF, a program.
_NO_TEXT = {b"PK\x03\x04": "a ZIP archive: unpack it", b"\x1f\x8b": "a gzip archive: unpack it",
            b"%PDF": "a PDF: copy the text of the log out of it", b"MZ": "a program or DLL",
            b"\x89PNG": "a picture: copy the log as text"}  # fmt: skip


@dataclass(frozen=True)
class Log:
    """Plain lines of a log.

    Attributes:
        text: the lines, with "\\n" between them.
        starts: where each line begins in the text.
        numbers: the number that each line has in the file, from 1.
    """

    text: str
    starts: tuple[int, ...]
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, lines: Sequence[str], numbers: Sequence[int]) -> Log:
        """A log of lines and their numbers."""
        starts, at = [], 0
        for line in lines:
            starts.append(at)
            at += len(line) + 1
        return cls("\n".join(lines), tuple(starts), tuple(numbers))

    def index(self, offset: int) -> int:
        """The index of the line that holds a character of the text."""
        return bisect_right(self.starts, offset) - 1

    def line(self, index: int) -> str:
        """The line of an index."""
        end = self.starts[index + 1] - 1 if index + 1 < len(self.starts) else len(self.text)
        return self.text[self.starts[index] : end]


def read(data: bytes) -> str:
    """The text of a log file.

    Raises:
        DiagnosisError: it is empty, or no text.
    """
    if not data.strip():
        raise DiagnosisError("the log is empty: nothing was written to it")
    for magic, what in _NO_TEXT.items():
        if data.startswith(magic):
            raise DiagnosisError(f"this is no text but {what}")
    return decoded(data)


def normalised(text: str) -> Log:
    """The lines of a log without what consoles, services and people put around them."""
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    text = _CONTROLS.sub("", text.replace("\r\n", "\n"))
    text = _SERVICE.sub("", text)
    lines = text.split("\n")
    filled = [line for line in lines if line]
    if filled and sum(bool(_QUOTED.match(line)) for line in filled) > 0.8 * len(filled):
        lines = [_QUOTE_MARKS.sub("", line) for line in lines]
    plain: list[str] = []
    numbers: list[int] = []
    for number, line in _unwrapped(lines):
        # A progress bar redraws its line after "\r".
        for part in line.split("\r") if "\r" in line else (line,):
            part = part.strip(_BOX)
            if len(part) > _LONGEST_LINE:
                part = part[: _LONGEST_LINE // 2] + " ... " + part[-_LONGEST_LINE // 2 :]
            plain.append(part)
            numbers.append(number)
    return Log.of(plain, numbers)


def _unwrapped(lines: Sequence[str]) -> list[tuple[int, str]]:
    """Numbered lines; those that a console has wrapped are one, with the number of the first."""
    lines = [line.rstrip() for line in lines]
    width = _console(lines)
    joined: list[tuple[int, str]] = []
    continues = False
    for number, line in enumerate(lines, 1):
        if continues and line and not _BEGINS.match(line):
            joined[-1] = (joined[-1][0], joined[-1][1] + line)
        else:
            joined.append((number, line))
        continues = width > 0 and _columns(line) == width and not _RULER.fullmatch(line)
    return joined


def _console(lines: Sequence[str]) -> int:
    """The width of the console that a log was copied from, in columns; 0 if it was not wrapped."""
    if max(map(len, lines)) > 2 * max(_CONSOLES):
        return 0
    widths = Counter(_columns(line) for line in lines if not _RULER.fullmatch(line))
    longest = max(widths, default=0)
    if longest in _CONSOLES or (longest > min(_CONSOLES) and widths[longest] >= _OTHER_CONSOLE):
        return longest
    return 0


def _columns(line: str) -> int:
    """The columns of a line; letters of East Asia take two (Unicode, annex 11)."""
    if line.isascii():
        return len(line)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
