"""explain, audit, trace, triage - questions, answered for any Windows environment or log.

    doit explain --pe FILE_OR_PACKAGE [--env DIR] [--windows NAME] [--path DIRS] [--add DIR]
                 [--after PACKAGE] [--json]
                                            why a module loads or does not
    doit audit [--env DIR] [--windows NAME] [--json]
                                            what is wrong in an environment
    doit trace --import MODULE [--json]     what Wine's loader did, beside the model
    doit trace --procmon FILE [--env DIR] [--windows NAME] [--json]
                                            what Windows' loader did, beside the model
    doit triage --log FILE [--json]         what a build log means

They print their answer and nothing else; the exit status is 1 where something does not load, or a
failure in a log is not understood, and 2 where the question cannot be answered: standard error says
why.
Without --env the question is about the environment that was built here.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit import get_initial_workdir

import dllwhy
from dllwhy import answers
from dllwhy.answers import Answer
from tasks.core import host
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.pythons import windows_python
from tasks.reporter import search_prefixes
from tasks.tool import option, tool

if TYPE_CHECKING:
    from dllwhy.traces.loadtrace import Comparison

ENV = option("env", "folder of the Windows Python (default: the one built here)")
PATH = option(
    "path",
    f"the folders of PATH, with {os.pathsep} between them (default: on Windows its PATH)",
)
WINDOWS = option(
    "windows",
    "assume the System32 of a freshly installed Windows: 10, 11, N (without Media Foundation) or "
    "server (default: on Windows this machine's System32, elsewhere 11)",
)
ADD = option(
    "add",
    "a folder that the program gives to os.add_dll_directory; may be given several times",
    kind=list,
)
AFTER = option(
    "after", "an installed package that is imported before; may be given several times", kind=list
)
JSON = option("as_json", "print data instead of text", kind=bool, long="json")
TRACE_TIMEOUT = 600  # seconds


def explain(project: Project, pe: str, env: str, windows: str, path: str, add: list[str],
            after: list[str], as_json: bool) -> bool:  # fmt: skip
    """Explain how a file or a package finds its DLLs; returns whether everything loads."""
    if not pe:
        raise BuildError("say what to explain: doit explain --pe FILE_OR_PACKAGE [--env DIR]")
    in_place = dllwhy.is_path(pe, _given(""))
    explanation = dllwhy.explain_load(
        _given(pe) if in_place else pe,
        _given(env) if env else None if in_place else _built(project),
        windows=windows,
        path=[_given(name) for name in path.split(os.pathsep) if name] if path else None,
        added=[_given(name) for name in add],
        after=after,
        default=project.environment if project.environment.is_dir() else None,
    )
    return _show(answers.explained(explanation), as_json)


def audit(project: Project, env: str, windows: str, as_json: bool) -> bool:
    """Look at every DLL of an environment; returns whether nothing serious was found."""
    folder = _given(env) if env else _built(project)
    return _show(answers.audited(dllwhy.audit_environment(folder, windows=windows)), as_json)


def triage(project: Project, log: str, as_json: bool) -> bool:
    """Say what a build log means; returns whether it was understood, or has no failure.

    doit has no other exit status for "no failure is seen" (`Outcome.NO_FAILURE`) than success.
    """
    if not log:
        raise BuildError("say which log: doit triage --log FILE, or --log - for standard input")
    from dllwhy.logs.triage import Outcome

    text = dllwhy.read_log(log if log == "-" else str(_given(log)))
    answer = answers.triaged(text, search_prefixes(project))
    _show(answer, as_json)
    return answer.status != Outcome.NOT_UNDERSTOOD.exit_status


def _show(answer: Answer, as_json: bool) -> bool:
    """Print an answer; returns whether all is well.

    Raises:
        BuildError: the answer is that it cannot be told.
    """
    status = answers.show(answer, as_json=as_json)
    if status == 2:
        raise BuildError("whether everything loads cannot be told from here; see the reasons above")
    return status == 0


def _built(project: Project) -> Path:
    """The environment that was built here."""
    if not (project.environment / "python.exe").is_file():
        raise BuildError(
            f"no environment was built here yet ({project.shown(project.environment)}); "
            'run "doit env", or name one with --env'
        )
    return project.environment


def _given(path: str) -> Path:
    """A path as its user means it; doit itself changes to the folder of dodo.py."""
    return Path(get_initial_workdir() or "", path).absolute()


def trace(
    project: Project, module: str, recorded: str, env: str, windows: str, as_json: bool
) -> bool:
    """Put what a loader did, now or in a recording, beside what the model predicts.

    Returns:
        whether everything was found, and the model named the same file each time.
    """
    if bool(module) == bool(recorded):
        raise BuildError("say what to trace: doit trace --import MODULE, or --procmon FILE")
    if recorded:
        environment = dllwhy.read_environment(
            _given(env) if env else _built(project), windows=windows
        )
        return _show(answers.compared(_given(recorded), environment), as_json)
    if env:
        raise BuildError("--env goes with --procmon; --import runs the Python that was built here")
    return _import(project, module, as_json)


def _import(project: Project, module: str, as_json: bool) -> bool:
    """Import a module under Wine, and read the trace of Wine's loader."""
    from dllwhy.flavour import detect_environment
    from dllwhy.traces import loadtrace

    if host.WINDOWS or not windows_python.HERE.available():
        raise BuildError("trace reads the trace of Wine's loader, and there is no Wine here")
    job = Job("trace", project.log("trace"), lambda d, t: None, lambda t: None, lambda t: None)
    job.log.unlink(missing_ok=True)
    finished, lines = windows_python.run(
        project,
        ["-S", "-X", "utf8", "-c", loadtrace.program(f"import {module}")],
        job,
        timeout=TRACE_TIMEOUT,
        cwd=project.build,
        variables={"WINEDEBUG": loadtrace.WINEDEBUG},
    )
    events = loadtrace.parse("\n".join(lines))
    compared = loadtrace.compare(events, detect_environment(project.environment))
    data = [{**asdict(comparison), "agrees": comparison.agrees} for comparison in compared]
    status = 0 if all(comparison.agrees for comparison in compared) else 1
    shown = _show(Answer(status, data, lambda: _comparison_table(compared, project)), as_json)
    for importer, name in loadtrace.borrowed(events):
        print(
            f"{importer} got Wine's own {name}, which a clean Windows has not: it loads here, and "
            f"there only with a {name} of its package's",
            file=sys.stderr if as_json else sys.stdout,
        )
    if finished.status:
        raise BuildError(f"import {module} failed", log=job.log, tail=finished.tail[-3:])
    return shown


def _comparison_table(compared: "Sequence[Comparison]", project: Project) -> Any:
    from rich.table import Column, Table

    headers = ("asked for", "DLL", "loaded from", "the model says")
    # A path that is too long for its column goes on in the next line.
    table = Table(*(Column(h, overflow="fold") for h in headers), box=None, pad_edge=False)
    from dllwhy.traces.loadtrace import key

    inside = key(project.environment) + "/"
    for one in compared:
        real = (one.real or "nothing").removeprefix(inside)
        verdict = "the same" if one.agrees else one.note or (one.predicted or "nothing")
        table.add_row(one.request, one.name, real, verdict.removeprefix(inside))
    return table


def create(project: Project) -> Iterator[dict[str, Any]]:
    """explain, audit, triage and trace."""
    what = option("pe", "a .pyd or .dll file, a folder with some, or an installed package")
    module = option(
        "module", "what to import under Wine, in the Python that was built here", long="import"
    )
    recorded = option(
        "recorded",
        "a CSV that Process Monitor saved, with the filter: Process Name is python.exe; "
        "Operation is CreateFile, QueryOpen, Load Image; Path ends with .dll, .pyd",
        long="procmon",
    )
    log = option("log", "a file, or - for stdin")
    yield tool(
        project, "explain", "why a DLL is found or not: --pe FILE_OR_PACKAGE", explain,
        what, ENV, WINDOWS, PATH, ADD, AFTER, JSON,
    )  # fmt: skip
    yield tool(
        project, "audit", "every DLL of an environment: clashes, missing, wrong machine", audit,
        ENV, WINDOWS, JSON,
    )  # fmt: skip
    yield tool(
        project, "triage", "what a build log means, and what to do: --log FILE", triage, log, JSON
    )
    yield tool(
        project, "trace", "what the loader really does: --import MODULE, or --procmon FILE", trace,
        module, recorded, ENV, WINDOWS, JSON,
    )  # fmt: skip
