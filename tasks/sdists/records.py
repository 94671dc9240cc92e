"""What builds of packages came to, as data, and as the table of docs/packages.md.

doit build -> wheelhouse/builds/NAME-VERSION-COMPILER-cp311.json
doit build --table FILE.md -> the lines between two marks in it, of all that are there; what is in
                              the table and was not built here stays
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tasks.core import manifest
from tasks.core.errors import BuildError
from tasks.core.recipe import PackageRecipe
from tasks.sdists.make import Outcome
from tasks.sdists.source import Source, normal

BEGIN, END = "<!-- made by doit build --table -->", "<!-- end -->"
# The folder of a build, in front of what is in it.
_OF_THIS_MACHINE = re.compile(r"\S*[\\/]packages[\\/][^\\/\s]+[\\/](tree[\\/])?")
COMPILERS = ("zig", "msvc")


@dataclass(frozen=True)
class Record:
    """One build.

    Args:
        back_end: what built it; "" if it came to none.
        recipe: the keys that its recipe has.
        result: "computes" (the recipe's check is right), "imported", "went on without its compiled
            part", "computes wrongly", "not imported", "not built".
        why: the reason, where it failed.
    """

    package: str
    version: str
    python: str
    compiler: str
    back_end: str
    libraries: tuple[str, ...]
    recipe: tuple[str, ...]
    result: str
    why: str = ""
    seconds: float = 0.0
    build_seconds: float = 0.0
    megabytes: float = 0.0

    @property
    def good(self) -> bool:
        """Whether there is a wheel that can be used."""
        return self.result in ("computes", "imported")


def result(outcome: Outcome) -> tuple[str, str]:
    """What a wheel came to, and why where it is not good."""
    failed = [why for why in outcome.imported.values() if why]
    if outcome.gave_up or outcome.lost:
        return "went on without its compiled part", ", ".join(outcome.lost)
    if failed:
        return "not imported", failed[0]
    if outcome.wrong:
        return "computes wrongly", outcome.wrong
    return ("imported" if outcome.wrong is None else "computes"), ""


def reason(message: str, log: str) -> str:
    """Why a build failed: the first cause that its log tells, or the message."""
    from dllwhy.logs import triage

    findings = triage.triage(log) if log else []
    return _OF_THIS_MACHINE.sub("", findings[0].cause if findings else message)


def write(
    folder: Path, found: Source, recipe: PackageRecipe, python: str, compiler: str,
    outcome: Outcome | None, why: str = "",
) -> None:  # fmt: skip
    """Write down what a build came to.

    Args:
        folder: of the records.
        outcome: None if there is no wheel.
        why: then, the reason.
    """
    came_to, told = result(outcome) if outcome else ("not built", why)
    said = {name for name in recipe.model_fields_set if getattr(recipe, name)}
    version = found.version or (outcome.wheel.name.split("-")[1] if outcome else "")
    record = Record(
        package=normal(found.name), version=version, python=python, compiler=compiler,
        back_end=outcome.back_end if outcome else "", libraries=recipe.libraries,
        recipe=tuple(sorted(said - {"version", "sha256", "libraries"})), result=came_to, why=told,
        seconds=round(outcome.seconds, 1) if outcome else 0.0,
        build_seconds=round(outcome.build_seconds, 1) if outcome else 0.0,
        megabytes=round(outcome.wheel.stat().st_size / 1e6, 2) if outcome else 0.0,
    )  # fmt: skip
    name = f"{record.package}-{version}-{compiler}-cp{python.replace('.', '')}.json"
    manifest.write_json(folder / name, asdict(record))


def read(folder: Path) -> list[Record]:
    """All that were written down; one that is damaged or of another kind is passed over."""
    names = {field.name for field in fields(Record)}
    records = []
    for file in sorted(folder.glob("*.json")):
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(data, dict) and set(data) == names:
            lists = {name: tuple(data[name]) for name in ("libraries", "recipe")}
            records.append(Record(**{**data, **lists}))
    return records


def _cell(records: Sequence[Record]) -> str:
    lines = []
    for one in records:
        python = "" if one.python == "3.11" else f"{one.python}: "
        if one.good:
            size = f"{one.megabytes:.1f} MB" if one.megabytes >= 0.1 else "< 0.1 MB"
            text = f"{one.result}, {one.seconds:.0f} s ({one.build_seconds:.0f}), {size}"
        else:
            why = one.why if len(one.why) <= 160 else one.why[:157] + "..."
            text = f"**{one.result}**" + (f": {why}" if why else "")
        lines.append(re.sub(r"\s+", " ", python + text).replace("|", r"\|").replace("<", "&lt;"))
    return "<br>".join(lines)


_HEAD = ["| package | back end | libraries, recipe | zig | Microsoft's |", "| --- " * 5 + "|"]


def _rows(records: Iterable[Record]) -> dict[str, list[str]]:
    """Package and version -> the other cells of its line."""
    builds: dict[str, list[Record]] = {}
    for record in records:
        builds.setdefault(f"{record.package} {record.version}", []).append(record)
    rows = {}
    for name, made in builds.items():
        back_end = next((one.back_end for one in made if one.back_end), "")
        has = {*(n for one in made for n in (*one.libraries, *one.recipe))}
        cells = [_cell([b for b in made if b.compiler == compiler]) for compiler in COMPILERS]
        rows[name] = [back_end.partition(".")[0], ", ".join(sorted(has)), *cells]
    return rows


def _before(lines: Iterable[str]) -> dict[str, list[str]]:
    """The same of a table that was written before."""
    split = (re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in lines)
    rows = [[cell.strip() for cell in cells] for cells in split if len(cells) == 5]
    return {name: cells for name, *cells in rows[2:]}


def table(records: Iterable[Record], before: Iterable[str] = ()) -> list[str]:
    """A Markdown table: a line for each package and version, a column for each compiler.

    Args:
        before: the table as it is. What it says of a build that is not among the records stays:
            they are of one clone.
    """
    rows = _before(before)
    for name, new in _rows(records).items():
        old = rows.get(name, [""] * len(new))
        kept = any(was and not now for now, was in zip(new[2:], old[2:], strict=True))
        words = {w for cell in (new[1], old[1] if kept else "") for w in cell.split(", ") if w}
        cells = [now or was for now, was in zip(new, old, strict=True)]
        rows[name] = [cells[0], ", ".join(sorted(words)), *cells[2:]]
    return [*_HEAD, *(f"| {name} | {' | '.join(cells)} |" for name, cells in sorted(rows.items()))]


def write_table(file: Path, records: Sequence[Record]) -> None:
    """Put the table between the marks of a Markdown file.

    Raises:
        BuildError: the file is not there, or has no marks.
    """
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise BuildError(f"{file} has no lines {BEGIN} and {END}, between which the table goes")
    lines = [before + BEGIN, *table(records, old.splitlines()), END + after]
    file.write_text("\n".join(lines), encoding="utf-8", newline="\n")
