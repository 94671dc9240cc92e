"""The lines of a log that may be messages. Most lines of a long log say what is being done.

Hundreds of patterns on megabytes would take minutes. They are tried on an excerpt first: lines that
have a word of failure, with their neighbours, and few of each shape. Only patterns that find
something there are tried on all such lines.
"""

from __future__ import annotations

import re
from collections import Counter

from dllwhy.logs.text import Log

# In lower case. Each example of each pattern has one of these; a test sees to it.
_WORDS = re.compile(
    r"error|erreur|fehler|fail|fatal|cannot|can't|could not|couldn't|can not|unable|not found|not find"
    r"|no module|no such|no matching|is not |not recognized|not supported|unsupported|not set"
    r"|not available|disabled|missing|mismatch|undefined|unresolved|unimplemented|redefinition"
    r"|incompatible|conflict|required|requires|must be|must have|should be|too long|too old|too many|too big|no cuda|no cmake_|denied|blocked"
    r"|exception|traceback|not defined|unknown|unavailable|not installed|not exist|not contain"
    r"|exit code|exit status|was not|unrecognized|removed|invalid|is newer|is older|lnk\d|[cd]\d{4}\b|msb\d|hint:|winerror"
    r"|不|无法|找|見つ|できません|не |kann nicht|konnte|nicht gefunden|introuvable|impossible|n'est pas"
    r"|no se |não |non è|impossibile|찾을 수|없습니다|_api|fewer|older than"
)
_BEFORE, _AFTER = 5, 8  # neighbours: messages of CMake, Python and Cargo have several lines
_GAP = "\u2026"  # between lines that are not neighbours in the log
_PER_SHAPE = 8
_SHAPE = 32  # characters from the word on
_EXCERPT = 250_000  # characters


def suspicious(log: Log) -> Log:
    """The lines that have a word of failure, and their neighbours."""
    return _around(log, sorted(_hits(log)))


def excerpt(log: Log) -> Log:
    """Few of the suspicious lines of each shape: the start and the end of what they are."""
    seen: Counter[str] = Counter()
    few = []
    for index, offset in _hits(log).items():
        shape = re.sub(r"\d+", "", log.text[offset : offset + _SHAPE])
        seen[shape] += 1
        if seen[shape] <= _PER_SHAPE:
            few.append(index)
    found = _around(log, few)
    if len(found.text) <= _EXCERPT:
        return found
    lines = found.text.split("\n")
    numbers = list(found.numbers)
    head, tail = found.index(_EXCERPT // 2), found.index(len(found.text) - _EXCERPT // 2)
    return Log.of([*lines[:head], _GAP, *lines[tail:]],
                  [*numbers[:head], numbers[head], *numbers[tail:]])  # fmt: skip


def _hits(log: Log) -> dict[int, int]:
    """{index of a line: offset of its first word of failure}."""
    lower = log.text.lower()
    text = lower if len(lower) == len(log.text) else log.text
    hits: dict[int, int] = {}
    for match in _WORDS.finditer(text):
        hits.setdefault(log.index(match.start()), match.start())
    return hits


def _around(log: Log, indices: list[int]) -> Log:
    lines: list[str] = []
    numbers: list[int] = []
    done = 0  # the first index that is not yet taken
    for index in indices:
        first = max(done, index - _BEFORE)
        end = min(len(log.numbers), index + _AFTER + 1)
        if first > done and lines:
            lines.append(_GAP)
            numbers.append(log.numbers[first])
        for taken in range(first, end):
            lines.append(log.line(taken))
            numbers.append(log.numbers[taken])
        done = max(done, end)
    return Log.of(lines, numbers)
