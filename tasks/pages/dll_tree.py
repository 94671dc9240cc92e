"""The DLLs that a module loads, as a list that folds: what dllwhy found, and by which rule."""

from collections.abc import Sequence
from html import escape
from pathlib import PureWindowsPath
from typing import Any

Row = dict[str, Any]

# What comes with Windows is told in one line.
_OF_WINDOWS = {"API set", "already loaded", "System32"}


def _is_of_windows(row: Row) -> bool:
    return row["file"] is None and row["rule"] in _OF_WINDOWS


def _item(row: Row, rows: Sequence[Row], above: tuple[str, ...]) -> str:
    name = str(row["import"])
    missing = row["rule"] == "missing"
    rule = f'<span class="{"bad" if missing else "rule"}">{escape(row["rule"])}</span>'
    text = f"<code>{escape(name)}</code> {rule}"
    if row["file"]:
        own = PureWindowsPath(str(row["file"]).replace("/", "\\")).name
        text += f' <span class="rule">as {escape(own)}</span>' if own != name else ""
    # One that is above already is listed there.
    below = "" if name.lower() in above else children(own_name(row), rows, (*above, name.lower()))
    if not below:
        return f"<li>{text}</li>"
    return f"<li><details open><summary>{text}</summary>{below}</details></li>"


def own_name(row: Row) -> str:
    """The file name by which a found DLL is the importer of others."""
    found = row["file"]
    return str(found).replace("\\", "/").rpartition("/")[2] if found else str(row["import"])


def children(importer: str, rows: Sequence[Row], above: tuple[str, ...] = ()) -> str:
    """What a module imports, as a list; empty where that is nothing.

    Args:
        importer: the file name of the module.
        rows: verify/closure.json.
        above: names that the list is below of, in small letters: imports may go in circles.
    """
    mine = [row for row in rows if row["importer"].lower() == importer.lower()]
    if not mine:
        return ""
    others = [row for row in mine if not _is_of_windows(row)]
    windows = sorted({str(row["import"]) for row in mine if _is_of_windows(row)}, key=str.lower)
    items = [_item(row, rows, above) for row in others]
    if windows:
        names = "".join(f"<li><code>{escape(name)}</code></li>" for name in windows)
        summary = f"<summary>{len(windows)} of Windows itself</summary>"
        items.append(f"<li><details>{summary}<ul>{names}</ul></details></li>")
    return f"<ul>{''.join(items)}</ul>"


def tree(rows: Sequence[Row]) -> str:
    """The whole list, from the modules that nothing else imports."""
    imported = {own_name(row).lower() for row in rows}
    roots = list(dict.fromkeys(row["importer"] for row in rows))
    roots = [root for root in roots if root.lower() not in imported]
    return "".join(
        f'<ul class="tree"><li><details open><summary><code>{escape(root)}</code></summary>'
        f"{children(root, rows)}</details></li></ul>"
        for root in roots
    )
