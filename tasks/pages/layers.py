"""Where the tasks of a graph stand in a picture of it: below what they need, edges short.

The usual way for such pictures, in its simplest form: layers by the longest path, long edges cut at
each layer that they pass, order within a layer by the middle of the neighbours.
(Sugiyama, Tagawa, Toda: Methods for visual understanding of hierarchical system structures, 1981)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 138.0, 46.0
GAP, ROW_GAP = 14.0, 34.0
# What an edge takes where it passes a layer.
_PASSING = 10.0
_SWEEPS = 12


@dataclass(frozen=True)
class Picture:
    """Places in a picture.

    Args:
        corners: task -> the upper left corner of its box.
        edges: a line for each need, from the lower side of one box to the upper side of another.
    """

    corners: Mapping[str, tuple[float, float]]
    edges: Sequence[tuple[str, str, Sequence[tuple[float, float]]]]
    width: float
    height: float


def reduced(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The needs without those that follow from others.

    Args:
        needs: task -> tasks that it needs; without circles.
    """
    above: dict[str, set[str]] = {}

    def all_above(name: str) -> set[str]:
        if name not in above:
            above[name] = set(needs[name]).union(*(all_above(n) for n in needs[name]))
        return above[name]

    return {
        name: [n for n in direct if not any(n in all_above(o) for o in direct if o != n)]
        for name, direct in needs.items()
    }


def _layers(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Task -> its layer: below all that it needs, and no higher than what needs it asks for."""
    depth: dict[str, int] = {}

    def down(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((down(n) for n in needs[name]), default=-1)
        return depth[name]

    for name in needs:
        down(name)
    wanted_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, direct in needs.items():
        for need in direct:
            wanted_by[need].append(name)
    # A task without needs stands right above what needs it.
    for name, direct in needs.items():
        if not direct and wanted_by[name]:
            depth[name] = min(depth[w] for w in wanted_by[name]) - 1
    return depth


def _chains(
    needs: Mapping[str, Sequence[str]], depth: Mapping[str, int]
) -> dict[tuple[str, str], list[str]]:
    """Each edge as the items that it goes through: (need, task) -> need, passings, task."""
    return {
        (need, name): [
            need,
            *(f"{need} > {name} {d}" for d in range(depth[need] + 1, depth[name])),
            name,
        ]
        for name, direct in needs.items()
        for need in direct
    }


def _middle(item: str, neighbours: Mapping[str, list[str]], place: Mapping[str, float]) -> float:
    near = neighbours.get(item, [])
    return sum(place[n] for n in near) / len(near) if near else place[item]


def _spread(
    row: Sequence[str], wish: Mapping[str, float], width: Mapping[str, float]
) -> list[float]:
    """The middles of a row's items: as near to their wishes as their widths allow."""
    placed: list[float] = []
    right = float("-inf")
    for item in row:
        left = max(wish[item] - width[item] / 2, right)
        placed.append(left + width[item] / 2)
        right = left + width[item] + GAP
    # What was pushed to the right all together goes back by half of it.
    shift = sum(p - wish[i] for p, i in zip(placed, row, strict=True)) / max(1, len(row))
    return [p - shift for p in placed]


def arrange(needs: Mapping[str, Sequence[str]]) -> Picture:
    """Places for tasks and the lines between them.

    Args:
        needs: task -> tasks that it needs, all of them keys; without circles.
    """
    direct = reduced(needs)
    depth = _layers(direct)
    chains = _chains(direct, depth)
    rows: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=0))]
    for name in needs:
        rows[depth[name]].append(name)
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for (need, _), chain in chains.items():
        for further, item in enumerate(chain[1:-1], 1):
            rows[depth[need] + further].append(item)
        for upper, lower in pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    width = {item: WIDTH if item in needs else _PASSING for row in rows for item in row}
    place: dict[str, float] = {
        item: index * (WIDTH + GAP) for row in rows for index, item in enumerate(row)
    }
    for sweep in range(_SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wish = {item: _middle(item, neighbours, place) for item in row}
            row.sort(key=lambda item: wish[item])
            place |= dict(zip(row, _spread(row, wish, width), strict=True))
    left = min((place[i] - width[i] / 2 for i in place), default=0.0)
    right = max((place[i] + width[i] / 2 for i in place), default=0.0)
    per_layer = HEIGHT + ROW_GAP
    corners = {n: (place[n] - left - WIDTH / 2, depth[n] * per_layer) for n in needs}
    edges = []
    for (need, name), chain in chains.items():
        points = [(place[need] - left, depth[need] * per_layer + HEIGHT)]
        points += [
            (place[item] - left, (depth[need] + i) * per_layer + y)
            for i, item in enumerate(chain[1:-1], 1)
            for y in (0.0, HEIGHT)
        ]
        edges.append((need, name, [*points, (place[name] - left, depth[name] * per_layer)]))
    return Picture(corners, edges, right - left, len(rows) * per_layer - ROW_GAP)
