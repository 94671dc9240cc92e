"""The graph as a picture (SVG): a box for each task, with its state and its time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tasks.pages import layers

# State -> the sign in its box: what a colour says is never said by colour alone.
SIGNS = {"done": "✓", "not run": "▷", "stale": "↻", "failed": "✗", "not made": "○"}


@dataclass(frozen=True)
class Node:
    """A task in the picture.

    Args:
        state: one of SIGNS.
        seconds: how long it took when it was executed last, if that is known.
    """

    name: str
    state: str
    seconds: float | None
    needs: Sequence[str]


def duration(seconds: float | None) -> str:
    """A time span as people say it: 0.4 s, 37 s, 6 min 12 s."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def anchor(name: str) -> str:
    """The name of a task as the end of an address within the page."""
    return "task-" + name.replace(":", "-").replace(".", "-")


def _path(points: Sequence[tuple[float, float]]) -> str:
    """A smooth line that leaves and arrives straight."""
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in rest:
        if to_x == x:
            parts.append(f"V{to_y:.1f}")
        else:
            half = (y + to_y) / 2
            parts.append(f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(parts)


def svg(nodes: Mapping[str, Node]) -> str:
    """The picture. Each box leads to the row of its task; needs that are no node are left out."""
    needs = {name: [n for n in node.needs if n in nodes] for name, node in nodes.items()}
    placed = layers.arrange(needs)
    width, height = placed.width + 8, placed.height + 8
    lines = [
        f'<path class="edge" d="{_path([(x + 4, y + 4) for x, y in points])}"/>'
        for _, _, points in placed.edges
    ]
    boxes = []
    for name, (x, y) in placed.corners.items():
        node = nodes[name]
        state = f"{SIGNS[node.state]} {node.state}"
        time = duration(node.seconds)
        below = f"{state}, {time}" if time else state
        first, _, second = name.partition(":")
        shown = f"{first}:{second}" if second else first
        boxes.append(
            f'<a href="#{anchor(name)}" class="node {node.state.replace(" ", "-")}" '
            f'aria-label="{escape(name)}: {escape(below)}">'
            f'<rect x="{x + 4:.1f}" y="{y + 4:.1f}" width="{layers.WIDTH:.0f}" '
            f'height="{layers.HEIGHT:.0f}" rx="6"/>'
            f'<text x="{x + 4 + layers.WIDTH / 2:.1f}" y="{y + 23:.1f}" class="name"'
            f"{_squeezed(shown)}>{escape(shown)}</text>"
            f'<text x="{x + 4 + layers.WIDTH / 2:.1f}" y="{y + 40:.1f}" class="state">'
            f"{escape(below)}</text></a>"
        )
    return (
        # Never larger than life, and no smaller than can be read: then it is moved in its place.
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" '
        f'style="max-width: {width:.0f}px; min-width: {width * 0.8:.0f}px" '
        f'role="group" aria-label="The tasks of the graph, each below what it needs">'
        f"{''.join(lines)}{''.join(boxes)}</svg>"
    )


def _squeezed(text: str) -> str:
    """For a name that is longer than its box."""
    return f' textLength="{layers.WIDTH - 12:.0f}" lengthAdjust="spacingAndGlyphs"' * (
        len(text) > 18
    )
