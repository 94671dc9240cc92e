"""Runs in the Windows Python of a build: the calls of cl.exe and link.exe of a setup.py.

A setup.py that never saw Microsoft's compiler gives it gcc's words. cl.exe ignores most of them and
stops at some (-Wextra: D8021), link.exe stops at m.lib. They are translated or left out; what is
not for a wheel is left out and told, as tasks.handover.words does for zig.

Its text is put into sitecustomize.py, with a call of install() behind it.
https://learn.microsoft.com/cpp/build/reference/compiler-options-listed-alphabetically
"""

import ntpath
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_STANDARD = re.compile(r"-std=(?:c|gnu)(\+\+)?(\w\w)")
_STANDARDS = {"1y": "14", "1z": "17", "2a": "20"}
# Standards that cl.exe has a word for; of older ones it compiles what it knows.
_HAS = {("++", "14"), ("++", "17"), ("++", "20"), ("", "11"), ("", "17")}
# gcc's words for warnings, code generation, machines, optimisation and debug information.
_OF_GCC = re.compile(
    r"-W(?!\d$|all$|X$|L$|p64|v:)[a-z].*|-f(?!p:|avor:|astfail|eature|orce)\w.*|-m[a-z].*"
    r"|-O(3|s|g|fast)|-g(db)?\d?|-pthread|-pipe|-s|-ansi|-pedantic.*|-static.*|-shared|-rdynamic"
    r"|-include-pch|-W[lap],.*|-stdlib=.*"
)
_FOR_THE_LINKER = re.compile(r"-l(.+)")
_FOLDER = re.compile(r"-L(.+)")
# Under Wine it is the host's own: a folder without a drive's letter.
_UNIX_FOLDER = re.compile(r"(?:-L|[/-](?i:LIBPATH):)[/\\](?![/\\]).*")
# Libraries of Unix whose functions are in the C runtime, or nowhere.
_OF_UNIX = {f"{name}.lib" for name in ("m", "c", "dl", "rt", "util", "stdc++", "gcc", "gcc_s")}


def for_cl(words: Iterable[str], refused: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The words of a call of cl.exe without gcc's, and what was refused -> why.

    Args:
        refused: regular expression of a word -> why it is not for a wheel.
    """
    made: list[str] = []
    left_out: dict[str, str] = {}
    for word in words:
        why = next((w for pattern, w in refused.items() if re.fullmatch(pattern, word)), None)
        standard = _STANDARD.fullmatch(word)
        if why:
            left_out[word] = why
        elif standard:
            kind, year = standard[1] or "", _STANDARDS.get(standard[2], standard[2])
            made += [f"/std:c{kind}{year}"] if (kind, year) in _HAS else []
        elif not _OF_GCC.fullmatch(word):
            made.append(word)
    return made, left_out


def for_link(words: Iterable[str]) -> list[str]:
    """The words of a call of link.exe without those of a linker of Unix."""
    made: list[str] = []
    for word in words:
        named = _FOR_THE_LINKER.sub(r"\1.lib", word)
        if named in _OF_UNIX or _UNIX_FOLDER.fullmatch(word):
            continue
        if not _OF_GCC.fullmatch(word):
            made.append(_FOLDER.sub(r"/LIBPATH:\1", named))
    return made


def install(refused: Mapping[str, str], calls: str, told: str) -> None:
    """Have Python start cl.exe and link.exe so.

    Args:
        calls: a file to which each call of cl.exe is added.
        told: a file to which what was refused is added: word, tabulator, why.
    """

    def add(file: str, lines: Iterable[str]) -> None:
        with open(file, "a", encoding="utf-8") as stream:  # noqa: PTH123 - a sitecustomize is small
            stream.writelines(f"{line}\n" for line in lines)

    def changed(args: Any) -> Any:
        if isinstance(args, str) or not isinstance(args, Sequence) or not args:
            return args
        program = ntpath.basename(str(args[0])).lower().removesuffix(".exe")
        words = [str(word) for word in args[1:]]
        if program == "cl":
            words, left_out = for_cl(words, refused)
            add(calls, [subprocess.list2cmdline(["cl", *words])])
            add(told, [f"{word}\t{why}" for word, why in left_out.items()])
        elif program == "link":
            words = for_link(words)
        else:
            return args
        return [args[0], *words]

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: Any, *others: Any, **named: Any):
            super().__init__(changed(args), *others, **named)

    subprocess.Popen = Popen  # type: ignore[misc]
