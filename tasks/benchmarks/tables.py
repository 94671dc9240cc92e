"""What was measured, as text for a terminal and as Markdown for a page."""

from collections.abc import Mapping, Sequence
from typing import Any

TITLES = {
    "product": "The product: one thread, microseconds a call",
    "loading": "Whole loading: images a second, cut and scaled to 224 x 224 at random",
    "pipeline": "The pipeline: what the build itself costs",
}


def number(value: float) -> str:
    """A number with as many digits as are worth reading."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    spread = f"{number(row['low'])} to {number(row['high'])}"
    ratio = ""
    if row["ratio"] is not None:
        ratio = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
    return [row["what"], row["contender"], f"{number(row['median'])} {row['unit']}", spread, ratio]


def _head(data: Mapping[str, Any]) -> list[str]:
    return ["what", "who", "median", "middle half", f"speed, {data['reference']} = 1"]


def table(data: Mapping[str, Any], *, whole: bool = False) -> list[list[str]]:
    """A part's table: its head, and a line each.

    Args:
        whole: say what it is in each line, also where it is the same as above.
    """
    lines, last = [_head(data)], None
    for row in data["rows"]:
        cells = _cells(row)
        lines.append(["" if cells[0] == last and not whole else cells[0], *cells[1:]])
        last = cells[0]
    return lines


def about(data: Mapping[str, Any]) -> list[str]:
    """On what, with what and when it was measured, in sentences."""
    machine = data["machine"]
    lines = [
        f"{machine['processor']}, {machine['threads']} threads, {machine['system']}; "
        f"{data['measured']}, size {data['size']}."
    ]
    if data["load"][0] is not None:
        before, after = (each[0] for each in data["load"])
        lines.append(f"Load of the machine (1 minute) before {before}, after {after}.")
    for place, versions in data.get("versions", {}).items():
        listed = ", ".join(f"{name} {version}" for name, version in versions.items())
        lines.append(f"{place}: {listed}.")
    lines += [f"Not measured: {who} ({why})." for who, why in data["missing"].items()]
    return lines


def text(data: Mapping[str, Any]) -> str:
    """A part for a terminal."""
    lines = table(data)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    shown = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([TITLES[data["part"]], *(line.rstrip() for line in shown), *about(data)])


def markdown(parts: Sequence[Mapping[str, Any]]) -> str:
    """All parts as a page's section."""
    blocks = []
    for data in parts:
        head, *lines = table(data)
        shown = [head, ["---", "---", "---:", "---:", "---:"], *lines]
        rows = "\n".join(f"| {' | '.join(line)} |" for line in shown)
        blocks.append(
            f"## {TITLES[data['part']]}\n\n`{data['command']}`\n\n{rows}\n\n"
            + "\n".join(about(data))
            + "\n"
        )
    return "\n".join(blocks)
