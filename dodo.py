"""FFCV for Windows as a task graph: run `doit list` for the stages, `doit` for all of them."""

# ruff: noqa: E402
from tasks.core import ending

ending.install()  # before the imports below, which take a while

from tasks.graph import doit_config, task_graph

__all__ = ["DOIT_CONFIG", "task_graph"]

DOIT_CONFIG = doit_config()
