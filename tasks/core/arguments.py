"""Words of a command line that doit takes for its own: NAME=VALUE (doit_cmd.py, process_args).

`doit build --package annoy==1.17.3`: what is no setting of this project, and stands behind an
option, is that option's value.
"""

import re
import sys
from collections.abc import Collection, Sequence
from itertools import pairwise

from tasks.core import process


def values_of_options(words: Sequence[str], settings: Collection[str]) -> list[str]:
    """The words NAME=VALUE that follow an option and set nothing."""
    return [
        word
        for before, word in pairwise(words)
        if before.startswith("--") and "=" not in before and _sets_other(word, settings)
    ]


def _sets_other(word: str, settings: Collection[str]) -> bool:
    return not word.startswith("-") and "=" in word and word.partition("=")[0] not in settings


def given_back(
    selected: Sequence[str], words: Sequence[str], settings: Collection[str]
) -> list[str]:
    """What doit has selected, with the values of options back in their places.

    Args:
        selected: tasks and their options, without the words that doit took.
        words: the command line that it took them from.
    """
    taken = values_of_options(words, settings)
    if not taken:
        return list(selected)
    kept = [w for w in words if w in taken or w.startswith("-") or "=" not in w]
    return kept[kept.index(selected[0]) :] if selected and selected[0] in kept else list(selected)


def repeating_settings(message: str, words: Sequence[str], settings: Collection[str]) -> str:
    """A message whose commands ("doit TASK", run doit TASK) are for the run that it comes from.

    Args:
        words: the command line of that run: what it sets, each command sets as well, unless the
            message has another value for it.
    """
    names = {name for name in settings if f" {name}=" not in message}
    given = process.command_line(["doit", *(w for w in words if w.partition("=")[0] in names)])
    commands = r'(?<=")doit (?=[a-z])|(?<=\brun )doit (?=[a-z])'
    return re.sub(commands, lambda found: f"{given} ", message)


def any_given(options: Collection[str]) -> bool:
    """Whether the command line has one of these options, as in --python 3.12 or --python=3.12."""
    return any(word.partition("=")[0] in options for word in command_line())


def command_line() -> list[str]:
    """The words of this process's command line."""
    return sys.argv[1:]
