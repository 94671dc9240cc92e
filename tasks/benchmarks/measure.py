"""Numbers side by side: what was measured in turns, as medians, spreads and ratios.

A ratio is taken within a round, in which everybody had a turn: what else the machine did then met
all of them. Ratios of different runs are never taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

# Unit -> whether less is better.
UNITS = {"us": True, "s": True, "ms": True, "images/s": False, "MB/s": False, "MB": True}


@dataclass(frozen=True)
class Row:
    """One contender in one discipline.

    Args:
        unit: of median, low and high: a key of UNITS.
        low, high: the quartiles, between which the middle half of the rounds lies.
        rounds: how often it was measured.
        ratio: how many times as fast as the reference: the median of the rounds' ratios; None
            where the reference was not measured.
        ratio_low, ratio_high: their quartiles.
    """

    what: str
    contender: str
    unit: str
    median: float
    low: float
    high: float
    rounds: int
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, lower and upper quartile."""
    from statistics import median, quantiles  # only who measures has to wait for it

    if len(values) == 1:
        return values[0], values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return median(values), low, high


def ratios(unit: str, reference: Sequence[float], values: Sequence[float]) -> list[float]:
    """How many times as fast as the reference, round by round."""
    pairs = list(zip(reference, values, strict=True))
    return [r / v if UNITS[unit] else v / r for r, v in pairs]


def rows(what: str, unit: str, samples: Mapping[str, Sequence[float]], reference: str) -> list[Row]:
    """The contenders of a discipline.

    Args:
        what: the discipline, as in "imdecode".
        samples: contender -> a number for each round, all of the same rounds.
        reference: the contender that is 1.00.
    """
    found = []
    for contender, values in samples.items():
        middle, low, high = map(_rounded, spread(values))
        row = Row(what, contender, unit, middle, low, high, len(values))
        if reference in samples:
            compared = spread(ratios(unit, samples[reference], values))
            ratio, ratio_low, ratio_high = map(_rounded, compared)
            row = replace(row, ratio=ratio, ratio_low=ratio_low, ratio_high=ratio_high)
        found.append(row)
    return found


def _rounded(value: float) -> float:
    """Four digits are more than is known."""
    return float(f"{value:.4g}")


def as_data(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows for a JSON file."""
    return [asdict(row) for row in found]
