"""What a build log means, and what to do.

triage(text, prefixes) -> findings    the causes, the most specific first
outcome(findings)      -> Outcome     found, not understood, no failure: each with an exit status
render(findings)       -> lines for people
as_data(findings)      -> the same for programs

What is known of messages is data (`dllwhy.logs.patterns`). A message that only follows from another
one ("command failed with exit code 1") is no cause. Where no cause is known, the first error line
of a program is told, and what its number means.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dllwhy import windows
from dllwhy.logs import endings, owners, patterns
from dllwhy.logs.numbers import explained
from dllwhy.logs.patterns import Pattern
from dllwhy.logs.subject import Subject, subject
from dllwhy.logs.text import Log, normalised
from dllwhy.logs.triage_lookup import LOOKED_UP, places_of, plain

# Groups whose values one finding names together; everything else is told one by one.
_TOLD_TOGETHER = {"symbol", "package", "name"}
_SHOWN = 6
_LOOKED_UP_AT_MOST = 200  # names of one kind


class Outcome(enum.Enum):
    """What came of a triage; the value is the exit status of a command that did it."""

    CAUSE_FOUND = 0
    NOT_UNDERSTOOD = 1
    UNREADABLE = 2
    NO_FAILURE = 3

    @property
    def exit_status(self) -> int:
        """The exit status."""
        return self.value


@dataclass(frozen=True)
class Finding:
    """A cause found in a log, or the error that is not understood.

    Attributes:
        id: of the pattern.
        line_number: of the first message, from 1.
        line: that message.
        facts: what was looked up, one sentence each.
        consequences: numbers of the lines that only follow from it.
        understood: whether the cause is known; if not, this is the first error of the log.
        documentation: address of the documentation of the error's number, or "".
    """

    id: str
    category: str
    line_number: int
    line: str
    cause: str
    remedy: str
    facts: tuple[str, ...] = ()
    consequences: tuple[int, ...] = ()
    understood: bool = True
    documentation: str = ""


@dataclass(frozen=True)
class _Match:
    """Where a pattern was found: line numbers, and the values of its groups."""

    numbers: range
    line: str
    values: Mapping[str, str]


def triage(
    text: str,
    prefixes: Sequence[Path] = (),
    known: Sequence[Pattern] | None = None,
    *,
    here: bool | None = None,
) -> list[Finding]:
    """Find the causes of a failure in a log.

    Args:
        text: the log.
        prefixes: folders with include/, lib/ (or libs/) and bin/, in which missing headers,
            libraries, symbols and DLLs are looked up.
        known: what to find; by default data/triage/*.yaml.
        here: whether the log is of this project's own build; by default by the log's own marks.

    Returns:
        the most specific cause first; the same cause once. Without a known cause: the first error,
        not `understood`. Empty if no failure is seen, or if the log ended well after all.
    """
    log = normalised(text)
    about = subject(log.text, here)
    taken: set[int] = set()
    told: dict[str, list[Finding]] = {"cause": [], "warning": [], "consequence": [], "error": []}
    chosen = patterns.default() if known is None else known
    for pattern in chosen:
        said: set[tuple[str, str]] = set()
        for found in _grouped(_matches(pattern, log, taken)):
            finding = _finding(pattern, found, prefixes, about)
            again = (finding.cause, finding.remedy) in said
            told["consequence" if again else pattern.role].append(finding)
            said.add((finding.cause, finding.remedy))
    if endings.ended_well(log, [f.line_number for fs in told.values() for f in fs]):
        return told["warning"]
    causes = told["cause"] or ([] if told["error"] else told["warning"])
    if not causes:
        return _not_understood(told["error"], told["consequence"])
    explained_ids = {name for p in chosen if p.id in {c.id for c in causes} for name in p.explains}
    consequences = [*told["consequence"], *(c for c in causes if c.id in explained_ids)]
    causes = [cause for cause in causes if cause.id not in explained_ids]
    return [_with_consequences(cause, causes, consequences) for cause in causes]


def outcome(findings: Sequence[Finding]) -> Outcome:
    """Return what came of a triage that gave these findings."""
    if not findings:
        return Outcome.NO_FAILURE
    understood = any(finding.understood for finding in findings)
    return Outcome.CAUSE_FOUND if understood else Outcome.NOT_UNDERSTOOD


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
        if finding.documentation:
            lines.append(f"  read: {finding.documentation}")
        if finding.consequences:
            numbers = ", ".join(str(number) for number in finding.consequences[:_SHOWN])
            more = len(finding.consequences) - _SHOWN
            rest = f" and {more} more" if more > 0 else ""
            lines.append(f"  what follows from it: line {numbers}{rest}")
    return lines or [NO_FAILURE]


NO_FAILURE = (
    "no failure is seen in this log: no error of a compiler, linker, CMake, pip, Python or another "
    "known program stands in it, or it ended well after all. If something did fail, the log lacks "
    "that part: keep all of the output, and that of standard error too"
)


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
            "understood": finding.understood,
            "documentation": finding.documentation,
        }
        for finding in findings
    ]


def _matches(pattern: Pattern, log: Log, taken: set[int]) -> list[_Match]:
    """Where a pattern finds lines that no earlier pattern has taken."""
    matches = []
    for match in pattern.pattern.finditer(log.text):
        start, end = match.span(_place(match))
        first = log.index(start + _leading_space(match.string[start:end]))
        last = max(first, log.index(end - 1))
        if taken.isdisjoint(range(first, last + 1)):
            taken.update(range(first, last + 1))
            values = {name.rstrip("_"): v for name, v in match.groupdict().items() if v}
            numbers = range(log.numbers[first], log.numbers[last] + 1)
            matches.append(_Match(numbers, log.line(first), values))
    return matches


def _place(match: re.Match[str]) -> str | int:
    """The group that is the message; the whole match if there is none."""
    named = (name for name, value in match.groupdict().items() if value)
    return next((name for name in named if name.rstrip("_") == "where"), 0)


def _leading_space(text: str) -> int:
    return len(text) - len(text.lstrip())


def _grouped(matches: Iterable[_Match]) -> list[list[_Match]]:
    """Matches that say the same together."""
    groups: dict[tuple[tuple[str, str], ...], list[_Match]] = {}
    for match in matches:
        together = match.values.keys() & _TOLD_TOGETHER
        groups.setdefault(() if together else tuple(match.values.items()), []).append(match)
    return list(groups.values())


def _finding(
    pattern: Pattern, matches: Sequence[_Match], prefixes: Sequence[Path], about: Subject
) -> Finding:
    """One finding of all matches that say the same."""
    first = matches[0]
    values = {**dict.fromkeys(pattern.groups, ""), **first.values}
    for group in _TOLD_TOGETHER & first.values.keys():
        values[group] = _some(_names(group, matches))
    facts: list[str] = []
    places: list[str] = []
    missing: dict[str, list[str]] = {}
    for group in LOOKED_UP:
        if not values.get(group):
            continue
        names = list(dict.fromkeys(plain(name) for name in _names(group, matches)))
        values[group] = _some(names)
        names = names[:_LOOKED_UP_AT_MOST]
        looked_up = places_of(group, [n for n in names if _may_be_found(group, n)], prefixes, about)
        for place, these in looked_up.items():
            places.append(place)
            is_it = group in ("library", "dll")
            facts.append(f"{place} is there" if is_it else f"{place} has {_some(these)}")
        if not places:
            facts += _usual(group, names, pattern.known)
        nowhere = [name for name in names if not any(name in had for had in looked_up.values())]
        if nowhere and pattern.whose:
            missing[group] = nowhere
    for group in sorted(pattern.groups - set(LOOKED_UP)):
        facts += _usual(group, _names(group, matches), pattern.known)
    values["found"] = ", ".join(places)
    remedy = _filled(pattern.found if pattern.found and places else pattern.remedy, values)
    for group, names in missing.items():
        whose, advised = owners.advice(group, names, _filled(pattern.remedy, values))
        facts += whose
        remedy = f"{remedy}. {_some(names)}: {advised}" if places else advised
    if about.here and pattern.here:
        remedy = f"{remedy}. {_filled(pattern.here, values)}"
    meaning, documentation = explained(values.get("number", ""))
    if meaning:
        facts.append(f"{values['number']} means: {meaning}")
    return Finding(
        id=pattern.id,
        category=pattern.category,
        line_number=first.numbers.start,
        line=_shortened(first.line),
        cause=_filled(pattern.cause, values).rstrip(":"),
        remedy=remedy,
        facts=tuple(facts),
        understood=pattern.role in ("cause", "warning"),
        documentation=documentation,
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the values of its groups, without the brackets around those that are empty."""
    return re.sub(r" ?\( *\)", "", " ".join(text.format_map(values).split()))


def _may_be_found(group: str, name: str) -> bool:
    whose = owners.owner(group, name)
    return whose is None or whose.offer_found


def _names(group: str, matches: Iterable[_Match]) -> list[str]:
    return list(dict.fromkeys(m.values[group] for m in matches if group in m.values))


def _not_understood(errors: Sequence[Finding], consequences: Sequence[Finding]) -> list[Finding]:
    """The first error of a program, and the lines that come after it."""
    in_order = sorted(errors, key=lambda error: error.line_number) or list(consequences[:1])
    if not in_order:
        return []
    first = in_order[0]
    others = {f.line_number for f in (*errors, *consequences)} - {first.line_number}
    return [replace(first, consequences=tuple(sorted(others)))]


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
    return replace(cause, consequences=tuple(numbers))


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
