"""Why a DLL loads or does not, and what a build log means.

It knows nothing of doit, of config.yaml or of any build. The names below are the interface for
programs; what they need is imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllwhy.api import (
        Audit,
        audit_environment,
        explain_load,
        read_environment,
        read_log,
        triage_log,
    )
    from dllwhy.errors import DiagnosisError
    from dllwhy.explain import Explanation, is_path

__version__ = "0.1.0"

_HOMES = {
    "Audit": "api",
    "DiagnosisError": "errors",
    "Explanation": "explain",
    "audit_environment": "api",
    "explain_load": "api",
    "is_path": "explain",
    "read_environment": "api",
    "read_log": "api",
    "triage_log": "api",
}

__all__ = [
    "Audit",
    "DiagnosisError",
    "Explanation",
    "audit_environment",
    "explain_load",
    "is_path",
    "read_environment",
    "read_log",
    "triage_log",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'dllwhy' has no attribute {name!r}")
    return getattr(import_module(f"dllwhy.{_HOMES[name]}"), name)
