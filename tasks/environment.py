"""env:python, env:packages - the Windows Python environment, as the profile wants it.

portable   an unpacked CPython and hash-locked wheels   tasks.pythons.portable
conda      Micromamba and conda packages                tasks.pythons.conda
"""

from collections.abc import Iterator
from typing import Any

from tasks.core.config import CondaEnvironment
from tasks.core.project import Project
from tasks.pythons import conda, portable


def create(project: Project) -> Iterator[dict[str, Any]]:
    """env:python and env:packages."""
    yield {"basename": "env", "name": None, "doc": "the Windows Python and its packages"}
    environment = project.profile.environment
    if isinstance(environment, CondaEnvironment):
        yield from conda.create(project, environment)
    else:
        yield from portable.create(project, environment)
