"""What was asked of a benchmark, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.benchmarks.measure import Row

# Rows; who was not measured, and why; versions and the like.
Measured = tuple[list[Row], dict[str, str], dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """How to measure.

    Args:
        size: small (does it work at all) or full (numbers that mean something).
        native: whether to compare with FFCV for this host.
        against: the folder of another build's extension, to be measured beside this one.
        needs: task of the graph -> the tasks whose products it reads.
    """

    size: str
    native: bool
    against: Path | None
    needs: Mapping[str, Sequence[str]]
