r"""Fenced blocks in Markdown, and whether commands print what the text says.

    ```console
    $ command             run in bash, in one session for all blocks of a file
    > more of it          a further line of the command
    what it prints        "..." stands for any text, alone on a line for any number of lines
    ```

    ```console cmd
    C:\> command          the same in cmd.exe
    what it prints
    ```

blocks(text)           -> the fenced blocks of a Markdown text
commands(block)        -> the commands of a console block, each with the lines it should print
run(commands, folder)  -> what each of them printed, standard output and error together
batch(commands)        -> a batch file that runs them in cmd.exe; `parts` takes its output apart
difference(...)        -> None where that is as expected
quoted(lines, text)    -> whether a text has these lines
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROMPTS, CONTINUATION, ANYTHING = ("$ ", "C:\\> "), "> ", "..."
_MARK = "====end-of-command===="


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        info: the words behind the opening fence: what it is.
        line: number of the opening fence in the file, from 1.
        before: the last line with text above it.
    """

    info: tuple[str, ...]
    lines: tuple[str, ...]
    line: int
    before: str


@dataclass
class Command:
    """A command as a reader types it, and the lines that should follow."""

    text: str
    line: int
    expected: list[str] = field(default_factory=list)


def blocks(text: str) -> list[Block]:
    """Find the fenced blocks.

    Raises:
        ValueError: a fence is not closed.
    """
    found: list[Block] = []
    opened: tuple[str, int, str] | None = None
    inside: list[str] = []
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"```+", line)
        if opened is None and fence:
            opened, inside = (line, number, before), []
        elif opened is not None and line.rstrip() == re.match(r"`+", opened[0])[0]:
            info = tuple(opened[0].lstrip("`").split())
            found.append(Block(info, tuple(inside), opened[1], opened[2]))
            opened, before = None, ""
        elif opened is not None:
            inside.append(line)
        elif line.strip():
            before = line.strip()
    if opened is not None:
        raise ValueError(f"line {opened[1]}: the fence {opened[0]} is not closed")
    return found


def commands(block: Block) -> list[Command]:
    """Take a console block apart.

    Raises:
        ValueError: it does not begin with a command.
    """
    found: list[Command] = []
    prompt = PROMPTS["cmd" in block.info]
    for number, line in enumerate(block.lines, block.line + 1):
        if line.startswith(prompt):
            found.append(Command(line.removeprefix(prompt), number))
        elif not found:
            raise ValueError(f"line {number}: output without a command")
        elif f"{line} ".startswith(CONTINUATION) and not found[-1].expected:
            found[-1].text += "\n" + line.removeprefix(">").removeprefix(" ")
        else:
            found[-1].expected.append(line)
    return found


def run(
    given: Sequence[Command], folder: Path, environment: Mapping[str, str], timeout: float
) -> list[str | None]:
    """Run commands one after another in one bash, as a reader would.

    Args:
        folder: where the session begins.
        timeout: seconds for all of them.

    Returns:
        what each printed; None for those that were not reached.

    Raises:
        subprocess.TimeoutExpired: they took longer.
    """
    # A command sees the exit status of the one before, as it would without the mark.
    mark = f"status_=$?; printf '\\n%s\\n' '{_MARK}'; (exit $status_)"
    script = "\n".join(f"{command.text}\n{mark}" for command in given)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False,
    )  # fmt: skip
    return parts(given, done.stdout.decode("utf-8", errors="replace"))


def parts(given: Sequence[Command], output: str) -> list[str | None]:
    """What each command printed, of the output of all; None for those that were not reached."""
    # The mark begins a line of its own, whether or not the command ended its last one.
    found = output.replace("\r\n", "\n").split(f"\n{_MARK}\n")[:-1]
    return [*found, *[None] * (len(given) - len(found))]


def batch(given: Sequence[Command]) -> str:
    """A batch file for cmd.exe that runs commands one after another, as at a prompt.

    At a prompt a script comes back; in a batch file only one that is called does.
    """
    lines = ["@echo off"]
    for command in given:
        script = re.match(r'"[^"]*\.(bat|cmd)"|[^" ]*\.(bat|cmd)(?= |$)', command.text)
        lines += [f"call {command.text}" if script else command.text, "echo.", f"echo {_MARK}"]
    return "\r\n".join([*lines, ""])


def pattern(expected: Sequence[str]) -> str:
    """A regular expression for lines in which "..." stands for any text."""
    lines = []
    for line in expected:
        if line.strip() == ANYTHING:
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(re.escape(line.rstrip()).replace(re.escape(ANYTHING), ".*?") + r"\n")
    return "".join(lines)


def difference(expected: Sequence[str], printed: str | None) -> str | None:
    """What is not as expected, for people; None where all is. Space at line ends is nothing."""
    if printed is None:
        return "it was not reached: a command before it ended the shell"
    lines = [line.rstrip() for line in printed.replace("\r\n", "\n").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    text = "".join(line + "\n" for line in lines)
    if re.fullmatch(pattern(expected), text):
        return None
    return "expected:\n" + "\n".join(expected) + "\nprinted:\n" + text


def quoted(expected: Sequence[str], text: str) -> bool:
    """Whether lines, "..." among them, are somewhere in a text, in this order."""
    plain = "".join(line.rstrip() + "\n" for line in text.splitlines())
    return re.search("^" + pattern(expected), plain, re.MULTILINE) is not None
