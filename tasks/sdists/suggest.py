"""What a recipe could say to mend a build that failed: lines for recipes/NAME.yaml.

    log, tree -> suggestions.yaml: what messages mean
              -> headers: a folder of the source, or a library that has them
              -> functions: a library of Windows, or a file that was not compiled
      -> Suggestion(key, value, why) -> as_yaml: lines that can be pasted

dllwhy's triage says what happened; this says what of it a recipe has a key for.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dllwhy.logs import owners
from dllwhy.logs.text import normalised
from tasks.core import yaml_data
from tasks.core.recipe import PackageRecipe

if TYPE_CHECKING:
    from dllwhy.logs.triage import Finding

_KEYS = set(PackageRecipe.model_fields)
_HEADER = re.compile(
    r"fatal error: '?(?P<a>[^'\s:]+)'?(?: file not found|: No such file)"
    r"|C1083: [^\n']*'(?P<b>[^'\n]+\.\w+)'"
)
_SYMBOL = re.compile(
    r"undefined symbol: (?:__declspec\(dllimport\) )?(?P<a>\w+)"
    r"|unresolved external symbol (?:\"[^\"\n]*\" \()?(?:__imp_)?(?P<b>[\w?@$]+)"
    r"|undefined reference to [`'](?P<c>\w+)'"
)
_C_SOURCES = {".c", ".cc", ".cpp", ".cxx"}
_AT_MOST = 40  # names that are looked up


@dataclass(frozen=True)
class Suggestion:
    """One thing that a recipe could say.

    Args:
        key: of the recipe.
        value: for a list what to add to it, for a mapping (name, value).
        why: for people.
    """

    key: str
    value: str | tuple[str, str]
    why: str


@dataclass(frozen=True)
class Libraries:
    """The native libraries that a recipe may name.

    Args:
        names: of all.
        headers: header -> the library that brings it, as far as they say so themselves.
    """

    names: Collection[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def suggested(self, group: str, name: str) -> Suggestion | None:
        """The library of a header or a function."""
        library = self.headers.get(name) or owners.library(group, name)
        if library is None:
            return None
        how = "" if library in self.names else (
            f"; recipes/libraries/{library}.yaml has to say how it is built, and is not there"
        )  # fmt: skip
        return Suggestion("libraries", library, f"it has {name}{how}")


def suggestions(
    log: str, tree: Path, compiled: str = "", recipe: PackageRecipe | None = None,
    libraries: Libraries | None = None,
) -> list[Suggestion]:  # fmt: skip
    """What a recipe could say, the same once.

    Args:
        log: of the build.
        tree: the source, as it was built.
        compiled: the compiler's calls, where they are known.
        recipe: the one that it was built with; what it says is not suggested again.
        libraries: those that a recipe may name.
    """
    text = normalised(log).text
    known = libraries or Libraries()
    found = [
        *_from_messages(text),
        *_headers(text, tree, known),
        *_symbols(text, tree, compiled, known),
    ]
    once = list({(one.key, one.value): one for one in reversed(found)}.values())[::-1]
    return [one for one in once if not _says(recipe or PackageRecipe(), one)]


def mended(findings: "Iterable[Finding]", suggested: Collection[Suggestion]) -> "list[Finding]":
    """What a log means, with the recipe's lines as the remedy where pip's words would be none.

    doit build makes the environment of a build itself: what is installed elsewhere is not in it.
    """
    requires = [str(one.value) for one in suggested if one.key == "build_requires"]
    remedy = f"the recipe's line build_requires: [{', '.join(requires)}], see below"

    def of_pip(one: "Finding") -> bool:
        words = " ".join((one.remedy, *one.facts))
        pips = re.search(r"pip install|build-isolation|PIP_", words) is not None
        return one.category == "setup.py and pip" and pips

    return [
        replace(one, remedy=remedy, facts=()) if requires and of_pip(one) else one
        for one in findings
    ]


def needed(errors: Iterable[str]) -> list[Suggestion]:
    """What an installed package imports, and its metadata does not require.

    Args:
        errors: why its modules could not be imported.
    """
    names = [m[1] for error in errors for m in re.finditer(r"No module named '(\w+)", error)]
    why = "it imports {}, and its metadata does not require it"
    return [Suggestion("requires", name, why.format(name)) for name in dict.fromkeys(names)]


def _says(recipe: PackageRecipe, one: Suggestion) -> bool:
    said = getattr(recipe, one.key)
    if isinstance(said, dict):
        return one.value[0] in said
    return one.value in said if isinstance(said, tuple) else one.value == said


def as_yaml(found: Iterable[Suggestion]) -> list[str]:
    """Lines for a recipe: one for each key, with the reasons behind it."""
    values: dict[str, Any] = {}
    reasons: dict[str, list[str]] = {}
    for one in found:
        kind = type(getattr(PackageRecipe(), one.key))
        if kind is tuple:
            values.setdefault(one.key, []).append(one.value)
        elif kind is dict:
            values.setdefault(one.key, {}).setdefault(*one.value)
        elif one.key in values:
            continue
        else:
            values[one.key] = one.value
        reasons.setdefault(one.key, []).append(one.why)
    lines = []
    for key, value in values.items():
        spelled = yaml.safe_dump(value, default_flow_style=True, width=10_000)
        spelled = spelled.removesuffix("...\n").strip()
        lines.append(f"{key}: {spelled}  # {'; '.join(dict.fromkeys(reasons[key]))}")
    return lines


@cache
def _known() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    file = Path(__file__).with_name("suggestions.yaml")
    entries = yaml_data.parse(file.read_text(encoding="utf-8"))
    return [
        (re.compile(re.sub(r"\n\s*", "", entry["pattern"]), re.MULTILINE), entry)
        for entry in entries
    ]


def _from_messages(text: str) -> Iterator[Suggestion]:
    taken: set[str] = set()
    for pattern, entry in _known():
        key = next(name for name in entry if name in _KEYS)
        if "unless" in entry and re.search(entry["unless"], text):
            continue
        for match in pattern.finditer(text):
            name = next((value for value in match.groupdict().values() if value), "")
            if (word := f"{key} {name.partition('.')[0]}") in taken:
                continue
            taken.add(word)
            known = entry.get("known", {}).get(name)
            why = entry["why"].format(name=name)
            given = entry[key]
            if isinstance(given, dict):
                for one, value in given.items():
                    made = (one.format(name=name), value.format(value=known or ""))
                    yield Suggestion(key, made, why)
            elif known != "":
                for value in [given] if isinstance(given, str) else given:
                    yield Suggestion(key, known or value.format(name=name), why)


def _names(pattern: re.Pattern[str], text: str) -> list[str]:
    names = (match[match.lastgroup or 0] for match in pattern.finditer(text))
    return list(dict.fromkeys(names))[:_AT_MOST]


def _headers(text: str, tree: Path, known: Libraries) -> Iterator[Suggestion]:
    """Headers that the source has in another folder, and those of libraries."""
    for name in _names(_HEADER, text):
        header = name.replace("\\", "/").removeprefix("./")
        files = (path.relative_to(tree) for path in tree.rglob(header.rpartition("/")[2]))
        folders = [
            file.as_posix().removesuffix(header).strip("/") or "."
            for file in files
            if f"/{file.as_posix()}".endswith(f"/{header}")
        ]
        if folders:
            yield Suggestion("include", min(sorted(folders), key=len), f"{header} is there")
        elif library := known.suggested("header", header):
            yield library


def _symbols(text: str, tree: Path, compiled: str, known: Libraries) -> Iterator[Suggestion]:
    """Functions that Windows has in a library, and those of a source file that was left out."""
    for name in _names(_SYMBOL, text):
        library = owners.library("symbol", name)
        if library and library.endswith(".lib"):
            yield Suggestion("system_libraries", library[:-4], f"it has {name}")
        elif file := _left_out(name, tree, compiled):
            where = f"{file} has {name}, and was not compiled: add it to the sources in setup.py"
            yield Suggestion("patches", "0001-sources.patch", where)
        elif library and (one := known.suggested("symbol", name)):
            yield one


def _left_out(name: str, tree: Path, compiled: str) -> str:
    """The file that defines a C function and was not compiled; "" if there is none."""
    definition = re.compile(
        rf"^[\w*][\w\s*]*?\b{re.escape(name)}\s*\([^;{{}}]*\)\s*(?:[\w\s*,;]*;)?\s*\{{",
        re.MULTILINE,
    )
    for file in sorted(tree.rglob("*")):
        if file.suffix.lower() in _C_SOURCES and file.name not in compiled and file.is_file():
            source = file.read_text(encoding="utf-8", errors="replace")
            if name in source and definition.search(source):
                return file.relative_to(tree).as_posix()
    return ""
