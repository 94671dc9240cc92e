"""Stands for one program of a Windows compiler where there is no Windows: calls it through Wine.

    through_wine.py CALL.json ARGUMENT... -> wine PROGRAM.exe ARGUMENT...

CMake, Ninja and setuptools of this system name files as this system does. To cl.exe an argument
that begins with "/" is an option, so absolute paths become z:/..., alone, after the name of an
option (/Fo, /out:, -I), and in response files; what it says it has read becomes a path of this
system again, for Ninja. (msvc-wine, https://github.com/mstorsjo/msvc-wine, does the same with sed.)

It runs once for each file that is compiled, and needs the standard library only.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# The name of an option in front of an absolute path: /I, -Fo, /external:I, /out:, /manifestinput:
_OPTION = re.compile(r"([/-][A-Za-z]+(?::[A-Za-z]*)?)(/.+)", re.DOTALL)
# https://learn.microsoft.com/cpp/build/reference/showincludes-list-include-files
_INCLUDED = re.compile(r"(Note: including file: *)([A-Za-z]:[\\/].*)")
_FIRST = re.compile(r"/[^/]+")


def is_path(text: str) -> bool:
    """Whether a text that begins with "/" is an absolute path of this system, and no option."""
    first = _FIRST.match(text)
    return first is not None and Path(first[0]).is_dir() and not text.startswith("//")


def for_windows(argument: str) -> str:
    """An argument as a Windows program understands it."""
    if is_path(argument):
        return f"z:{argument}"
    option = _OPTION.fullmatch(argument)
    if option and is_path(option[2]):
        return f"{option[1]}z:{option[2]}"
    return argument


def response_file(text: str) -> str:
    """A response file as a Windows program understands it; quotes stay where they are."""

    def word(match: re.Match[str]) -> str:
        quote, inside = match[1] or "", match[2] if match[1] else match[3]
        return quote + for_windows(inside) + quote

    return re.sub(r"""(")([^"\n]*)"|([^\s"]+)""", word, text)


def from_windows(path: str) -> Path | None:
    """A path that a Windows program has named, as this system has it; None if it is not there.

    Windows does not tell case apart, so the names of the folders and of the file are looked for.
    """
    if path[0].lower() != "z":
        return None
    parts: list[str] = []
    for part in re.split(r"[\\/]+", path[2:].strip("\\/")):
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    found = Path("/", *parts)
    if found.exists():
        return found
    found = Path("/")
    for name in parts:
        exact = found / name
        if not exact.exists():
            same = [entry for entry in _entries(found) if entry.name.casefold() == name.casefold()]
            if not same:
                return None
            exact = same[0]
        found = exact
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return [*folder.iterdir()]
    except OSError:
        return []


def said(line: str) -> str | None:
    """A line of its output for programs of this system; None to leave it out."""
    included = _INCLUDED.fullmatch(line.rstrip("\r\n"))
    if not included:
        return line
    path = from_windows(included[2])
    return f"{included[1]}{path}\n" if path else None


@contextlib.contextmanager
def _arguments(given: Sequence[str]) -> Iterator[list[str]]:
    """The arguments for Windows; response files are written anew for the time of the call."""
    with contextlib.ExitStack() as files:
        made = []
        for argument in given:
            if argument.startswith("@") and Path(argument[1:]).is_file():
                raw = Path(argument[1:]).read_bytes()
                wide = raw[:2] == b"\xff\xfe"
                text = raw.decode("utf-16" if wide else "utf-8")
                copy = files.enter_context(tempfile.NamedTemporaryFile(suffix=".rsp"))
                copy.write(response_file(text).encode("utf-16" if wide else "utf-8"))
                copy.flush()
                made.append(f"@z:{copy.name}")
            else:
                made.append(for_windows(argument))
        yield made


def run(call: dict[str, object], arguments: Sequence[str], say: Callable[[str], object]) -> int:
    """Call the program; its exit status.

    Its output goes to a file and not into our pipe: Wine's services keep what they were started
    with open for as long as they live, and whoever reads the pipe would wait for them.

    Args:
        call: "command", a list; "variables", name -> value.
        say: called with each line of its output.
    """
    command, variables = call["command"], call["variables"]
    assert isinstance(command, list) and isinstance(variables, dict)
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("WINE", "PYTHON"))}
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        kept.pop(name, None)
    with tempfile.TemporaryFile() as output, _arguments(arguments) as words:
        status = subprocess.run(
            [*command, *words],
            env=kept | variables, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, check=False,
        ).returncode  # fmt: skip
        output.seek(0)
        for raw in output:
            line = said(raw.decode("utf-8", "replace").replace("\r\n", "\n"))
            if line is not None:
                say(line)
    return status


def main() -> int:
    call = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    return run(call, sys.argv[2:], sys.stdout.write)


if __name__ == "__main__":
    sys.exit(main())
