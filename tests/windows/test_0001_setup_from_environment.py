"""setup.py on Windows takes nothing from guesses about PATH.

FFCV_SOURCE names the folder of FFCV's (patched) source.
"""

import os
import sys
from pathlib import Path

import pytest
from bounded import run_command

SHOW_EXTENSION = """
import os
os.chdir({source!r})
import setuptools, distutils.core
extension = distutils.core.run_setup("setup.py", stop_after="init").ext_modules[0]
print("EXTENSION", extension.include_dirs, extension.library_dirs, extension.libraries)
"""


def test_setup_adds_no_folders_and_no_libraries_of_its_own(tmp_path: Path) -> None:
    source = os.environ.get("FFCV_SOURCE")
    if not source:
        pytest.skip("FFCV_SOURCE is not set")
    # A PATH as a build has it: the folders of several libraries, none of them as upstream
    # expects it.
    folder = tmp_path / "openblas" / "bin"
    folder.mkdir(parents=True)
    (folder / "openblas.dll").write_bytes(b"")
    environment = {**os.environ, "PATH": f"{folder};{os.environ['PATH']}"}
    command = [sys.executable, "-c", SHOW_EXTENSION.format(source=source)]
    status, output = run_command(command, tmp_path, 60, environment)
    assert status == 0, output
    assert "EXTENSION [] [] []" in output
