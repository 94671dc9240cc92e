"""`doit audit`: every extension module and DLL of an environment, looked at for trouble to come.

    audit(environment) -> findings      nothing is run; a whole environment takes seconds

Each module is loaded by the simulator as the first of its process, with the folders that its
package and that package's requirements add.
"""

from __future__ import annotations

import filecmp
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dllwhy import loader, packages, pe, windows
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment
from dllwhy.functions import WRONG_VERSION
from dllwhy.imports.modules import is_for
from dllwhy.imports.process import Imports, State
from dllwhy.judge import Verdict, judge
from dllwhy.loader import Closure

if TYPE_CHECKING:
    from rich.table import Table

Kind = Literal["damaged", "machine", "missing", "function", "clash", "runtime", "signature"]

# https://learn.microsoft.com/cpp/porting/binary-compat-2015-2017: the runtime must be at least as
# new as the newest toolset that built a module.
_RUNTIMES = ("msvcp140.dll", "vcruntime140.dll")


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or will be for whoever uses it.

    Attributes:
        serious: an import or a call fails; otherwise it may go well for long.
        file: the file that it is about.
    """

    kind: Kind
    serious: bool
    file: Path
    message: str
    remedy: str


def audit(environment: Environment) -> list[Finding]:
    """Look at every .pyd and .dll of an environment; the serious findings come first."""
    files = list(packages.binaries(environment.prefix))
    if environment.is_venv:
        base = packages.binaries(environment.root)
        files += [path for path in base if not _is_out_of_sight(path, environment)]
    findings: list[Finding] = []
    usable = []
    for file in dict.fromkeys(files):
        try:
            machine = pe.read_pe(file).machine
        except DiagnosisError as error:
            findings.append(_damaged(file, error))
            continue
        if machine == environment.machine:
            usable.append(file)
        else:
            findings.append(_wrong_machine(file, machine, environment))
    verdicts = list(_verdicts(usable, environment))
    closures = [verdict.closure for verdict in verdicts]
    findings += _missing(verdicts, environment)
    findings += _functions(verdicts)
    findings += _clashes(usable, closures, environment)
    findings += _runtimes(closures, environment)
    findings += _signatures(usable, environment)
    return sorted(findings, key=lambda f: (not f.serious, f.kind, str(f.file)))


def _is_out_of_sight(file: Path, environment: Environment) -> bool:
    """Whether a file is a package's of the base, which the venv cannot import."""
    hidden = environment.root / "Lib" / "site-packages"
    return hidden not in environment.site_folders and file.is_relative_to(hidden)


def _verdicts(files: Iterable[Path], environment: Environment) -> Iterator[Verdict]:
    """Load every module; then every DLL that no module brings in, as code might by its path.

    Modules for other Pythons are passed over, as this one does.
    """
    imports = Imports(State(environment, loader.startup(environment)))
    reached: set[Path] = set()
    modules_first = sorted(files, key=lambda path: path.suffix.lower() != ".pyd")
    for file in modules_first:
        if file in reached or not is_for(file, environment):
            continue
        verdict = judge(file, imports)
        reached |= {file, *verdict.closure.files}
        yield verdict


def _damaged(file: Path, error: DiagnosisError) -> Finding:
    return Finding("damaged", True, file, error.message, "install its package again")


def _wrong_machine(file: Path, machine: str, environment: Environment) -> Finding:
    return Finding(
        "machine",
        file.suffix.lower() == ".pyd",
        file,
        f"built for {machine}, in a Python for {environment.machine}",
        f"install the package's build for {environment.machine}",
    )


def _missing(verdicts: Iterable[Verdict], environment: Environment) -> Iterator[Finding]:
    """One finding for each DLL that a file lacks, whichever modules bring that file in."""
    by_need: dict[tuple[Path, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        for resolution in verdict.closure.missing:
            if any(place.ends for place in resolution.tried):
                continue  # a finding of its own
            by_need[resolution.importer, resolution.name].append(verdict)
    for (importer, name), needing in by_need.items():
        provider = windows.provider(name, environment.windows, environment.machine)
        failing = [verdict.closure.module for verdict in needing if verdict.fails]
        told = f"which is nowhere that the loader looks{_and_others(failing, importer)}"
        if not failing:
            told = f"and it cannot be told where that is: {needing[0].untold[0]}"
        yield Finding(
            "missing",
            any(module.suffix.lower() == ".pyd" for module in failing),
            importer,
            f"needs {name}, {told}",
            f"{name} is {provider.what}: {provider.remedy}" if provider else f"find {name}",
        )


def _and_others(modules: list[Path], importer: Path) -> str:
    others = sorted({module.name for module in modules if module != importer})
    if not others:
        return ""
    return (
        f"; so {others[0]}" + (f" and {len(others) - 1} more" * (len(others) > 1)) + " cannot load"
    )


def _functions(verdicts: Iterable[Verdict]) -> Iterator[Finding]:
    """Functions that a DLL is asked for and does not have."""
    lacking = (lack for verdict in verdicts for lack in verdict.closure.lacking)
    for lack in dict.fromkeys(lacking):
        yield Finding(
            "function",
            True,
            lack.importer,
            f"calls {lack.title}, which {lack.dll} does not export",
            WRONG_VERSION,
        )


def _clashes(
    files: Iterable[Path], closures: Iterable[Closure], environment: Environment
) -> Iterator[Finding]:
    """DLLs of one name and different content, of which an import by name gets only one."""
    imported: set[str] = set()
    searched = {environment.root}
    for closure in closures:
        imported |= {windows.dll_name(r.name) for r in closure.resolutions}
        if closure.module.suffix.lower() == ".pyd":
            searched |= {closure.module.parent, *closure.environment.added_directories}
    started = loader.startup(environment)
    groups: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        if file.name.lower() in imported and file.parent in searched:
            groups[file.name.lower()].append(file)
    for name, paths in sorted(groups.items()):
        different = [paths[0]]
        for path in paths[1:]:
            if not any(filecmp.cmp(path, other, shallow=False) for other in different):
                different.append(path)
        if len(different) < 2:
            continue
        versions = [pe.version_info(path) or f"{path.stat().st_size:,} bytes" for path in different]
        told = ", ".join(f"{path} ({v})" for path, v in zip(different, versions))
        winner = started[name].path if name in started else None
        wins = f"{winner} always wins" if winner else "the one that is loaded first wins"
        yield Finding(
            "clash",
            False,
            different[0],
            f"{len(different)} different files have this name: {told}; in one process {wins}",
            "bring the packages to versions that share one, or pack them with delvewheel, which "
            "gives each copy a name of its own",
        )


def _runtimes(closures: Iterable[Closure], environment: Environment) -> Iterator[Finding]:
    """VC runtimes that are older than the toolset of a module that uses them."""
    newest: dict[Path, tuple[tuple[int, int], Path]] = {}
    for closure in closures:
        for r in closure.resolutions:
            if r.found is None or r.delay or windows.dll_name(r.name) not in _RUNTIMES:
                continue
            # zig and LLVM write 14.0, MinGW its own version.
            linker = pe.read_pe(r.importer).linker_version
            if linker[0] == 14 and linker > newest.get(r.found, ((14, 0), r.importer))[0]:
                newest[r.found] = linker, r.importer
    for runtime, (linker, importer) in newest.items():
        version = pe.version_info(runtime) if runtime.is_file() else None
        if version and tuple(map(int, version.split(".")[:2])) < linker:
            yield Finding(
                "runtime",
                False,
                runtime,
                f"version {version} is older than the toolset {linker[0]}.{linker[1]} that built "
                f"{importer}",
                "bring in a newer Visual C++ runtime (the newest "
                f"vc_redist.{environment.machine}.exe, or conda's vc14_runtime)",
            )


def _signatures(files: Iterable[Path], environment: Environment) -> Iterator[Finding]:
    """Files that Microsoft or the Python Software Foundation sign, without that signature."""
    for file in files:
        expected = windows.expected_signer(file.name, environment.layout)
        if expected is None:
            continue
        try:
            signed_by = pe.signer(file)
        except DiagnosisError as error:
            yield _damaged(file, error)
            continue
        if signed_by is None:  # another name is that of a company that signs all it ships
            yield Finding(
                "signature",
                False,
                file,
                f"is not signed; the genuine file is, by {expected}",
                "replace it with the genuine file if you do not know why",
            )


def as_data(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings as data for JSON."""
    return [
        {
            "kind": finding.kind,
            "serious": finding.serious,
            "file": str(finding.file),
            "message": finding.message,
            "remedy": finding.remedy,
        }
        for finding in findings
    ]


def table(findings: Iterable[Finding], environment: Environment) -> Table:
    """Return findings as a table that rich prints, paths without the environment's folder."""
    from rich.table import Table
    from rich.text import Text

    from dllwhy.explain import shown

    result = Table(title=environment.title, show_lines=True)
    for heading in ("what", "file", "finding", "to do"):
        result.add_column(heading, overflow="fold")
    for finding in findings:
        result.add_row(
            Text(finding.kind, "red" if finding.serious else "yellow"),
            *(Text(shown(text, environment)) for text in
              (finding.file, finding.message, finding.remedy)),
        )  # fmt: skip
    return result
