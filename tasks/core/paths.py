"""Paths and patterns of paths that config.yaml may hold: below some folder, and never out of it.

Each function returns what it is given, or raises ValueError with a reason for people.
"""

import re

_NO_NAME = re.compile(r'[\x00-\x1f<>:"|?*]|[ .]$')  # as members.windows_problem
_SET = re.compile(r"\[!?(.[^\]]*)\]")
_RANGE = re.compile(r"(.)-(.)", re.S)


def checked_path(path: str) -> str:
    """A path with forward slashes, relative."""
    if not path:
        raise ValueError("is empty")
    if path.startswith(("/", "~")) or re.match("[A-Za-z]:", path):
        raise ValueError(f'"{path}" is not relative')
    if "\\" in path:
        raise ValueError(f'"{path}" has a backslash: write / between folders')
    if ".." in path.split("/"):
        raise ValueError(f'"{path}" leaves the folder with ".."')
    if any(ord(letter) < 0x20 for letter in path):
        raise ValueError(f"{path!r} has a control character in it")
    return path


def checked_path_or_nothing(path: str) -> str:
    """A relative path, or ""."""
    return checked_path(path) if path else path


def checked_name(name: str) -> str:
    """The name of a file, without folders."""
    if "/" in checked_path(name) or _NO_NAME.search(name):
        raise ValueError(f'"{name}" is not the name of a file')
    return name


def checked_pattern(pattern: str) -> str:
    """A relative path in which * ? [abc] [!abc] stand for letters, and ** for folders."""
    parts = checked_path(pattern).split("/")
    if set(parts) <= {"", "."}:
        raise ValueError(f'"{pattern}" names no file')
    for part in parts:
        if "**" in part and part != "**":
            raise ValueError(f'"{pattern}" is no pattern: ** stands alone between slashes')
        if "[" in _SET.sub("", part):
            raise ValueError(f'"{pattern}" is no pattern: a [ is not closed')
        for inner in _SET.findall(part):
            for first, last in _RANGE.findall(inner):
                if first > last:
                    raise ValueError(
                        f'"{pattern}" is no pattern: {first}-{last} is the wrong way round'
                    )
    return pattern
