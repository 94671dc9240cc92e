"""What a source tells before anything of it is compiled."""

from pathlib import Path

from tasks.compilers.zig import zig_program
from tasks.sdists import survey

LIBRARY = zig_program().parent / "lib"
KNOWN = survey.headers_in(LIBRARY / name for name in survey.WINDOWS)


def lay(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_zig_has_windows_headers_and_libraries():
    assert {"windows.h", "stdio.h", "vector", "immintrin.h"} <= KNOWN
    assert {"ws2_32", "iphlpapi", "kernel32"} <= survey.system_libraries(LIBRARY)


def test_a_header_that_nothing_brings_is_named_with_who_includes_it(tmp_path):
    tree = lay(
        tmp_path,
        {
            "src/a.c": '#include <zlib.h>\n#  include "own.h"\n#include <WinSock2.h>\n',
            "src/inc/own.h": '#include <vector>\n#include "../deep/other.h"\n',
            "src/deep/other.h": "// #include <nothing.h>\n#include <numpy/arrayobject.h>\n",
            "tests/test.c": "#include <gtest/gtest.h>\n",
        },
    )
    assert survey.missing_headers(tree, KNOWN, ["numpy"]) == {"zlib.h": "src/a.c"}
    assert "numpy/arrayobject.h" in survey.missing_headers(tree, KNOWN, [])


def test_a_header_is_found_in_any_case_and_from_any_folder(tmp_path):
    tree = lay(
        tmp_path,
        {"a.cpp": '#include "Lib/Own.hpp"\n#include <own.hpp>\n', "x/lib/own.hpp": ""},
    )
    assert survey.missing_headers(tree, KNOWN, []) == {}


def test_the_libraries_that_setup_py_names_are_read_and_not_run(tmp_path):
    setup = tmp_path / "setup.py"
    setup.write_text(
        "import sys\n"
        "raise SystemExit\n"
        "Extension('a', libraries=['z', 'ws2_32'] if sys.platform == 'win32' else ['m'])\n"
    )
    assert {"z", "ws2_32", "m"} <= set(survey.named_libraries(setup))
    setup.write_text("print 'of Python 2'\n")
    assert survey.named_libraries(setup) == []
    assert survey.named_libraries(tmp_path / "none.py") == []


def test_the_module_of_an_sdist_is_the_one_that_it_names(tmp_path):
    assert survey.top_level(tmp_path) is None
    lay(tmp_path, {"x.egg-info/top_level.txt": "_native\nsnappy\n"})
    assert survey.top_level(tmp_path) == "snappy"
