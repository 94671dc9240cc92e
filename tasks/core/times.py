"""How long tasks took when they were executed last: BUILD/times.json, for people."""

import json
from collections.abc import Mapping
from pathlib import Path

from tasks.core import manifest

NAME = "times.json"


def read(build: Path) -> dict[str, float]:
    """Task -> seconds; empty where nothing is known."""
    try:
        data = json.loads((build / NAME).read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in data.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def add(build: Path, seconds: Mapping[str, float]) -> None:
    """Note the times of a run beside those of earlier ones."""
    if seconds:
        rounded = {name: round(value, 2) for name, value in seconds.items()}
        manifest.write_json(build / NAME, read(build) | rounded)
