"""Whether a log ended well, whatever looked alarming on the way (data/log-endings.yaml)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from dllwhy.data_file import read_yaml
from dllwhy.logs.text import Log

DATA = Path(__file__).resolve().parents[1] / "data" / "log-endings.yaml"


def ended_well(log: Log, failing: Iterable[int]) -> bool:
    """Say whether a log ended with a success.

    Args:
        log: its plain lines.
        failing: numbers of the lines that say or may say that something failed.
    """
    success, failure = _marks()
    last = max((match.start() for match in success.finditer(log.text)), default=-1)
    if last < 0 or failure.search(log.text):
        return False
    return all(number < log.numbers[log.index(last)] for number in failing)


@cache
def _marks() -> tuple[re.Pattern[str], re.Pattern[str]]:
    data = read_yaml(DATA)
    success, failure = ("|".join(f"(?:{e})" for e in data[k]) for k in ("success", "failure"))
    return re.compile(success, re.MULTILINE), re.compile(failure, re.MULTILINE)
