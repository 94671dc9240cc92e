"""A setup.py that speaks gcc's words to Microsoft's compiler."""

import sys

import pytest

from tasks.checks import cl_call
from tasks.handover.words import NOT_FOR_WHEELS


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("/O2 -std=c++17 -Wextra a.cpp", "/O2 /std:c++17 a.cpp"),
        ("-std=gnu++1z", "/std:c++17"),
        ("-std=c++11 -std=c99", ""),
        ("-W3 -Wall -WX -Wno-sign-compare -Werror -wd4996", "-W3 -Wall -WX -wd4996"),
        ("-fPIC -O3 -msse4.2 -g -pthread -DA=1 -Iinc", "-DA=1 -Iinc"),
        ("-fp:precise /EHsc -Zi /GL -c", "-fp:precise /EHsc -Zi /GL -c"),
    ],
)
def test_words_of_gcc_are_translated_or_left_out(given, made):
    assert cl_call.for_cl(given.split(), {}) == (made.split(), {})


@pytest.mark.parametrize(
    "word", ["/arch:AVX2", "/fp:fast", "-march=native", "-ffast-math", "-I/usr/include"]
)
def test_what_is_not_for_a_wheel_is_told(word):
    made, left_out = cl_call.for_cl([word, "a.c"], NOT_FOR_WHEELS)
    assert made == ["a.c"]
    assert left_out[word]


def test_openmp_is_microsofts():
    assert cl_call.for_cl(["/openmp"], NOT_FOR_WHEELS) == (["/openmp"], {})


def test_libraries_of_unix_are_not_linked():
    given = [
        "/DLL",
        "m.lib",
        "-lz",
        "-lm",
        "-Llib",
        "-L/usr/lib",
        "/LIBPATH:\\usr\\lib",
        "-Wl,-O1",
        "a.obj",
        "/OUT:a.pyd",
    ]
    assert cl_call.for_link(given) == ["/DLL", "z.lib", "/LIBPATH:lib", "a.obj", "/OUT:a.pyd"]


def test_python_starts_them_so(tmp_path, monkeypatch):
    import subprocess

    monkeypatch.setattr(subprocess, "Popen", subprocess.Popen)
    calls, told = tmp_path / "calls", tmp_path / "told"
    cl_call.install(NOT_FOR_WHEELS, str(calls), str(told))
    with pytest.raises(FileNotFoundError):
        subprocess.run([str(tmp_path / "CL.exe"), "-O3", "/arch:AVX", "a b.c"], check=False)
    assert calls.read_text() == 'cl "a b.c"\n'
    assert told.read_text().startswith("/arch:AVX\t")
    subprocess.run([sys.executable, "-c", "pass"], check=True)
