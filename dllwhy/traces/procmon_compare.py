"""What Process Monitor recorded, beside what the simulator says of the same DLLs.

compare(stories, env) -> comparisons   what fails first
as_data(comparisons)  -> the same for programs
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path, PureWindowsPath
from typing import Any

from dllwhy import loader
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment
from dllwhy.imports.process import Imports, State
from dllwhy.loader import Closure, Loaded, Rule
from dllwhy.search import find
from dllwhy.traces.loadtrace import key
from dllwhy.traces.procmon import Story
from dllwhy.windows import dll_name, is_optional, module_name

OWN = "Windows' own"
MISSING = "missing"
BY_CODE = "loaded by running code"
OPTIONAL = "never found, and not needed"


@dataclass(frozen=True)
class Comparison:
    """A story, and what the simulator says.

    Attributes:
        predicted: a file as this system spells it, `OWN` or `MISSING`; None where the simulator
            has nothing to say.
        agrees: None where the simulator has nothing to say.
        note: why it has nothing to say, or what is special.
        processes: in how many processes it went like this.
    """

    story: Story
    predicted: str | None
    agrees: bool | None
    note: str = ""
    processes: int = 1

    @property
    def fails(self) -> bool:
        """Whether somebody has to look at it."""
        if self.agrees is None and self.note == OPTIONAL:
            return False
        return self.story.loaded is None or self.agrees is False


def compare(traced: Mapping[str, Sequence[Story]], environment: Environment) -> list[Comparison]:
    """Put each story beside what the simulator says for `environment`.

    Each .pyd that was loaded counts as an import, each DLL that no import table asked for as
    loaded by running code. The environment may be a copy of the one that was traced, in another
    place: paths are compared below the folder of pythonXY.dll, and below site-packages.

    Args:
        traced: the stories of each process.

    Returns:
        what went alike in several processes once; what `fails` comes first.

    Raises:
        DiagnosisError: nothing that was loaded is in `environment`.
    """
    counted: dict[Comparison, int] = defaultdict(int)
    for told in traced.values():
        for comparison in _compare_process(told, environment):
            counted[comparison] += 1
    modules = [s.loaded for told in traced.values() for s in told if s.key.endswith(".pyd")]
    if modules and not any(c.predicted for c in counted if c.story.key.endswith(".pyd")):
        raise DiagnosisError(
            f"The export tells of another Python than {environment.prefix}: it loaded "
            f"{modules[0]}. Name that environment, or a copy of it, with --env DIR."
        )
    compared = [replace(one, processes=number) for one, number in counted.items()]
    return sorted(compared, key=lambda one: not one.fails)


def _compare_process(told: Sequence[Story], environment: Environment) -> Iterator[Comparison]:
    root = next(
        (PureWindowsPath(s.loaded).parent for s in told if s.loaded and _is_python(s, environment)),
        PureWindowsPath(environment.root),
    )
    state: Mapping[str, Loaded] = loader.startup(environment)
    predicted: dict[str, str] = {
        name: _spelled(module.path, Rule.LOADED) for name, module in state.items()
    }
    expected: dict[str, str] = {}  # what the imports that work should have loaded
    asked: dict[str, str] = {}  # the files that were asked for by their path, and what is special
    for story in told:
        file = here(story.loaded, root, environment) if story.loaded else None
        if file is None or not file.is_file() or _present(file, state):
            continue
        closure = loader.closure(file, _with_added(file, environment), loaded=state)
        state = closure.loaded
        asked[key(file)] = _special(closure)
        for r in closure.resolutions:
            name = dll_name(r.name)
            if r.delay or r.rule is Rule.LOADED:
                continue
            predicted.setdefault(name, _spelled(r.found, r.rule))
            if closure.loads and r.found:
                expected.setdefault(name, predicted[name])
    seen = {story.key for story in told}
    for story in told:
        yield _beside(story, here(story.loaded or "", root, environment), predicted, asked)
    for name in expected.keys() - seen:
        yield Comparison(Story(name, (), None), expected[name], False, "the export is silent on it")


def _beside(
    story: Story, file: Path | None, predicted: Mapping[str, str], asked: Mapping[str, str]
) -> Comparison:
    says = predicted.get(story.key)
    if story.loaded is None:
        by_code = "asked for by running code, not by an import table"
        note = "" if says else OPTIONAL if is_optional(story.key) else by_code
        return Comparison(story, says, None if says is None else says == MISSING, note)
    if file is not None and not file.is_file():
        return Comparison(story, None, None, "is not in the environment that is looked at")
    if file is not None and key(file) in asked and (says is None or says == str(file)):
        return Comparison(story, str(file), True, asked[key(file)])
    if says is None:
        # The simulator does not go into Windows' own DLLs.
        if _is_windows(story.loaded):
            return Comparison(story, OWN, True)
        return Comparison(story, None, None, BY_CODE)
    real = OWN if file is None and _is_windows(story.loaded) else str(file or story.loaded)
    agrees = key(says) == key(real)
    added = "" if agrees or says != MISSING else "a program may add folders that no source tells of"
    return Comparison(story, says, agrees, added)


def _special(closure: Closure) -> str:
    if closure.problem:
        return f"does not load: {closure.problem}"
    if closure.missing:
        return f"does not load: missing {', '.join(dict.fromkeys(r.name for r in closure.missing))}"
    return "" if closure.module.suffix.lower() == ".pyd" else BY_CODE


def here(path: str, root: PureWindowsPath, environment: Environment) -> Path | None:
    """Return the file in `environment` that a traced path means; None for one elsewhere.

    Args:
        root: the folder of pythonXY.dll in the trace.
    """
    traced = PureWindowsPath(path)
    if traced.is_relative_to(root):
        return _descend(environment.root, traced.relative_to(root).parts)
    lower = [part.lower() for part in traced.parts]
    if "site-packages" in lower:  # of a venv, whose pythonXY.dll is elsewhere
        index = lower.index("site-packages") + 1
        return _descend(environment.site_packages, traced.parts[index:])
    return None


def _descend(folder: Path, parts: Iterable[str]) -> Path:
    """The path below `folder` with the real case of its letters."""
    for part in parts:
        folder = find(folder, part) or folder / part
    return folder


def _is_python(story: Story, environment: Environment) -> bool:
    return story.key == environment.python_dll


def _is_windows(path: str) -> bool:
    """Whether a path is in C:\\Windows: System32, SysWOW64, or the side-by-side assemblies."""
    return [part.lower() for part in PureWindowsPath(path).parts[1:2]] == ["windows"]


def _spelled(found: Path | None, rule: Rule) -> str:
    return MISSING if rule is Rule.MISSING else OWN if found is None else str(found)


def _present(file: Path, state: Mapping[str, Loaded]) -> bool:
    module = state.get(module_name(file))
    return module is not None and module.path is not None and key(module.path) == key(file)


def _with_added(file: Path, environment: Environment) -> Environment:
    """The environment with the folders that the file's package adds; a trace has none of them."""
    return _imports(environment).before(file).environment


@cache
def _imports(environment: Environment) -> Imports:
    return Imports(State(environment, loader.startup(environment)))


def as_data(compared: Iterable[Comparison]) -> list[dict[str, Any]]:
    """Comparisons as data for JSON."""
    return [
        {
            "name": one.story.name,
            "tried": [{"path": path, "result": result} for path, result in one.story.tried],
            "loaded": one.story.loaded,
            **{k: v for k, v in asdict(one).items() if k != "story"},
        }
        for one in compared
    ]
