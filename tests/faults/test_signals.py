"""However a run is ended: one line, nothing left running, and the next run goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from http_server import Page
from small_clone import TASKS, SmallClone

from tasks.core import ending, orphans, process
from tasks.core.errors import BuildError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")

WHEEL = "/thing-1.0-py3-none-any.whl"


def wait_until(what, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def at_uv(copy, archives):
    """Starts a clone's run and gives it when uv is at work, and will be for a long time."""
    clone: SmallClone = copy()
    shutil.rmtree(clone.build / "env" / "Lib" / "site-packages")
    clone.cache = clone.folder.with_name("cache of its own")  # uv has to ask for the wheel
    page = archives.pages[WHEEL]
    archives.pages[WHEEL] = Page(page.body, etag=page.etag, delay_s=60)

    def uv_runs() -> bool:
        return any("uv pip install" in line or "/uv\x20" in line for line in clone.orphans())

    started = clone.start(*TASKS)
    wait_until(uv_runs, 60)
    yield clone, started
    archives.pages[WHEEL] = page
    started.kill()


# One of each kind is enough for the fast tests.
thorough = pytest.mark.integration


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=thorough)]
    if os.name != "nt"
    else [],
)
def test_a_signal_ends_everything_with_one_line_and_the_next_run_goes_on(at_uv, archives, number):
    clone, started = at_uv
    os.kill(started.pid, number)
    out, _ = started.communicate(timeout=30)
    assert started.returncode == -number
    assert ending.INTERRUPTED in out and "Traceback" not in out and "FAIL" not in out
    assert clone.orphans() == []
    archives.pages[WHEEL] = Page(archives.pages[WHEEL].body)
    if number == signal.SIGTERM:
        done = clone.doit(*TASKS)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("group", [pytest.param(False, marks=thorough), True])
def test_after_kill_9_nothing_is_left_running_and_the_next_run_goes_on(at_uv, archives, group):
    clone, started = at_uv
    (os.killpg if group else os.kill)(started.pid, signal.SIGKILL)
    started.communicate(timeout=30)
    archives.pages[WHEEL] = Page(archives.pages[WHEEL].body)
    done = clone.doit(*TASKS)  # at once
    assert done.returncode == 0, done.stdout
    assert clone.orphans() == []


def test_ctrl_c_is_answered_from_the_first_moment_on_where_bootstrap_starts_it(built):
    env = shutil.which("env")
    command = [env, "--block-signal=INT", *built.command("list")]
    if subprocess.run([env, "--block-signal=INT", "true"], check=False).returncode:
        pytest.skip("this env has no --block-signal (coreutils 8.31)")
    started = subprocess.Popen(
        command, cwd=built.folder, env=built.environment, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    out, _ = started.communicate(timeout=60)
    assert out.strip() == ending.INTERRUPTED
    assert started.returncode == -signal.SIGINT


def test_the_watcher_ends_groups_that_ignore_sigterm(tmp_path):
    stubborn = subprocess.Popen(
        [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); "
         "print('up', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert stubborn.stdout is not None and stubborn.stdout.readline() == b"up\n"
    watcher = Path(orphans.__file__).with_name("watcher.py")
    subprocess.run([sys.executable, "-I", "-S", watcher], input=f"+{stubborn.pid}\n+".encode(),
                   check=True, timeout=30)  # fmt: skip
    assert stubborn.wait(10) == -signal.SIGKILL


def test_the_next_run_waits_for_the_watcher_and_then_says_what_is_at_work(tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr(orphans, "PATIENCE_SECONDS", 0.2)
    with (tmp_path / orphans.NAME).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BuildError, match="programs of a run that was killed are still at work"):
            orphans.watch(tmp_path)


def test_no_program_is_started_while_a_run_is_being_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_leaving", True)
    with pytest.raises(BuildError, match="was not started: the run is being ended"):
        process.run([sys.executable, "-c", ""], log=tmp_path / "a.log")


def test_what_a_program_started_elsewhere_is_ended_with_it(tmp_path):
    called = []
    with pytest.raises(BuildError, match="was ended after"):
        process.run([sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "a.log",
                    timeout=0.5, end_rest=lambda: called.append(1))  # fmt: skip
    assert called
