"""What runs in the Windows Python of a build: the calls of a back end."""

import pytest
from setuptools._distutils.compilers.C import cygwin

from tasks.checks import back_end


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
