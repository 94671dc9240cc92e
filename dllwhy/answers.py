"""Answers as they are given: an exit status, data for programs, and text for people.

explained(explanation), audited(audit), triaged(text, prefixes), compared(file, env) -> Answer
show(answer)                                                              prints it
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dllwhy.errors import DiagnosisError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dllwhy.api import Audit
    from dllwhy.explain import Explanation
    from dllwhy.failure import Failure
    from dllwhy.flavour import Environment
    from dllwhy.logs.triage import Finding

_LONGEST_LINE = 2000  # characters
_UNSEEN = """\
dllwhy: its DLLs are all found. What stops it is done by code: a DLL that a DLL asks for while it
starts, or its own refusal. Record it with Process Monitor, and see: dllwhy trace --help"""


@dataclass(frozen=True)
class Answer:
    """What is said to a question.

    Attributes:
        status: the exit status.
        data: for JSON.
        text: makes the same for people.
    """

    status: int
    data: Any
    text: Callable[[], RenderableType]


def explained(explanation: Explanation) -> Answer:
    """Why a module loads or does not: 1 where it does not."""
    from dllwhy.explain import as_data
    from dllwhy.explain_tree import tree

    return Answer(explanation.exit_status, as_data(explanation), lambda: tree(explanation))


def audited(audit: Audit) -> Answer:
    """What is wrong in an environment: 1 where an import or a call fails."""
    from dllwhy.audit import as_data, table

    return Answer(
        audit.exit_status,
        as_data(audit.findings),
        lambda: table(audit.findings, audit.environment),
    )


def triaged(text: str, prefixes: Sequence[Path] = ()) -> Answer:
    """What a log means: see `dllwhy.logs.triage.Outcome` for the exit status."""
    from dllwhy.logs import triage

    return told(triage.triage(text, prefixes))


def told(findings: Sequence[Finding]) -> Answer:
    """The same, where the findings are there already."""
    from dllwhy.logs import triage

    outcome = triage.outcome(findings)

    def lines() -> RenderableType:
        from rich.text import Text

        return Text("\n".join(triage.render(findings)))

    return Answer(outcome.exit_status, triage.as_data(findings), lines)


def compared(recording: Path, environment: Environment) -> Answer:
    """What Process Monitor recorded, beside the model: 1 where they differ, or a DLL is missing."""
    from dllwhy.traces import procmon, procmon_compare

    found = procmon_compare.compare(procmon.stories(procmon.read(recording)), environment)

    def tree() -> RenderableType:
        from dllwhy.traces.procmon_tree import tree

        return tree(found, recording.name, environment)

    status = 1 if any(one.fails for one in found) else 0
    return Answer(status, procmon_compare.as_data(found), tree)


def show(answer: Answer, *, as_json: bool = False, stream: TextIO | None = None) -> int:
    """Print an answer.

    Args:
        stream: by default standard output.

    Returns:
        its exit status.
    """
    stream = stream or sys.stdout
    if as_json:
        # In ASCII: redirected output is in the code page of Windows, which lacks most letters.
        stream.write(json.dumps(answer.data, indent=1) + "\n")
    else:
        _print(answer.text(), stream)
    stream.flush()
    return answer.status


def show_failure(failure: Failure) -> None:
    """Say on standard error, after a program's traceback, why a DLL was not loaded."""
    from dllwhy.explain_failure import explain_failure

    print(file=sys.stderr)
    try:
        status = show(explained(explain_failure(failure)), stream=sys.stderr)
    except DiagnosisError as error:
        print(f"dllwhy: {error.message}", file=sys.stderr)
    else:
        if status == 0:
            print(_UNSEEN, file=sys.stderr)


def _print(text: RenderableType, stream: TextIO) -> None:
    from rich.console import Console
    from rich.tree import Tree

    class Plain(Console):
        def on_broken_pipe(self) -> None:  # rich would end the program, with a status of its own
            raise BrokenPipeError

    # In a file or a pipe lines are as long as they are, but rich cuts those of a tree.
    terminal = stream.isatty()
    width = None if terminal else _LONGEST_LINE if isinstance(text, Tree) else 120
    Plain(file=stream, highlight=False, soft_wrap=not terminal, width=width).print(text)
