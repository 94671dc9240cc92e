"""Programs: their output is kept, their failure is explained, and they do end."""

import locale
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from tasks.core import process
from tasks.core.errors import BuildError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_log_has_the_command_and_both_streams(tmp_path):
    log = tmp_path / "logs" / "a.log"
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    finished = process.run(python(code), log=log)
    text = log.read_text(encoding="utf-8")
    assert text.startswith("$ ") and text.endswith("out\nerr\nexit status 0\n")
    assert finished == process.Finished(0, ("out", "err"))


def test_a_failure_carries_status_log_and_last_lines(tmp_path):
    log = tmp_path / "a.log"
    with pytest.raises(BuildError) as caught:
        process.run(python("print('why'); raise SystemExit(3)"), log=log)
    assert "ended with exit status 3" in caught.value.message
    assert caught.value.tail == ("why",)
    assert caught.value.log == log


def test_only_the_last_lines_are_carried(tmp_path):
    finished = process.run(python("for i in range(1000): print(i)"), log=tmp_path / "a.log")
    assert finished.tail == tuple(str(i) for i in range(1000 - process.TAIL_LINES, 1000))


def test_a_missing_program_is_one_line(tmp_path):
    with pytest.raises(BuildError, match=r"no-such-program cannot be started .* is it installed"):
        process.run(["no-such-program"], log=tmp_path / "a.log")


def test_arguments_with_spaces_and_quotes_arrive_as_they_are(tmp_path):
    lines: list[str] = []
    words = ["a b", 'c"d', "é", "$HOME"]
    code = (
        "import sys; sys.stdout.reconfigure(encoding='utf-8')\n"
        "for word in sys.argv[1:]: print(word)"
    )
    process.run([*python(code), *words], log=tmp_path / "a.log", line=lines.append)
    assert lines == words


@pytest.mark.skipif(os.name == "nt", reason="Windows is asked for its own code page")
def test_a_program_that_writes_in_the_code_page_of_the_machine_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(locale, "getencoding", lambda: "gbk")
    code = "import sys; sys.stdout.buffer.write('\u6587\u4ef6\\n'.encode('gbk'))"
    assert process.run(python(code), log=tmp_path / "a.log").tail == ("\u6587\u4ef6",)


def test_output_that_is_no_utf8_is_kept(tmp_path):
    finished = process.run(
        python("import sys; sys.stdout.buffer.write(b'caf\\xe9\\n')"), log=tmp_path / "a.log"
    )
    [line] = finished.tail
    assert line.startswith("caf") and len(line) == 4  # which letter depends on the code page


@pytest.mark.skipif(os.name == "nt", reason="looks for the process in /proc")
def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path):
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); "
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); child.wait()"
    )
    started = time.monotonic()
    with pytest.raises(BuildError, match="was ended after 2 s without a result"):
        process.run(python(code), log=tmp_path / "a.log", timeout=2)
    assert time.monotonic() - started < 30
    stat = Path("/proc", pid_file.read_text(encoding="utf-8"), "stat")
    time.sleep(0.2)
    assert not stat.exists() or " Z " in stat.read_text(encoding="utf-8")


def test_kill_all_ends_what_runs_in_other_threads(tmp_path):
    caught: list[BuildError] = []

    def work() -> None:
        try:
            process.run(python("import time; print('up', flush=True); time.sleep(60)"),
                        log=tmp_path / "a.log", line=lambda line: up.set())  # fmt: skip
        except BuildError as error:
            caught.append(error)

    up = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    assert up.wait(30)
    process.kill_all()
    thread.join(30)
    assert not thread.is_alive() and len(caught) == 1


def test_a_program_left_behind_that_holds_the_output_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.5)
    code = (
        "import subprocess, sys; print('done', flush=True); "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'])"
    )
    start = time.monotonic()
    finished = process.run(python(code), log=tmp_path / "a.log")
    assert finished == process.Finished(0, ("done",))
    assert time.monotonic() - start < 15


def test_the_whole_output_of_a_program_is_had_and_it_ends_with_us(tmp_path):
    script = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    command = [sys.executable, "-u", "-c", script]
    assert process.output_of(command, cwd=tmp_path, env=os.environ) == (3, "one\ntwo\n")
    told = []
    endless = [sys.executable, "-c", "import time; open('begun', 'w'); time.sleep(600)"]
    thread = threading.Thread(
        target=lambda: told.append(process.output_of(endless, cwd=tmp_path, env=os.environ))
    )
    thread.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    process.kill_all()
    thread.join(30)
    assert told and told[0][0] != 0
