"""FFCV is imported where there is no distutils, as in Python 3.12 without setuptools."""

from pathlib import Path

from bounded import run

SCRIPT = """
import sys
import torch  # brings its own way round distutils
sys.modules["distutils"] = None
sys.modules["distutils.log"] = None
import ffcv
print("IMPORTED")
"""


def test_ffcv_does_not_need_distutils(tmp_path: Path) -> None:
    assert "IMPORTED" in run(tmp_path, SCRIPT)
