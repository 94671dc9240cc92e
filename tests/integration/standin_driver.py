"""Runs in a Windows Python: the stage toolchain, and another one.

Usage: python standin_driver.py PROJECT_FOLDER wheel:ffcv|activate

Prints one JSON object: {"made": summary} or {"error": message}, and how many seconds it took.
"""

import json
import sys
import time
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dllwhy.errors import DiagnosisError
from tasks import activate, toolchain, wheel
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import load

project = load(Path(sys.argv[1]))
name = sys.argv[2]


def work(module: ModuleType, task: str) -> str:
    """Do the work of a stage; its summary."""
    stages = [made for made in module.create(project) if made.get("actions")]
    [stage] = [s for s in stages if task in (s["basename"], f"{s['basename']}:{s.get('name')}")]
    job = Job(task, project.log(task), lambda done, total: None, print, print)
    summary: str = stage["actions"][0].work(job).summary
    return summary


start = time.monotonic()
outcome = {}
try:
    if not project.toolchain_file.is_file():
        work(toolchain, "toolchain")
    outcome["made"] = work({"wheel:ffcv": wheel, "activate": activate}[name], name)
except (BuildError, DiagnosisError) as error:
    outcome["error"] = error.message
print(json.dumps(outcome | {"seconds": round(time.monotonic() - start)}))
