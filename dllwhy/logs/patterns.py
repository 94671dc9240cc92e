"""What is known of messages: data/triage/*.yaml -> patterns, checked.

The files are read in the order of their names, each from top to bottom. That order is the order of
the findings: the most specific first.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, Optional

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dllwhy.data_file import read_yaml
from dllwhy.errors import DiagnosisError
from dllwhy.logs.text import normalised
from dllwhy.logs.triage_lookup import LOOKED_UP

DATA = Path(__file__).resolve().parents[1] / "data" / "triage"

Category = Literal["setup.py and pip", "compiler", "linker", "DLL load", "Python"]
Role = Literal["cause", "warning", "consequence", "error"]


class Pattern(BaseModel):
    """One kind of message.

    Attributes:
        role: "cause"; "warning": what it means does not stop a build; "consequence": it only
            follows from others; "error": a program's error line of which no more is known.
        pattern: a regular expression, MULTILINE. Groups named as in `LOOKED_UP` are looked up, the
            group `number` is an error number (`dllwhy.logs.numbers`). The alternatives of one
            pattern spell the same group NAME, NAME_, NAME__. The group `where`, if there is one,
            is the message among lines that only show what it is about.
        cause, remedy: texts with {groups} of the pattern.
        found: the remedy where the lookup found something, as {found}.
        whose: the remedy is that of the library that a symbol, header or library belongs to, where
            that is known (`dllwhy.logs.owners`).
        here: what the remedy adds where the log is of this project's own build.
        known: what is known of values of groups, such as who has a symbol, header or program:
            {regular expression: text}.
        explains: ids of patterns whose messages are consequences of this one, where both are found.
        examples: messages that the pattern finds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    role: Role = "cause"
    category: Category
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    found: Optional[str] = None  # noqa: UP045 - pydantic evaluates this, and Python 3.9 has no |
    whose: bool = False
    here: str = ""
    known: dict[str, str] = {}
    explains: tuple[str, ...] = ()
    examples: tuple[str, ...] = Field(min_length=1)

    @property
    def groups(self) -> set[str]:
        """The names of the groups, without the underscores that tell alternatives apart."""
        return {name.rstrip("_") for name in self.pattern.groupindex}

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
    def _whole(self) -> Pattern:
        groups = self.groups
        for text, allowed in ((self.cause, groups), (self.remedy, groups), (self.here, groups),
                              (self.found or "", groups | {"found"})):  # fmt: skip
            unknown = {name for _, name, _, _ in string.Formatter().parse(text) if name} - allowed
            if unknown:
                raise ValueError(f"the pattern has no group {', '.join(sorted(unknown))}")
        if (self.found or self.whose) and not groups.intersection(LOOKED_UP):
            raise ValueError(f"found or whose needs one of the groups {', '.join(LOOKED_UP)}")
        for example in self.examples:
            if not self.pattern.search(normalised(example).text):
                raise ValueError(f"the pattern does not find its own example: {example}")
        return self


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


@cache
def default() -> tuple[Pattern, ...]:
    """The patterns that come with this package."""
    return load(DATA)


def _read(path: Path) -> Iterator[Pattern]:
    """The patterns of one file."""
    try:
        entries = read_yaml(path)
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
