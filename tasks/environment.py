"""env:python, env:packages - the Windows Python environment, as the profile wants it.

portable   an unpacked CPython and hash-locked wheels   tasks.portable
conda      Micromamba and conda packages                tasks.conda
"""

from collections.abc import Iterator
from typing import Any

from tasks import conda, portable
from tasks.config import CondaEnvironment
from tasks.project import Project


def create(project: Project) -> Iterator[dict[str, Any]]:
    """env:python and env:packages."""
    yield {"basename": "env", "name": None, "doc": "the Windows Python and its packages"}
    environment = project.profile.environment
    if isinstance(environment, CondaEnvironment):
        yield from conda.create(project, environment)
    else:
        yield from portable.create(project, environment)
