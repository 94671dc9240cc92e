"""The longest chain of tasks, and what a program's children take."""

import subprocess
import sys
import time

import pytest
from support import under_wine

from tasks.benchmarks import cold


def test_the_longest_chain_counts_and_not_the_sum():
    taken = {"fetch": 1.0, "toolchain": 5.0, "libs": 2.0, "env": 4.0, "wheel": 1.0}
    needs = {"libs": ["fetch", "toolchain"], "wheel": ["libs", "env"]}
    assert cold.critical_path(taken, needs) == (8.0, ["toolchain", "libs", "wheel"])


def test_a_task_without_a_time_takes_none():
    assert cold.critical_path({"a": 1.0}, {"a": ["b"]}) == (1.0, ["b", "a"])


def test_nothing_takes_no_time():
    assert cold.critical_path({}, {"a": ["b"]}) == (0.0, [])


@pytest.mark.skipif(under_wine(), reason="Wine does not tell the memory of another process")
def test_the_memory_of_children_is_seen():
    program = "import time; held = bytearray(60_000_000); time.sleep(1)"
    with cold.Memory() as memory:
        child = subprocess.Popen([sys.executable, "-c", program])
        started = time.monotonic()
        while memory.peak < 60_000_000 and time.monotonic() - started < 20:
            time.sleep(0.05)
        child.kill()
        child.wait()
    assert memory.peak >= 60_000_000
