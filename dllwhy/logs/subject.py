"""What a log is of: which Python, machine and compiler, and whether of this project's own build.

Only what fits these is advice: a library of another Python or machine never is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Folders of this project's builds (build/PROFILE-cpXY/), its clone, FFCV's extension module.
_HERE = re.compile(r"ffcv-on-windows|[\\/]build[\\/][\w-]+-cp3\d+[\\/]|libffcv")
# File names and folders that setuptools, pip and the installers of Python make.
_PYTHON = re.compile(
    r"python(3\d{1,2})(?:_d)?\.(?:lib|dll)\b|\bcp(3\d{1,2})-|cpython-(3\d{1,2})\b"
    r"|[Pp]ython[\\/]?(3\d{1,2})[\\/]|[Pp]ython[ /-]?(3\.\d{1,2})\b|-(3\.\d{1,2})[\\/]Release\b"
)
_MSVC = re.compile(
    r"\bLNK\d{4}\b|\bcl\.exe\b|\bfatal error C\d{4}\b|\berror C\d{4}\b|\blink\.exe\b"
)
_MACHINES = {
    "x86": re.compile(r"\btemp\.win32\b|\blib\.win32\b|/MACHINE:X86\b|[Hh]ost[Xx]\d\d[\\/]+x86\b"),
    "arm64": re.compile(r"(?i)\bwin[_-]arm64\b|/MACHINE:ARM64\b|host\w+[\\/]+arm64\b"),
    "x64": re.compile(r"(?i)\bwin[_-]amd64\b|/MACHINE:X64\b|hostx\d\d[\\/]+x64\b"),
}  # fmt: skip
_SAMPLE = 200_000  # characters from the start, and as many from the end


@dataclass(frozen=True)
class Subject:
    """What a log is of.

    Attributes:
        here: it is of this project's own build.
        python: the version of the Python that builds, as "311"; "" if unknown.
        machine: "x64", "x86", "arm64"; "" if unknown.
        msvc: Microsoft's compiler or linker speaks in it.
    """

    here: bool = False
    python: str = ""
    machine: str = ""
    msvc: bool = False


def subject(text: str, here: bool | None = None) -> Subject:
    """What a log is of, by names in its text.

    Args:
        text: plain text of the log.
        here: whether it is of this project's own build, where that is known.
    """
    if len(text) > 2 * _SAMPLE:
        text = f"{text[:_SAMPLE]}\n{text[-_SAMPLE:]}"
    # The last one named: excerpts end with the failure.
    versions = [next(filter(None, groups)) for groups in _PYTHON.findall(text)]
    return Subject(
        here=bool(_HERE.search(text)) if here is None else here,
        python=versions[-1].replace(".", "") if versions else "",
        machine=next((name for name, marks in _MACHINES.items() if marks.search(text)), ""),
        msvc=bool(_MSVC.search(text)),
    )
