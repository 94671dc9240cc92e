"""What runs in the Windows Python of a build: the calls of a back end."""

import json
import os
import subprocess
import sys

import pytest
from setuptools._distutils.compilers.C import cygwin

from tasks.checks import back_end, imports


def test_compile_arguments_by_compiler_are_gccs_for_gcc(tmp_path, monkeypatch):
    asked = []

    class Gcc(cygwin.Compiler):
        def call(self, command, **named):
            asked.append(command)

    back_end.take_any_arguments(Gcc)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.c").touch()
    compiler = Gcc.__new__(Gcc)
    compiler.compiler_so = ["gcc"]
    for extra in ({"gcc": ["-Wno-cpp"], "nvcc": ["-arch=sm_35"]}, {"nvcc": []}, ["-Wall"]):
        compiler._compile("a.o", "a.c", ".c", ["-c"], extra, [])
    assert [command[-1] for command in asked] == ["-Wno-cpp", "a.o", "-Wall"]


class Meson:
    """A back end that stops as meson-python does."""

    def build_wheel(self, out, settings):
        log = back_end.Path(settings["builddir"], "meson-logs", "meson-log.txt")
        log.parent.mkdir(parents=True)
        log.write_text("Sanity check: `a.exe` -> 3221225781\n")
        raise SystemExit(1)


def test_what_stopped_meson_is_in_the_log_of_the_build(tmp_path, capsys):
    with pytest.raises(SystemExit):
        back_end.with_meson(Meson(), str(tmp_path / "out"))
    assert "`a.exe` -> 3221225781" in capsys.readouterr().out


def test_the_import_behind_a_failed_import_is_told(tmp_path):
    (tmp_path / "hiding.py").write_text(
        "try:\n    import not_there_at_all\n"
        "except Exception:\n    raise ImportError('numpy.core.multiarray failed to import')\n"
    )
    done = subprocess.run(
        [sys.executable, imports.__file__, "hiding"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    [result] = json.loads(done.stdout.splitlines()[-1])["imports"]
    assert result["error"] == (
        "ImportError: numpy.core.multiarray failed to import; "
        "ModuleNotFoundError: No module named 'not_there_at_all'"
    )
