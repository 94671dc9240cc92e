"""`import dllwhy.hook` in a program: when a DLL stops it, the answer follows the traceback."""

from __future__ import annotations

from dllwhy.failure import Failure, watch


def _answer(failure: Failure) -> None:
    from dllwhy.answers import show_failure

    show_failure(failure)


watch(_answer)
