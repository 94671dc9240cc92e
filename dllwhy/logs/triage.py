"""`doit triage`: what a build log means, and what to do.

triage(text, prefixes) -> findings    the causes, the most specific first
render(findings)       -> lines for people
as_data(findings)      -> the same for programs

What is known of errors is data: data/triage/*.yaml, in the order of the files' names. That order
is the order of the findings: the most specific first. A message that only follows from another
one ("command failed with exit code 1") is a finding of its own only if nothing else was found.
"""

import re
import string
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dllwhy import windows
from dllwhy.errors import DiagnosisError
from dllwhy.logs.triage_lookup import LOOKED_UP, places_of, plain

DATA = Path(__file__).resolve().parents[1] / "data" / "triage"

Category = Literal["setup.py and pip", "compiler", "linker", "DLL load"]

# Groups whose values one finding names together; everything else is told one by one.
_TOLD_TOGETHER = {"symbol", "package"}
_SHOWN = 6
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Pattern(BaseModel):
    """One kind of error message.

    Attributes:
        pattern: a regular expression, MULTILINE. Groups named as in `LOOKED_UP` are looked up.
            The alternatives of one pattern spell the same group NAME, NAME_, NAME__.
        cause, remedy: texts with {groups} of the pattern.
        found: the remedy where the lookup found something, as {found}.
        known: who usually has a symbol, header, library or DLL: {regular expression: text}.
        follows: the message is a consequence of others.
        explains: ids of patterns whose messages are consequences of this one, where both are found.
        examples: messages that the pattern finds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    category: Category
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    found: str | None = None
    known: dict[str, str] = {}
    follows: bool = False
    explains: tuple[str, ...] = ()
    examples: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _compile(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("pattern"), str):
            try:
                # A pattern of several lines in the file is one line: line ends and indents go.
                joined = re.sub(r"\n\s*", "", data["pattern"])
                data = {**data, "pattern": re.compile(joined, re.MULTILINE)}
            except re.error as error:
                raise ValueError(f"pattern: {error}") from error
        return data

    @model_validator(mode="after")
    def _whole(self) -> "Pattern":
        groups = {name.rstrip("_") for name in self.pattern.groupindex}
        for text, allowed in ((self.cause, groups), (self.remedy, groups),
                              (self.found or "", groups | {"found"})):  # fmt: skip
            unknown = {name for _, name, _, _ in string.Formatter().parse(text) if name} - allowed
            if unknown:
                raise ValueError(f"the pattern has no group {', '.join(sorted(unknown))}")
        if self.found and not groups.intersection(LOOKED_UP):
            raise ValueError(f"found needs one of the groups {', '.join(LOOKED_UP)}")
        for example in self.examples:
            if not self.pattern.search(example):
                raise ValueError(f"the pattern does not find its own example: {example}")
        return self


@dataclass(frozen=True)
class Finding:
    """A cause found in a log.

    Attributes:
        id: of the pattern.
        line_number: of the first message, from 1.
        line: that message.
        facts: what was looked up, one sentence each.
        consequences: numbers of the lines that only follow from it.
    """

    id: str
    category: str
    line_number: int
    line: str
    cause: str
    remedy: str
    facts: tuple[str, ...] = ()
    consequences: tuple[int, ...] = ()


def load(folder: Path = DATA) -> tuple[Pattern, ...]:
    """Read and check the patterns: the files in the order of their names, each from its top.

    Raises:
        DiagnosisError: with the file, the pattern's number or id and what is wrong with it.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise DiagnosisError(f"{folder} has no patterns (*.yaml): the installation is not whole")
    patterns = [pattern for file in files for pattern in _read(file)]
    ids: set[str] = set()
    for pattern in patterns:
        if pattern.id in ids:
            raise DiagnosisError(f"{folder.name}: there are two patterns of the id {pattern.id}")
        ids.add(pattern.id)
    return tuple(patterns)


def _read(path: Path) -> Iterator[Pattern]:
    """The patterns of one file."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DiagnosisError(f"{path.name} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise DiagnosisError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list):
        raise DiagnosisError(f"{path.name}: should be a list of patterns")
    for number, entry in enumerate(entries, 1):
        name = entry.get("id", number) if isinstance(entry, dict) else number
        try:
            yield Pattern.model_validate(entry)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in (name, *first["loc"]))
            message = first["msg"].removeprefix("Value error, ")
            raise DiagnosisError(f"{path.name}: {where}: {message}") from error


@cache
def _default() -> tuple[Pattern, ...]:
    return load(DATA)


def triage(
    text: str, prefixes: Sequence[Path] = (), patterns: Sequence[Pattern] | None = None
) -> list[Finding]:
    """Find the causes of a failure in a log.

    Args:
        text: the log.
        prefixes: folders with include/, lib/ (or libs/) and bin/, in which missing headers,
            libraries, symbols and DLLs are looked up.
        patterns: what to find; by default data/triage/*.yaml.

    Returns:
        the most specific cause first; the same cause once; empty if nothing is known of the log.
    """
    # A "\r" redraws the line of a progress bar; Windows ends lines with "\r\n".
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    taken: set[int] = set()
    causes: list[Finding] = []
    consequences: list[Finding] = []
    chosen = _default() if patterns is None else patterns
    for pattern in chosen:
        groups: dict[tuple[tuple[str, str], ...], list[tuple[int, dict[str, str]]]] = {}
        for match in pattern.pattern.finditer(text):
            first = bisect_right(starts, match.start() + _leading_space(match[0]))
            last = max(first, bisect_right(starts, match.end() - 1))
            if taken.isdisjoint(range(first, last + 1)):
                taken.update(range(first, last + 1))
                values = _values(match)
                key = () if values.keys() & _TOLD_TOGETHER else tuple(values.items())
                groups.setdefault(key, []).append((first, values))
        for found in groups.values():
            finding = _finding(pattern, found, text, starts, prefixes)
            (consequences if pattern.follows else causes).append(finding)
    if not causes:
        return consequences[:1]
    found_ids = {cause.id for cause in causes}
    explained = {name for p in chosen if p.id in found_ids for name in p.explains}
    consequences += [cause for cause in causes if cause.id in explained]
    causes = [cause for cause in causes if cause.id not in explained]
    return [_with_consequences(cause, causes, consequences) for cause in causes]


def render(findings: Iterable[Finding]) -> list[str]:
    """Findings as plain lines for people."""
    lines: list[str] = []
    for finding in findings:
        lines += [
            f"{finding.category}: {finding.cause}",
            *(f"  found: {fact}" for fact in finding.facts),
            f"  to do: {finding.remedy}",
            f"  where: line {finding.line_number}: {finding.line}",
        ]
        if finding.consequences:
            numbers = ", ".join(str(number) for number in finding.consequences[:_SHOWN])
            more = ", ..." if len(finding.consequences) > _SHOWN else ""
            lines.append(f"  what follows from it: line {numbers}{more}")
    return lines


def as_data(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as JSON-able data."""
    return [
        {
            "id": finding.id,
            "category": finding.category,
            "line_number": finding.line_number,
            "line": finding.line,
            "cause": finding.cause,
            "remedy": finding.remedy,
            "facts": list(finding.facts),
            "consequences": list(finding.consequences),
        }
        for finding in findings
    ]


def _values(match: re.Match[str]) -> dict[str, str]:
    """The groups that took part, without the underscores that tell alternatives apart."""
    return {name.rstrip("_"): value for name, value in match.groupdict().items() if value}


def _leading_space(text: str) -> int:
    return len(text) - len(text.lstrip())


def _finding(
    pattern: Pattern,
    matches: Sequence[tuple[int, Mapping[str, str]]],
    text: str,
    starts: Sequence[int],
    prefixes: Sequence[Path],
) -> Finding:
    """One finding of all matches that say the same."""
    number, first = matches[0]
    end = starts[number] - 1 if number < len(starts) else len(text)
    values = {**{name.rstrip("_"): "" for name in pattern.pattern.groupindex}, **first}
    for group in _TOLD_TOGETHER & values.keys():
        values[group] = _some(list(dict.fromkeys(v[group] for _, v in matches if group in v)))
    facts: list[str] = []
    places: list[str] = []
    for group in LOOKED_UP:
        if not values.get(group):
            continue
        names = list(dict.fromkeys(plain(match[group]) for _, match in matches if group in match))
        values[group] = _some(names)
        for place, these in places_of(group, names, prefixes).items():
            places.append(place)
            is_it = group in ("library", "dll")
            facts.append(f"{place} is there" if is_it else f"{place} has {_some(these)}")
        facts += _usual(group, names, pattern.known) if not places else []
    remedy = pattern.remedy
    if pattern.found and places:
        remedy = pattern.found
        values["found"] = ", ".join(places)
    return Finding(
        id=pattern.id,
        category=pattern.category,
        line_number=number,
        line=_shortened(text[starts[number - 1] : end].strip()),
        cause=" ".join(pattern.cause.format_map(values).split()).rstrip(":"),
        remedy=" ".join(remedy.format_map(values).split()),
        facts=tuple(facts),
    )


def _with_consequences(
    cause: Finding, causes: Sequence[Finding], consequences: Sequence[Finding]
) -> Finding:
    """A cause with the consequences that are nearest to it."""

    def nearest(number: int) -> Finding:
        before = [c for c in causes if c.line_number <= number]
        if before:
            return max(before, key=lambda c: c.line_number)
        return min(causes, key=lambda c: c.line_number)

    numbers = sorted(c.line_number for c in consequences if nearest(c.line_number) is cause)
    return Finding(**{**vars(cause), "consequences": tuple(numbers)})


def _some(names: Sequence[str]) -> str:
    """The first names of a list, and how many there are."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _shortened(line: str, width: int = 200) -> str:
    return line if len(line) <= width else line[: width - 3] + "..."


def _usual(group: str, names: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Who usually has the names. Windows takes file names in any case, linkers do not symbols."""
    flags = re.RegexFlag(0) if group == "symbol" else re.IGNORECASE
    facts: dict[str, list[str]] = {}
    for name in names:
        for expression, owner in known.items():
            if re.fullmatch(expression, name, flags):
                facts.setdefault(owner, []).append(name)
                break
        else:
            provider = windows.provider(name) if group == "dll" else None
            if provider is not None:
                facts.setdefault(f"{provider.what}; {provider.remedy}", []).append(name)
    return [f"{_some(these)}: {owner}" for owner, these in facts.items()]
