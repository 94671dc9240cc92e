"""The shape of tasks that answer a question: they print their answer, and nothing is kept of it.

    tool(...) -> a doit task that always runs
    answer(project, **options) -> whether all is well

The exit status is 1 where the answer is no, and 2 where there is none: standard error says why.
"""

from collections.abc import Callable
from typing import Any

from doit.exceptions import BaseFail, TaskError, TaskFailed

from dllwhy.errors import DiagnosisError
from tasks.core.errors import BuildError
from tasks.core.project import Project

Option = dict[str, Any]


def option(name: str, help: str, *, kind: type = str, long: str = "") -> Option:
    """An option of a task: --NAME TEXT, given several times for a list, a switch for a bool."""
    return {
        "name": name,
        "long": long or name,
        "type": kind,
        "default": kind(),
        "help": help,
    }


def _unanswered(error: BuildError) -> TaskError:
    failure = TaskError(error.message)
    failure.build_error = error
    return failure


def tool(
    project: Project, name: str, doc: str, answer: Callable[..., bool], *options: Option
) -> dict[str, Any]:
    """A doit task that answers a question.

    Args:
        name: full task name, as in "reproduce".
        answer: called with the project and the options; prints, and returns whether all is well.
    """

    def action(**given: Any) -> BaseFail | None:
        try:
            return None if answer(project, **given) else TaskFailed("", report=False)
        except DiagnosisError as error:
            return _unanswered(BuildError(error.message))
        except BuildError as error:
            return _unanswered(error)

    basename, _, subname = name.partition(":")
    return {
        "basename": basename,
        **({"name": subname} if subname else {}),
        "doc": doc,
        "actions": [action],
        "params": list(options),
        "verbosity": 2,
        "uptodate": [False],
        "meta": {"tool": True},
    }
