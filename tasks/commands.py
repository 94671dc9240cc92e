"""What doit's commands lack: the lock of a clone, and one line for what the system says.

doit has no hook around its commands, so their one method is wrapped here, once.
"""

import contextlib
import functools
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.cmd_clean import Clean
from doit.cmd_forget import Forget
from doit.cmd_ignore import Ignore
from doit.cmd_info import Info
from doit.cmd_list import List
from doit.cmd_resetdep import ResetDep
from doit.cmd_run import Run
from doit.exceptions import InvalidCommand

from tasks.core import arguments, run_lock
from tasks.core.errors import BuildError, system_message
from tasks.core.project import SETTINGS, Project

# In memory: nothing is remembered, and nothing needs to be written.
NOWHERE = ":memory:"

# A run takes the lock when it is known that a task makes something (tasks.reporter).
_CHANGING = (Clean, Forget, Ignore, ResetDep)
# doit writes its database when a run ends.
_MEANWHILE = "note: a run is at work here; what it has done so far is shown as R, to be run\n"
_COMMANDS = (Run, List, Info, *_CHANGING)


def guard(project: Project) -> None:
    """Wrap doit's commands, for this process."""
    for command in _COMMANDS:
        command._execute = _guarded(command._execute, project, command in _CHANGING)


def _guarded(execute: Callable[..., Any], project: Project, changes: bool) -> Callable[..., Any]:
    @functools.wraps(execute)  # doit reads the signature
    def guarded(self: DoitCmdBase, *args: Any, **kwargs: Any) -> Any:
        self.outstream = sys.stdout  # doit's is that of before `display.prepare_output`
        if "outfile" in kwargs and not isinstance(kwargs["outfile"], str):
            kwargs["outfile"] = sys.stdout
        close = self.dep_manager.close
        self.dep_manager.close = functools.partial(_close, close)
        if isinstance(self, Run) and self.sel_tasks and not self.sel_default_tasks:
            words = arguments.command_line()
            self.sel_tasks = arguments.given_back(self.sel_tasks, words, SETTINGS)
        try:
            if kwargs.get("status") and run_lock.is_held(project.build):
                sys.stderr.write(_MEANWHILE)
            held = run_lock.acquire(project.build) if changes and not _dry(kwargs) else None
            result = execute(self, *args, **kwargs)
            del held
        except BuildError as error:
            raise InvalidCommand(error.message) from error
        except Exception as error:
            said = system_message(error)
            if said is None:
                raise
            raise InvalidCommand(f"{said}, then run it again") from error
        return result

    return guarded


def _dry(options: dict[str, Any]) -> bool:
    return bool(options.get("dryrun"))


def _close(close: Callable[[], None]) -> None:
    """Write doit's database; without it the next run goes by the manifests."""
    try:
        close()
    except sqlite3.Error as error:
        sys.stderr.write(f"WARN  {system_message(error)}\n")


def state_file(project: Project) -> str:
    """Where doit keeps its database, made usable: what is no database is removed.

    Nothing is lost with it. A stage whose manifest shows that its work was done from the same
    inputs is not done again.

    Raises:
        BuildError: a folder is in its place.
    """
    path = project.state
    if not run_lock.writable(project.build):
        return str(path) if path.is_file() and _problem(path) is None else NOWHERE
    if path.is_dir():
        raise BuildError(f"{project.shown(path)} is a folder; doit keeps a file there, remove it")
    if path.is_file() and not isinstance(_problem(path), (sqlite3.OperationalError, type(None))):
        path.unlink()
    return str(path)


def _problem(path: Path) -> sqlite3.Error | None:
    """Why what doit has kept in a file cannot be read: an OperationalError where it may be later,
    because another run is writing it."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for (data,) in connection.execute("select task_data from doit"):
                json.loads(data)
    except sqlite3.Error as error:
        return error
    except (ValueError, TypeError) as error:
        return sqlite3.DatabaseError(str(error))
    return None
