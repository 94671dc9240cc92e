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
from dllwhy.logs.sieve import sifted

# Control sequences (colours, cursor), operating system commands (titles, links), other escapes.
# ECMA-48, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b\n]*\x1b\\"
    r"|\x1b[ -/]*[0-~]|\x1b"
)
# Control characters, and those that turn the direction of writing: none is passed on to a terminal.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# What services put before a line. GitHub: "2026-01-31T12:00:00.1234567Z ", in `gh run view --log`
# with "job<TAB>step<TAB>" before it, and commands such as "##[error]" and "::error file=x::"
# (https://docs.github.com/actions/reference/workflow-commands-for-github-actions);
# others: "[12:00:00] ", "#12 3.456 " (docker build); MSBuild: "12>".
_STAMP = (
    r"(?:(?:[^\t\n]{1,100}\t[^\t\n]{1,100}\t)?\ufeff?"
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?[ \t]+"
    r"|\[\d\d:\d\d:\d\d(?:\.\d+)?\][ \t]+|\#\d+[ \t]\d+\.\d+[ \t]+)"
)
_MARK = r"(?:\#\#\[\w+\]|::(?:error|warning|notice|debug|group)[^:\n]*::|\d{1,3}>(?=\S))"
_SERVICE = re.compile(rf"^[ \t]*(?:{_STAMP}{_MARK}?|{_MARK})")
_SAMPLE = 200  # lines from the start, and from the end, that tell whether a log is quoted
_LONG = 200_000  # characters; a shorter log is read whole
_LEFT_OUT = "\u2026"
_QUOTED = re.compile(r"[ \t]*>")
_QUOTE_MARKS = re.compile(r"^[ \t]*(?:>[ \t]?)+")
_BOX = " \t│┃╎"
_LONGEST_LINE = 8000  # characters; the middle of longer ones is no message
# A console is 80 or 120 columns wide, more or less what an indentation did to the paste.
_CONSOLES = (*range(77, 85), *range(117, 125))
_OTHER_CONSOLE = 3  # so many lines, all as long as the longest, are of a console of another width
# A line that begins a message of its own does not continue the line before.
_BEGINS = re.compile(
    r"\s\s|(?:[\w.+-]+[\\/])?[^\s:]+(?:\(\d+(?:,\d+)?\))?\s?: (?:fatal )?(?:error|warning|note)\b"
    r"|(?:fatal |CMake )?(?:error|warning|note)\b|LINK :|Traceback |File \""
    r"|[A-Z]\w+(?:Error|Warning): |\[\d+/\d+\]|-- |\$ |[A-Za-z]:\\[^>\n]*>",
    re.IGNORECASE,
)
# Magic numbers of what people take for a log, such as the archive of a build service's logs.
_NO_TEXT = {b"PK\x03\x04": "a ZIP archive: unpack it", b"\x1f\x8b": "a gzip archive: unpack it",
            b"%PDF": "a PDF: copy the text of the log out of it", b"MZ": "a program or DLL",
            b"\x89PNG": "a picture: copy the log as text"}  # fmt: skip
# Neither text nor colours nor the other half of UTF-16's letters.
_BINARY = bytes([*range(1, 8), *range(14, 27), *range(28, 32), 127])


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
    start = data[:65536].replace(b"\0", b"")
    if len(start.translate(None, _BINARY)) < 0.9 * len(start):
        raise DiagnosisError("this is no text")
    return decoded(data)


def normalised(text: str) -> Log:
    """The lines of a log without what consoles, services and people put around them.

    Of a long log only those that may be messages (`dllwhy.logs.sieve`); where lines are left out,
    there is a line "\u2026".
    """
    # A progress bar redraws its line after "\r".
    numbered = [
        (number, part)
        for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1)
        for part in (line.split("\r") if "\r" in line else (line,))
    ]
    lines = [line for _, line in numbered]
    sample = [line for line in (*lines[:_SAMPLE], *lines[-_SAMPLE:]) if line.strip()]
    quoted = sum(bool(_QUOTED.match(line)) for line in sample) > 0.8 * len(sample)
    indent = min((len(line) - len(line.lstrip()) for line in sample), default=0)
    width = _console(lines)
    indices = range(len(lines)) if len(text) <= _LONG else sifted(lines)
    plain: list[str] = []
    numbers: list[int] = []
    last = -1
    for index in indices:
        if index > last + 1 and plain:
            plain.append(_LEFT_OUT)
            numbers.append(numbered[index][0])
        line = _cleaned(lines[index], quoted)
        before = lines[index - 1].rstrip() if index == last + 1 and index else ""
        if width and _continues(before, width, line[indent:]):
            # The space at which the line was wrapped is often lost.
            plain[-1] += " " * (width - _columns(before)) + line[indent:].rstrip()
        else:
            plain.append(line.rstrip())
            numbers.append(numbered[index][0])
        last = index
    return Log.of([line.strip(_BOX) for line in plain], numbers)


def _cleaned(line: str, quoted: bool) -> str:
    if len(line) > _LONGEST_LINE:
        line = line[: _LONGEST_LINE // 2] + " ... " + line[-_LONGEST_LINE // 2 :]
    line = _CONTROLS.sub("", _ESCAPES.sub("", line) if "\x1b" in line else line)
    line = _SERVICE.sub("", line)
    return _QUOTE_MARKS.sub("", line) if quoted else line


def _continues(before: str, width: int, line: str) -> bool:
    """Whether a line is the rest of the line before it, which fills the console."""
    return (
        width - 1 <= _columns(before) <= width and not _is_ruler(before)
        and line.strip() != "" and not _BEGINS.match(line)
    )  # fmt: skip


def _console(lines: Sequence[str]) -> int:
    """The width of the console that a log was copied from, in columns; 0 if it was not wrapped."""
    if max(map(len, lines)) > 2 * max(_CONSOLES):
        return 0
    widths = Counter(_columns(line.rstrip()) for line in lines if not _is_ruler(line))
    longest = max(widths, default=0)
    filled = widths[longest] >= _OTHER_CONSOLE and longest > min(_CONSOLES)
    return longest if longest in _CONSOLES or filled else 0


def _is_ruler(line: str) -> bool:
    """Whether a line is a drawn one ("=====", "| ---- |"), or empty."""
    return len(set(line)) <= 3


def _columns(line: str) -> int:
    """The columns of a line; letters of East Asia take two (Unicode, annex 11)."""
    if line.isascii():
        return len(line)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
