"""The ratios as a picture (SVG): a bar for each contender, the reference's end as a line.

It is readable on white and on black, and what a colour says is said in words, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

WIDTH = 860
_LABEL = 330  # where bars begin
_LINE, _BAR, _GAP = 22, 14, 18
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.part { font-weight: 600; font-size: 15px }
.what { font-weight: 600 }
.bar { fill: #8c959f }
.own { fill: #2f81f7 }
.one { stroke: #cf222e; stroke-dasharray: 4 3 }
.spread { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .spread { stroke: #e6edf3 }
}
"""


def _groups(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for what in dict.fromkeys(row["what"] for row in rows):
        group = [row for row in rows if row["what"] == what and row["ratio"] is not None]
        if group:
            yield what, group


def svg(parts: Sequence[Mapping[str, Any]]) -> str:
    """The picture of all parts; longer is faster."""
    body: list[str] = []
    y = 6
    for data in parts:
        y += _LINE
        title = f"{data['part']}: speed, longer is faster; the line is {data['reference']}"
        body.append(f'<text class="part" x="8" y="{y}">{escape(title)}</text>')
        for what, group in _groups(data["rows"]):
            y += _LINE
            body.append(f'<text class="what" x="8" y="{y}">{escape(what)}</text>')
            longest = max(row["ratio_high"] for row in group)
            scale = (WIDTH - _LABEL - 60) / max(longest, 1)
            top = y + 4
            for row in group:
                y += _LINE
                body += _bar(row, y, scale)
            x = _LABEL + scale
            body.append(f'<line class="one" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{y + 5}"/>')
        y += _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">\n'
        f"<title>Speed of what was measured, in ratios</title>\n<style>\n{_STYLE}</style>\n"
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _bar(row: Mapping[str, Any], y: float, scale: float) -> list[str]:
    kind = "bar own" if row["contender"].startswith("FFCV") else "bar"
    end = _LABEL + scale * row["ratio"]
    low, high = (_LABEL + scale * row[name] for name in ("ratio_low", "ratio_high"))
    middle = y - _BAR / 2 + 2
    return [
        f'<text x="20" y="{y}">{escape(row["contender"])}</text>',
        f'<rect class="{kind}" x="{_LABEL}" y="{y - _BAR + 2}" width="{end - _LABEL:.1f}" '
        f'height="{_BAR}"/>',
        f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>',
        f'<text x="{max(end, high) + 6:.1f}" y="{y}">{row["ratio"]:.2f}</text>',
    ]
