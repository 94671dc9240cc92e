"""A Loader may have more workers than the machine has cores."""

import os
from pathlib import Path

from bounded import run

SCRIPT = """
import os

from ffcv.pipeline.compiler import Compiler

wanted = 4 * os.cpu_count()
Compiler.set_num_threads(wanted)
assert Compiler.num_threads == wanted
print("THREADS", wanted)
"""


def test_more_threads_than_cores_are_no_error(tmp_path: Path) -> None:
    assert f"THREADS {4 * (os.cpu_count() or 1)}" in run(tmp_path, SCRIPT)
