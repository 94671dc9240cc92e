"""What people see of a run."""

import os
import subprocess
import sys
from pathlib import Path

from support import ROOT

# A task whose program prints lines as Micromamba does, in Windows' code page for redirected output.
RUN = r"""
import sys
from pathlib import Path
from tasks.core import display, process
display.SIGN_OF_LIFE_SECONDS = 0
display.prepare_output()
display.screen.start("env:packages")
program = r"import sys; sys.stdout.buffer.write('├─ é ──\n'.encode() * 3000)"
process.run(
    [sys.executable, "-c", program],
    log=Path(sys.argv[1]),
    line=lambda text: display.screen.line("env:packages", text),
)
"""


def test_a_character_that_the_output_lacks_does_not_end_a_program(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    done = subprocess.run(
        [sys.executable, "-c", RUN, log], cwd=ROOT, capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode("cp1252").count("?? é ??") == 3000
    assert log.read_text(encoding="utf-8").count("\n├─ é ──") == 3000


WORK = r"""
from tasks.core import display
display.SIGN_OF_LIFE_SECONDS = 0
with display.screen.at_work("build:own"):
    display.screen.line("build:own", "[1/2] a.c")
    print("said in between", flush=True)
display.screen.line("build:own", "too late")
print("end")
"""


def test_work_that_tells_of_itself_adds_no_lines_to_a_file() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["said in between", "end"]


BAR = r"""
from tasks.core import display
display.SIGN_OF_LIFE_SECONDS = 0
display.screen.start("verify:roundtrip")
display.screen.line("verify:roundtrip", "\r  0%|    | 0/24\r 50%|##  | 12/24\r100%|####| 24/24\r\n")
"""


def test_of_a_bar_that_a_program_draws_its_last_state_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BAR], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].endswith(" s: 100%|####| 24/24")
