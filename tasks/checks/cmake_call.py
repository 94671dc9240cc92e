"""Runs in the Windows Python as cmake.exe: CMake, for a setup.py that counts on Visual Studio.

The generator of such a build is Ninja, which CMAKE_GENERATOR says. What is meant for the generators
of Visual Studio, or for MSBuild behind them, is left out: Ninja stops at it.
https://cmake.org/cmake/help/latest/manual/cmake.1.html
"""

import re
import sys
from collections.abc import Iterable

# Options that choose the generator, its platform and its toolset, with their value.
_CHOICE = re.compile(r"-(A|T|G)(.*)", re.DOTALL)
_CACHED = re.compile(r"-DCMAKE_(GENERATOR|GENERATOR_PLATFORM|GENERATOR_TOOLSET|MAKE_PROGRAM)[:=].*")
# Targets that only Visual Studio's generators have.
_TARGETS = {"ALL_BUILD": "all", "INSTALL": "install"}
_OF_MSBUILD = re.compile(r"/.*|-(m|maxcpucount|p|v|verbosity|nologo|t|flp)(:.*)?|-m\d+")


def for_ninja(words: Iterable[str]) -> list[str]:
    """The words of a call of CMake, as its Ninja generator takes them."""
    made: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            made += ["--", *(w for w in rest if not _OF_MSBUILD.fullmatch(w))]
            break
        choice = _CHOICE.fullmatch(word)
        if choice:
            value = choice[2] or next(rest, "")
            if choice[1] == "G" and value.strip().startswith("Ninja"):
                made += ["-G", value.strip()]
            continue
        if not _CACHED.fullmatch(word):
            made.append(_TARGETS.get(word, word))
    return made


if __name__ == "__main__":
    from cmake import cmake  # type: ignore[import-not-found, unused-ignore]

    sys.argv = ["cmake", *for_ninja(sys.argv[1:])]
    sys.exit(cmake())
