"""The report as one HTML file, with its styles and its script inside; it asks nobody for anything.

Report -> render() -> report.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from tasks.pages import dll_tree, graph_picture
from tasks.pages.graph_picture import Node, anchor, duration

_HERE = Path(__file__).parent
# Nothing is fetched, whatever a name in the data may hold:
# https://developer.mozilla.org/docs/Web/HTTP/Guides/CSP
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class Row:
    """A task in the table of tasks."""

    node: Node
    summary: str
    where: str


@dataclass(frozen=True)
class Wheel:
    """A wheel, and what is in it: (name, version, licence) of each part."""

    name: str
    size: int
    sha256: str
    license: str
    parts: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Check:
    """A check, or a step of one."""

    name: str
    status: str
    seconds: float | None
    detail: str


@dataclass(frozen=True)
class Speed:
    """What a benchmark measured: a table, and on what it was measured, in sentences."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: Sequence[str]


@dataclass(frozen=True)
class Input:
    """An archive that went in: where it came from, its size in bytes and its sha256."""

    name: str
    place: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Report:
    """What a report tells.

    Args:
        made: when, as people read it.
        figures: what is said first, large: label -> value.
        use: commands that use the result: what for -> the command.
        closure: verify/closure.json; None where it was not looked at.
        versions: package -> version, as the checks saw them.
    """

    title: str
    made: str
    figures: Mapping[str, str]
    rows: Sequence[Row]
    wheels: Sequence[Wheel] = ()
    use: Mapping[str, str] = field(default_factory=dict)
    closure: Sequence[Mapping[str, Any]] | None = None
    checks: Mapping[str, Sequence[Check]] = field(default_factory=dict)
    speed: Sequence[Speed] = ()
    inputs: Sequence[Input] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


def megabytes(size: int) -> str:
    """A size as people read it."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def verdict(report: Report) -> tuple[str, str]:
    """Whether all is well, in a word of the style sheet and one for people."""
    states = [row.node.state for row in report.rows]
    bad = [c for checks in report.checks.values() for c in checks if c.status == "failed"]
    if "failed" in states or bad:
        return "bad", "Something failed"
    checks = {row.node.state for row in report.rows if row.node.name.startswith("verify:")}
    if "stale" in checks:
        return "wait", "Something has changed since it was checked"
    if "done" not in checks:
        return "wait", "Built as far as the picture shows, and not checked yet"
    if "not run" in states:
        return "wait", "What could be checked here works; some checks were not run"
    return "good", "Built, and everything that was checked works"


def _table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], number: Sequence[int] = ()
) -> str:
    """A table; its first column names the row. Cells are HTML.

    Args:
        number: columns of numbers.
    """
    kind = "cards" if len(columns) > 2 else "short"
    head = "".join(
        f'<th scope="col"{" class=number" if i in number else ""}>{escape(name)}</th>'
        for i, name in enumerate(columns)
    )
    body = []
    for row in rows:
        first, *rest = row
        identity = ""
        if first.startswith("#"):
            name, first = first[1:].split(" ", 1)
            identity = f' id="{name}"'
        cells = "".join(
            f'<td data-column="{escape(columns[i])}"{" class=number" if i in number else ""}>'
            f"{cell}</td>"
            if cell
            else "<td></td>"
            for i, cell in enumerate(rest, 1)
        )
        body.append(f'<tr{identity}><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<table class="{kind}"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


_COLOURS = {"done": "good", "passed": "good", "failed": "bad", "not made": "quiet"}


def _state(state: str) -> str:
    sign = graph_picture.SIGNS.get("done" if state == "passed" else state, "")
    return f'<span class="state-cell {_COLOURS.get(state, "wait")}">{sign} {escape(state)}</span>'


def _section(name: str, title: str, *content: str) -> str:
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escape(title)}</h2>{"".join(content)}</section>'
    )


def _use(report: Report) -> str:
    parts = "".join(
        f"<h3>{escape(what)}</h3><pre tabindex=0><code>{escape(command)}</code></pre>"
        for what, command in report.use.items()
    )
    return _section("use", "Use it", parts)


def _wheels(report: Report) -> str:
    parts = []
    for wheel in report.wheels:
        listed = _table(
            f"What is in {wheel.name}",
            ("part", "version", "licence"),
            ((escape(n), escape(v), escape(lic)) for n, v, lic in wheel.parts),
        )
        inside = f"<details><summary>What is in it, and its licences</summary>{listed}</details>"
        parts.append(
            f"<h3><code>{escape(wheel.name)}</code></h3>"
            f"<p>{megabytes(wheel.size)}, {escape(wheel.license)}<br>"
            f'<span class="hash">sha256 <code>{wheel.sha256}</code></span></p>'
            f"{inside if wheel.parts else ''}"
        )
    return _section("wheels", "Wheels to give away", *parts)


def _graph(report: Report) -> str:
    nodes = {row.node.name: row.node for row in report.rows}
    signs = ", ".join(f"{sign} {state}" for state, sign in graph_picture.SIGNS.items())
    rows = (
        (
            f"#{anchor(row.node.name)} <code>{escape(row.node.name)}</code>",
            _state(row.node.state),
            duration(row.node.seconds),
            escape(row.summary),
            f"<code>{escape(row.where)}</code>" if row.where else "",
        )
        for row in report.rows
    )
    return _section(
        "graph",
        "The graph",
        f"<p class=quiet>{escape(signs)}. The time is that of the last execution. "
        "Each box leads to its row in the table below.</p>",
        '<div class="wide" tabindex=0 role="region" aria-label="The graph as a picture">'
        f"{graph_picture.svg(nodes)}</div>",
        _table("The tasks", ("task", "state", "time", "what it made", "where"), rows, number=(2,)),
    )


def _tree(report: Report) -> str:
    if report.closure is None:
        return ""
    rows = [dict(row) for row in report.closure]
    buttons = (
        '<div class="buttons"><button type="button" data-tree="dlls" data-open="yes">Unfold all'
        '</button><button type="button" data-tree="dlls" data-open="no">Fold all</button></div>'
    )
    return _section(
        "dlls",
        "The DLLs it loads",
        "<p>How Windows' loader finds what FFCV's extension module asks for, as <code>doit "
        "verify:closure</code> saw it: under each module what it imports, and by which rule it is "
        "found.</p>",
        buttons,
        dll_tree.tree(rows),
    )


def _checks(report: Report) -> str:
    parts = []
    for title, checks in report.checks.items():
        rows = ((escape(c.name), _state(c.status), duration(c.seconds), escape(c.detail))
                for c in checks)  # fmt: skip
        took = sum(c.seconds for c in checks if c.seconds is not None)
        columns = ("check", "outcome", "time", "what was seen")
        caption = f"{len(checks)} checks, {duration(took)} together"
        parts.append(f"<h3>{escape(title)}</h3>{_table(caption, columns, rows, number=(2,))}")
    return _section("checks", "What was checked", *parts)


def _speed(report: Report) -> str:
    parts = []
    for part in report.speed:
        rows = ([escape(cell) for cell in row] for row in part.rows)
        about = "<br>".join(map(escape, part.about))
        parts.append(
            f"<h3>{escape(part.title)}</h3>"
            f"{_table(part.title, part.columns, rows, number=range(2, len(part.columns)))}"
            f"<p class=quiet>{about}</p>"
        )
    return _section("speed", "How fast it is", *parts)


def _inputs(report: Report) -> str:
    rows = (
        (
            escape(one.name),
            escape(one.place),
            megabytes(one.size),
            f'<code class="hash">{one.sha256}</code>',
        )
        for one in report.inputs
    )
    tables = [
        _table("Archives, verified by their hash", ("archive", "from", "size", "sha256"), rows,
               number=(2,))
    ]  # fmt: skip
    if report.versions:
        versions = ((escape(n), escape(v)) for n, v in report.versions.items())
        tables.append(_table("Versions that the checks saw", ("package", "version"), versions))
    return _section("inputs", "What went in", *tables)


def render(report: Report) -> str:
    """The page."""
    word, said = verdict(report)
    sections = {
        "use": ("Use it", _use(report) if report.use else ""),
        "wheels": ("Wheels", _wheels(report) if report.wheels else ""),
        "graph": ("The graph", _graph(report)),
        "dlls": ("DLLs", _tree(report)),
        "checks": ("Checks", _checks(report) if report.checks else ""),
        "speed": ("Speed", _speed(report) if report.speed else ""),
        "inputs": ("What went in", _inputs(report) if report.inputs else ""),
    }
    links = "".join(
        f'<li><a href="#{name}">{escape(title)}</a></li>'
        for name, (title, content) in sections.items()
        if content
    )
    figures = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in report.figures.items()
    )
    style = (_HERE / "style.css").read_text(encoding="utf-8")
    script = (_HERE / "script.js").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">To the content</a>\n'
        f"<header><h1>{escape(report.title)}</h1>\n"
        f'<p class="quiet">{escape(report.made)}</p>\n'
        f'<p class="verdict {word}">{escape(said)}</p>\n'
        f'<dl class="figures">{figures}</dl>\n<nav aria-label="Contents"><ul>{links}</ul></nav>\n'
        f'</header>\n<main id="main">\n{"".join(c for _, c in sections.values())}\n</main>\n'
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )
