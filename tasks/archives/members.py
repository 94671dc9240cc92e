"""What may leave an archive, and under which name.

    member's name -> safe_name -> strip, patterns -> Selection.destination -> where it is written
    link          -> link_target -> Selection.links -> a copy of the file that it points to

Archives come from other people. A name that leaves the folder condemns the whole archive,
selected or not; everything else is judged only for the members that are selected.
The same archive gives the same files on Windows and elsewhere.
"""

import difflib
import os
import posixpath
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from tasks.core.errors import BrokenArchiveError, BuildError

Kind = Literal["file", "folder", "link", "special"]

ON_WINDOWS = os.name == "nt"

# Microsoft, "Naming Files, Paths, and Namespaces": device names are reserved with any
# extension, some characters are not allowed, and a trailing space or dot is dropped.
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9\u00b9\u00b2\u00b3]) *(\..*)?", re.I | re.S
)
_NOT_IN_A_WINDOWS_NAME = re.compile(r'[\x00-\x1f<>:"|?*]|[ .]$')

_WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\?|\[!?[^\]]+\])")


def safe_name(name: str) -> str:
    r"""A member's name as a plain relative path with forward slashes; "" is the archive's root.

    A backslash separates folders, on every host: it does on Windows, where the zip files that
    have one come from, so `..\x` must not pass on Linux and leave the folder on Windows.

    Raises:
        ValueError: the path would leave the folder; the text says how.
    """
    path = name.replace("\\", "/")
    if "\0" in path:
        raise ValueError("has a null byte in its name")
    if not _is_unicode(path):
        raise ValueError("has a name that is not UTF-8")
    if path.startswith("/"):
        raise ValueError("has an absolute path")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError("leaves the folder with '..'")
    if parts and re.match("[A-Za-z]:", parts[0]):
        raise ValueError("names a drive")
    return "/".join(parts)


def _is_unicode(text: str) -> bool:
    """False for what Python makes of bytes that are not UTF-8 (PEP 383)."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def link_target(name: str, target: str, *, hard: bool) -> str:
    """The path inside the archive that a link means.

    Args:
        name: the link's own safe name.
        target: what the link says: relative to the link's folder, or, for a hard link in a
            tar, to the archive's root.
        hard: whether it is a hard link.

    Raises:
        ValueError: it points out of the archive; the text says how.
    """
    text = target.replace("\\", "/")
    if hard:
        return safe_name(text)
    return safe_name(posixpath.normpath(posixpath.join(posixpath.dirname(name), text)))


def windows_problem(name: str) -> str | None:
    """Why Windows cannot store this path (safe, with forward slashes), or None if it can."""
    for part in name.split("/"):
        if _DEVICE.fullmatch(part):
            return f"{part!r} is the name of a device on Windows"
        if _NOT_IN_A_WINDOWS_NAME.search(part):
            return f"Windows does not allow the name {part!r}"
    return None


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """A compiled pattern for full matches of member names, case-sensitive.

    `*` and `?` stay within one folder, `**` crosses folders, `[abc]` and `[!abc]` are sets.
    What names a folder takes everything in it.
    """
    simple = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

    def translate(token: str) -> str:
        if token in simple:
            return simple[token]
        if token.startswith("[") and token.endswith("]"):
            inner = token[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
            return "[" + ("^" + inner[1:] if inner.startswith("!") else inner) + "]"
        return re.escape(token)

    parts = _WILDCARD.split(pattern.removeprefix("./").rstrip("/"))
    return re.compile("".join(map(translate, parts)) + "(?:/.*)?", re.DOTALL)


class Selection:
    """The wanted members of one archive, judged one by one in the order they are read.

    Args:
        archive: the archive's file name, for messages.
        patterns: which members are wanted (see `pattern_regex`); empty: all.
        strip: a folder in the archive; only what is in it is wanted, and its path is left out.
    """

    def __init__(self, archive: str, patterns: Sequence[str] = (), strip: str = "") -> None:
        self._archive = archive
        self._patterns = {pattern: pattern_regex(pattern) for pattern in patterns}
        self._unmatched = set(self._patterns)
        self._strip = f"{strip.strip('/')}/" if strip.strip("/") else ""
        self._names: list[str] = []
        self._wanted: dict[str, str] = {}  # member -> path below the target; no folders
        self._links: dict[str, str] = {}  # member -> member
        self._files: dict[str, str] = {}  # path in lower case -> member
        self._folders: set[str] = set()  # in lower case

    def destination(self, name: str, kind: Kind) -> str | None:
        """Where a member belongs, relative to the target folder; None if it is not wanted.

        Raises:
            BuildError: the member must not be unpacked, or cannot be on this system.
        """
        try:
            path = safe_name(name)
        except ValueError as error:
            raise self._refusal(name, str(error)) from None
        self._names.append(path)
        if not path.startswith(self._strip) or not path.removeprefix(self._strip):
            return None
        if self._patterns:
            matching = {key for key, regex in self._patterns.items() if regex.fullmatch(path)}
            if not matching:
                return None
            self._unmatched -= matching
        if kind == "special":
            raise self._refusal(name, "is a device, pipe or the like, not a file")
        relative = path.removeprefix(self._strip)
        if ON_WINDOWS and (problem := windows_problem(relative)):
            raise BuildError(
                f"{self._archive} cannot be unpacked here: {problem} (member {name!r}); "
                "name only the members that are needed"
            )
        self._claim(path, relative.lower(), kind)
        if kind != "folder":
            self._wanted[path] = relative
        return relative

    def link(self, name: str, target: str, *, hard: bool = False) -> None:
        """Notes where a wanted link points (see `link_target`).

        Raises:
            BuildError: it points out of the archive.
        """
        path = safe_name(name)
        try:
            self._links[path] = link_target(path, target, hard=hard)
        except ValueError as error:
            raise self._refusal(name, f"is a link to {target!r}, which {error}") from None

    def links(self) -> list[tuple[str, str]]:
        """Each wanted link with the file that it means, both relative to the target folder.

        Raises:
            BuildError: a link leads in a circle, to a folder, or to what is not unpacked.
        """
        return [(self._wanted[name], self._wanted[self._follow(name)]) for name in self._links]

    def files(self) -> list[Path]:
        """The wanted files and links, relative to the target folder, sorted.

        Raises:
            BuildError: a pattern, or the folder to strip, matches no member.
        """
        for pattern in sorted(self._unmatched):
            raise BuildError(
                f"{self._archive} holds nothing that matches {pattern!r}"
                f"{self._similar(pattern)}; correct the path in the configuration"
            )
        if self._strip and not any(name.startswith(self._strip) for name in self._names):
            raise BuildError(
                f"{self._archive} has no folder {self._strip!r}{self._similar(self._strip)}; "
                "correct the path in the configuration"
            )
        return sorted(Path(relative) for relative in self._wanted.values())

    def _claim(self, path: str, key: str, kind: Kind) -> None:
        """Refuses two members for one place. Folders may meet, also in a different case.

        On every host: on Windows one of two names that differ only in case would silently
        replace the other, and what is built must not depend on where it is built.
        """
        parents = [key[: match.start()] for match in re.finditer("/", key)]
        others = [self._files[place] for place in (key, *parents) if place in self._files]
        if kind != "folder" and key in self._folders:
            others.append(f"{path}/")
        if others:
            raise BuildError(
                f"{self._archive} is refused: its members {others[0]!r} and {path!r} are one "
                "file on Windows; name only the members that are needed"
            )
        self._folders.update(parents)
        if kind == "folder":
            self._folders.add(key)
        else:
            self._files[key] = path

    def _follow(self, link: str) -> str:
        seen = {link}
        target = self._links[link]
        while target in self._links:
            if target in seen:
                raise self._refusal(link, "is a link that leads in a circle")
            seen.add(target)
            target = self._links[target]
        if target not in self._wanted:
            raise BuildError(
                f"{self._archive}: the link {link!r} cannot become a copy, because {target!r} is "
                "a folder or is not unpacked; select the file itself, or leave the link out"
            )
        return target

    def _similar(self, wanted: str) -> str:
        folders = {posixpath.dirname(name) for name in self._names}
        names = {name.lower(): name for name in sorted(folders.union(self._names)) if name}
        plain = wanted.rstrip("/").lower()
        close = [key for key in names if key.endswith(f"/{plain}")][:3]
        close = close or difflib.get_close_matches(plain, names, n=3, cutoff=0.5)
        return f" (similar: {', '.join(names[key] for key in close)})" if close else ""

    def _refusal(self, name: str, why: str) -> BuildError:
        return BuildError(
            f"{self._archive} is refused: its member {name!r} {why}; "
            "get the archive from its official source"
        )


def broken(archive: Path, reason: object) -> BrokenArchiveError:
    """The error for an archive whose content is damaged."""
    text = " ".join(str(reason).split()) or type(reason).__name__
    return BrokenArchiveError(
        f"{archive.name} is broken ({text}): it was probably cut short or altered", text
    )


def check_space(archive: Path, folder: Path, sizes: Iterable[int]) -> None:
    """Refuses an archive whose declared content (bytes) does not fit on the disk of `folder`.

    This also stops a zip bomb before the first byte is written: the readers never write more
    than an archive declares.

    Raises:
        BuildError: too little space.
    """
    needed, free = sum(sizes), shutil.disk_usage(folder).free
    if needed > free:
        raise BuildError(
            f"{archive.name} unpacks to {needed / 1e6:,.0f} MB, but only {free / 1e6:,.0f} MB are "
            f"free for {folder.parent}; make room there and run again"
        )


def mark_executable(path: Path, mode: int | None) -> None:
    """Keeps the execute bits of a member's POSIX mode (None: unknown); nothing on Windows."""
    if mode and mode & 0o111 and not ON_WINDOWS:
        path.chmod(path.stat().st_mode | 0o111)
