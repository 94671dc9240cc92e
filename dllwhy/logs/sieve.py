"""The lines of a long log that may be messages: most lines only say what is being done.

Hundreds of patterns on megabytes would take a minute. Of a long log they see the lines that have a
word of failure, with their neighbours, and of each shape of message only the first ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

# In lower case. A test sees to it that of each example of each pattern no line is lost.
_WORDS = (
    "error", "fail", "fatal", "not ", "n't ", "cannot", "exception", "lnk", "missing",
    "undefined", "unresolved", "redefinition", "unsupported", "unknown", "invalid", "denied",
    "blocked", "conflict", "require", "too ", "incompatible", "mismatch", "removed", "hint:",
    "errno", "no such", "no module", "no match", "no python", "no cuda", "no cmake", "no wheels",
    "exit code", "exit status", "must be", "size changed", "is newer", "operand", "out of memory",
    "disabled", "older than", "unable", "no versions", "virus", "unimplemented", "could",
    "fehler", "erreur", "erro ", "ошибка", "错误", "錯誤", "エラー", "오류",
    "nicht", "n'est", "no se ", "não ", "non ", "не ", "不", "c4819", "notfound", "_api", "has no ",
    "superseded", "traceback", "paging", "already", "windows long path", " of output]",
    "unhandled",
)  # fmt: skip
_BEFORE, _AFTER = 5, 8  # neighbours: messages of CMake, Python and Cargo have several lines
_SHAPE = 32  # characters from the word on; digits do not count
_PER_SHAPE = 100
_MOST = 200_000  # characters, of the start and of the end
_END = 60  # lines: how the log ended
_NO_DIGITS = {ord(digit): None for digit in "0123456789"}


def sifted(lines: Sequence[str]) -> list[int]:
    """Return the indices of lines that may be messages, of their neighbours and of the end."""
    end = range(max(0, len(lines) - _END), len(lines))
    indices = sorted({*_with_neighbours(_hits(lines), len(lines)), *end})
    sizes = list(accumulate(len(lines[index]) + 1 for index in indices))
    if not sizes or sizes[-1] <= _MOST:
        return indices
    head = bisect_right(sizes, _MOST // 2)
    tail = bisect_right(sizes, sizes[-1] - _MOST // 2)
    return [*indices[:head], *indices[max(head, tail) :]]


def _hits(lines: Sequence[str]) -> list[int]:
    """The indices of lines with a word of failure: the first ones of each shape."""
    text = "\n".join(lines).lower()
    # Lower case is longer than upper case for a few letters; offsets are of what is searched.
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    first: dict[int, int] = {}
    for word in _WORDS:
        at = text.find(word)
        while at >= 0:
            index = bisect_right(starts, at) - 1
            first[index] = min(at, first.get(index, at))
            at = text.find(word, starts[index + 1])
    seen: Counter[str] = Counter()
    hits = []
    for index in sorted(first):
        shape = text[first[index] : first[index] + _SHAPE].translate(_NO_DIGITS)
        seen[shape] += 1
        if seen[shape] <= _PER_SHAPE:
            hits.append(index)
    return hits


def _with_neighbours(hits: Iterable[int], count: int) -> list[int]:
    indices: list[int] = []
    done = 0  # the first index that is not yet taken
    for hit in hits:
        end = min(count, hit + _AFTER + 1)
        indices.extend(range(max(done, hit - _BEFORE), end))
        done = max(done, end)
    return indices
