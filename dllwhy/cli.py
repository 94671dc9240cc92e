"""The command `dllwhy`: arguments -> an answer, or one line that says why there is none."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dllwhy import __version__
from dllwhy.errors import DiagnosisError

if TYPE_CHECKING:
    from dllwhy.answers import Answer

UNANSWERED = 2

_HELP = """\
Why does a DLL load on Windows, or not? What does a build log mean?

  dllwhy torch                     why torch's modules load or do not, and what to do about it
  dllwhy module.pyd tool.dll       the same for files, or for all in a folder: an unpacked wheel's
  dllwhy run -- python script.py   the program as it is; if a DLL stops it, the answer follows
  dllwhy audit                     every DLL of an environment: missing, clashing, wrong machine
  dllwhy log build.log             what a build log means, and what to do ("-": standard input)
  dllwhy trace Logfile.csv         what Process Monitor recorded, beside what should happen

`dllwhy VERB --help` tells more. A package that is named like a verb: dllwhy -- audit.
"""
_WHERE = """\
Without --env it is about the environment around a file, or else the active one (VIRTUAL_ENV,
CONDA_PREFIX), or else the Python that runs dllwhy; `python -m dllwhy` is about that Python first.
A file for which there is none is judged for the Python of python.org that it was built for.
An environment of Windows can be looked at on any system: nothing in it is run.
"""
_STATUS = """\
exit status:
  0  everything loads; nothing serious was found; the cause of a failure was found in the log
  1  something does not load, or is seriously wrong; the log's failure is not understood
  2  it cannot be told: the answer, or one line on standard error, says why
  3  the log tells of no failure
"""
_RUN = """\
Runs COMMAND with its own standard input, output and error. When a Python that it starts ends with
"DLL load failed", or with ctypes' "Could not find module", what is missing in that Python follows
on standard error. That Python needs no dllwhy; but one that takes no notice of PYTHONPATH (options
-I, -E and -S, a ._pth file) is not seen into. There, write `import dllwhy.hook` into the program.

  dllwhy run -- python script.py
  dllwhy run -- python -m package

The exit status is the command's; 2 where it cannot be started.
"""


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong with the arguments in one line."""

    def __init__(self, prog: str, usage: str, description: str, epilog: str = _STATUS) -> None:
        super().__init__(
            prog=prog, usage=f"{prog} {usage}", description=description, epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        raise DiagnosisError(f"{message} ({self.prog} --help)")

    def answer_options(self) -> None:
        self.add_argument("--json", action="store_true", help="print data instead of text")

    def environment_options(self) -> None:
        self.add_argument("--env", type=Path, metavar="FOLDER", help="the Windows Python: where "
                          "python.exe is, or a virtual environment's folder")  # fmt: skip
        self.add_argument("--windows", default="", metavar="NAME", help="assume a freshly "
                          "installed Windows: 10, 11, N (without Media Foundation) or server "
                          "(default: on Windows this machine's, elsewhere 11)")  # fmt: skip
        self.answer_options()


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer a question of the command line.

    Args:
        arguments: without the program's name; by default those of this process.

    Returns:
        the exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A code page of Windows lacks most characters: "?" instead of the end of the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        verb = _VERBS.get(given[0]) if given else None
        return verb(given[1:]) if verb else _explain(given)
    except DiagnosisError as error:
        return _refuse(error.message)
    except KeyboardInterrupt:
        return _refuse("interrupted.")
    except OSError as error:
        if not _is_broken_pipe(error):
            return _refuse(f"{error.filename or 'output'}: {error.strerror}.")
        # Nobody reads on, and Python would complain when it flushes at its end.
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return UNANSWERED


def _refuse(message: str) -> int:
    print(f"dllwhy: {message}", file=sys.stderr)
    return UNANSWERED


def _is_broken_pipe(error: OSError) -> bool:
    # Windows says EINVAL. https://docs.python.org/3/library/exceptions.html#BrokenPipeError
    return isinstance(error, BrokenPipeError) or (
        sys.platform == "win32" and error.errno == errno.EINVAL
    )


def _explain(arguments: list[str]) -> int:
    parser = _Parser("dllwhy", "[options] PACKAGE_OR_FILE ...", _HELP, _WHERE + "\n" + _STATUS)
    parser.add_argument("targets", nargs="+", metavar="PACKAGE_OR_FILE")
    parser.environment_options()
    parser.add_argument(
        "--add",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="the program gives it to os.add_dll_directory; may be repeated",
    )
    parser.add_argument(
        "--after",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="the program imports it before; may be repeated",
    )
    parser.add_argument(
        "--path",
        metavar="FOLDERS",
        help=f"PATH, with {os.pathsep} between them (default: on Windows this machine's)",
    )
    parser.add_argument(
        "--observe",
        metavar="MODULE",
        help="on Windows: import it in that Python, and take what it does for its DLLs instead of "
        "what the sources tell",
    )
    parser.add_argument("--version", action="version", version=f"dllwhy {__version__}")
    given = parser.parse_args(arguments)

    from dllwhy.answers import explained
    from dllwhy.api import explain_load

    path = None if given.path is None else [Path(p) for p in given.path.split(os.pathsep) if p]

    def answer(target: str) -> Answer:
        return explained(
            explain_load(
                target, given.env, windows=given.windows, path=path, added=given.add,
                after=given.after, observe=given.observe,
            )
        )  # fmt: skip

    return _show_all(given.targets, answer, given.json)


def _show_all(targets: Sequence[str], answer: Callable[[str], Answer], as_json: bool) -> int:
    """Answer for each target; what cannot be answered does not keep the others from it."""
    from dllwhy.answers import Answer, show

    statuses, data = [0], []
    for target in targets:
        try:
            told = answer(target)
        except DiagnosisError as error:
            statuses.append(_refuse(error.message))
            continue
        statuses.append(told.status)
        data.append(told.data)
        if not as_json:
            show(told)
    if as_json and data:
        show(Answer(0, data, str), as_json=True)
    return max(statuses)


def _audit(arguments: list[str]) -> int:
    parser = _Parser(
        "dllwhy audit", "[options]", "Looks at every DLL of an environment.\n\n" + _WHERE
    )
    parser.environment_options()
    given = parser.parse_args(arguments)

    from dllwhy.answers import audited, show
    from dllwhy.api import audit_environment

    audit = audit_environment(given.env, windows=given.windows)
    return show(audited(audit), as_json=given.json)


def _log(arguments: list[str]) -> int:
    parser = _Parser("dllwhy log", "[options] FILE", "Says what a build log means, of MSVC, clang, "
                     "zig, CMake, pip or Python itself.")  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="the log, or - for standard input")
    parser.answer_options()
    given = parser.parse_args(arguments)

    from dllwhy.answers import show, triaged
    from dllwhy.api import read_log

    return show(triaged(read_log(given.file)), as_json=given.json)


def _trace(arguments: list[str]) -> int:
    from dllwhy.traces.procmon import HOW_TO_RECORD

    parser = _Parser("dllwhy trace", "[options] FILE.csv", "Sets what Process Monitor recorded "
                     "beside what should happen.\n\n" + HOW_TO_RECORD + "\n" + _WHERE)  # fmt: skip
    parser.add_argument("file", type=Path, metavar="FILE.csv")
    parser.environment_options()
    given = parser.parse_args(arguments)

    from dllwhy.answers import compared, show
    from dllwhy.api import read_environment

    environment = read_environment(given.env, windows=given.windows)
    return show(compared(given.file, environment), as_json=given.json)


def _run(arguments: list[str]) -> int:
    parser = _Parser("dllwhy run", "-- COMMAND ...", _RUN, epilog="")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    given = parser.parse_args(arguments)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        parser.error("say what to run: dllwhy run -- python script.py")

    from dllwhy.run import run

    status, failures = run(command)
    if failures:
        from dllwhy.answers import show_failure

        for failure in failures:
            show_failure(failure)
    return status


_VERBS: dict[str, Callable[[list[str]], int]] = {
    "audit": _audit,
    "log": _log,
    "run": _run,
    "trace": _trace,
}
