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

They print their answer and nothing else; the exit status is 1 where something does not load, and
2 where the question cannot be answered: standard error says why.
Without --env the question is about the environment that was built here.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from doit import get_initial_workdir
from doit.exceptions import BaseFail, TaskError, TaskFailed

from dllwhy import explain as explaining
from dllwhy.decode import decoded
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment, detect_environment
from dllwhy.traces import loadtrace, procmon
from dllwhy.windows import find_edition
from tasks.core import host
from tasks.core.display import screen
from tasks.core.errors import BuildError, system_message
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.pythons import windows_python
from tasks.reporter import search_prefixes

Option = dict[str, Any]

ENV: Option = {
    "name": "env", "long": "env", "type": str, "default": "",
    "help": "folder of the Windows Python (default: the one built here)",
}  # fmt: skip
PATH: Option = {
    "name": "path", "long": "path", "type": str, "default": "",
    "help": f"the folders of PATH, with {os.pathsep} between them (default: on Windows its PATH)",
}  # fmt: skip
WINDOWS: Option = {
    "name": "windows", "long": "windows", "type": str, "default": "",
    "help": "assume the System32 of a freshly installed Windows: 10, 11, N (without Media "
    "Foundation) or server (default: on Windows this machine's System32, elsewhere 11)",
}  # fmt: skip
ADD: Option = {
    "name": "add", "long": "add", "type": list, "default": [],
    "help": "a folder that the program gives to os.add_dll_directory; may be given several times",
}  # fmt: skip
AFTER: Option = {
    "name": "after", "long": "after", "type": list, "default": [],
    "help": "an installed package that is imported before; may be given several times",
}  # fmt: skip
JSON: Option = {
    "name": "as_json", "long": "json", "type": bool, "default": False,
    "help": "print data instead of text",
}  # fmt: skip
TRACE_TIMEOUT = 600  # seconds
_LONGEST_LINE = 2000


def _show(data: Any, text: Callable[[], Any], as_json: bool) -> None:
    from rich.console import Console
    from rich.tree import Tree

    if as_json:
        # In ASCII: redirected output is in the code page of Windows, which lacks most letters.
        screen.console.file.write(json.dumps(data, indent=1) + "\n")
        return
    answer = text()
    console = screen.console
    if isinstance(answer, Tree) and not console.is_terminal:
        # In a file or a pipe lines are as long as they are, but rich cuts those of a tree.
        console = Console(file=console.file, highlight=False, width=_LONGEST_LINE)
    console.print(answer)


def explain(project: Project, pe: str, env: str, windows: str, path: str, add: list[str],
            after: list[str], as_json: bool) -> bool:  # fmt: skip
    """Explain how a file or a package finds its DLLs; returns whether everything loads."""
    from dllwhy.explain_tree import tree

    if not pe:
        raise BuildError("say what to explain: doit explain --pe FILE_OR_PACKAGE [--env DIR]")
    is_file = _given(pe).is_file()
    folder = _given(env) if env else None if is_file else _built(project)
    folders = path or (os.environ.get("PATH", "") if host.WINDOWS else "")
    explanation = explaining.explain(
        str(_given(pe)) if is_file else pe,
        folder,
        path=tuple(_given(name) for name in folders.split(os.pathsep) if name),
        added=tuple(_given(name) for name in add),
        after=tuple(after),
        windows=_edition(windows),
        system32=_system32(windows),
    )
    _show(explaining.as_data(explanation), lambda: tree(explanation), as_json)
    return explanation.exit_status == 0


def audit(project: Project, env: str, windows: str, as_json: bool) -> bool:
    """Look at every DLL of an environment; returns whether nothing serious was found."""
    from dllwhy import audit as auditing

    environment = _environment(project, env, windows)
    findings = auditing.audit(environment)
    _show(auditing.as_data(findings), lambda: auditing.table(findings, environment), as_json)
    return not any(finding.serious for finding in findings)


def _environment(project: Project, env: str, windows: str) -> Environment:
    folder = _given(env) if env else _built(project)
    return detect_environment(folder, windows=_edition(windows), system32=_system32(windows))


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


def _edition(name: str) -> str:
    return find_edition(name or "11")


def _system32(edition: str) -> Path | None:
    """This machine's System32, unless another Windows is asked for."""
    if edition or not host.WINDOWS:
        return None
    return Path(os.environ["SYSTEMROOT"], "System32")


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
        return _recorded(_given(recorded), _environment(project, env, windows), as_json)
    if env:
        raise BuildError("--env goes with --procmon; --import runs the Python that was built here")
    return _import(project, module, as_json)


def _recorded(file: Path, environment: Environment, as_json: bool) -> bool:
    """Read what Process Monitor recorded on a Windows machine."""
    from dllwhy.traces.procmon_compare import as_data, compare
    from dllwhy.traces.procmon_tree import tree

    compared = compare(procmon.stories(procmon.read(file)), environment)
    _show(as_data(compared), lambda: tree(compared, file.name, environment), as_json)
    return not any(one.fails for one in compared)


def _import(project: Project, module: str, as_json: bool) -> bool:
    """Import a module under Wine, and read the trace of Wine's loader."""
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
    _show(
        [{**asdict(comparison), "agrees": comparison.agrees} for comparison in compared],
        lambda: _comparison_table(compared, project),
        as_json,
    )
    if finished.status:
        raise BuildError(f"import {module} failed", log=job.log, tail=finished.tail[-3:])
    return all(comparison.agrees for comparison in compared)


def triage(project: Project, log: str, as_json: bool) -> bool:
    """Say what a build log means; returns whether no cause of failure was found."""
    from rich.text import Text

    from dllwhy.logs import triage as triaging

    if not log:
        raise BuildError("say which log: doit triage --log FILE, or --log - for standard input")
    try:
        if log == "-" and sys.stdin is None:
            raise BuildError("standard input is closed; give a log to it, or name one with --log")
        data = sys.stdin.buffer.read() if log == "-" else _given(log).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        said = system_message(error) or error
        raise BuildError(f"{log} cannot be read: {said}") from error
    findings = triaging.triage(decoded(data), search_prefixes(project))
    lines = triaging.render(findings) or ["no known cause of failure was found"]
    _show(triaging.as_data(findings), lambda: Text("\n".join(lines)), as_json)
    return not findings


def _comparison_table(compared: list[loadtrace.Comparison], project: Project) -> Any:
    from rich.table import Column, Table

    headers = ("asked for", "DLL", "loaded from", "the model says")
    # A path that is too long for its column goes on in the next line.
    table = Table(*(Column(h, overflow="fold") for h in headers), box=None, pad_edge=False)
    inside = loadtrace.key(project.environment) + "/"
    for one in compared:
        real = (one.real or "nothing").removeprefix(inside)
        verdict = "the same" if one.agrees else one.note or (one.predicted or "nothing")
        table.add_row(one.request, one.name, real, verdict.removeprefix(inside))
    return table


def _unanswered(error: BuildError) -> TaskError:
    failure = TaskError(error.message)
    failure.build_error = error
    return failure


def create(project: Project) -> Iterator[dict[str, Any]]:
    """explain, audit, triage and trace."""

    def tool(name: str, doc: str, answer: Callable[..., bool], *options: Option) -> dict[str, Any]:
        def action(**given: Any) -> BaseFail | None:
            try:
                return None if answer(project, **given) else TaskFailed("", report=False)
            except DiagnosisError as error:
                return _unanswered(BuildError(error.message))
            except BuildError as error:
                return _unanswered(error)

        return {
            "basename": name,
            "doc": doc,
            "actions": [action],
            "params": [*options, JSON],
            "verbosity": 2,
            "uptodate": [False],
            "meta": {"tool": True},
        }

    what: Option = {
        "name": "pe", "long": "pe", "type": str, "default": "",
        "help": "a .pyd or .dll file, or the name of an installed package",
    }  # fmt: skip
    module: Option = {
        "name": "module", "long": "import", "type": str, "default": "",
        "help": "what to import under Wine, in the Python that was built here",
    }  # fmt: skip
    recorded: Option = {
        "name": "recorded", "long": "procmon", "type": str, "default": "",
        "help": "a CSV that Process Monitor saved, with the filter: Process Name is python.exe; "
        "Operation is CreateFile, QueryOpen, Load Image; Path ends with .dll, .pyd",
    }  # fmt: skip
    log: Option = {
        "name": "log", "long": "log", "type": str, "default": "", "help": "a file, or - for stdin",
    }  # fmt: skip
    yield tool(
        "explain", "why a DLL is found or not: --pe FILE_OR_PACKAGE", explain,
        what, ENV, WINDOWS, PATH, ADD, AFTER,
    )  # fmt: skip
    yield tool(
        "audit", "every DLL of an environment: clashes, missing, wrong machine", audit, ENV, WINDOWS
    )
    yield tool("triage", "what a build log means, and what to do: --log FILE", triage, log)
    yield tool(
        "trace", "what the loader really does: --import MODULE, or --procmon FILE", trace,
        module, recorded, ENV, WINDOWS,
    )  # fmt: skip
