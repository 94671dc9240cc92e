"""The zig toolchain: real wrappers that make real Windows DLLs, wherever they lie."""

import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from support import ROOT, Recorder, under_wine

from dllwhy import pe
from tasks.compilers import cmake, toolchain, zig
from tasks.core.config import ZigToolchain
from tasks.core.config_file import load
from tasks.core.errors import BuildError
from tasks.core.project import project

pytestmark = pytest.mark.skipif(
    under_wine(), reason="zig for Windows starts under Wine 8, but cannot compile there"
)

TARGET = load(ROOT / "config.yaml").profiles["zig"].toolchain
assert isinstance(TARGET, ZigToolchain)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A toolchain in a folder whose name has a space, a quote and a letter beyond ASCII."""
    folder = tmp_path_factory.mktemp("zig's Werkzeugkasten für C")
    # The real cache: zig builds the C runtime once for a cache, which takes a minute.
    cache = project().cache / "zig"
    zig.make(TARGET, metadata.version("ziglang"), folder / "tools", cache, Recorder(folder).job)
    return folder / "tools"


def test_toolchain_json_holds_everything_that_later_stages_need(made):
    loaded = toolchain.load(made / "toolchain.json")
    assert loaded.kind == "zig" and loaded.target == TARGET.target
    assert all(Path(program).is_file() for program in loaded.programs.values())


def test_cmake_builds_a_windows_dll_with_a_resource(made, tmp_path, job):
    source = tmp_path / "Quelle für C"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.5...3.30)\nproject(x C RC)\n"
        "add_library(x SHARED x.c x.rc)\ninstall(TARGETS x)\n",
        encoding="utf-8",
    )
    (source / "x.c").write_text("__declspec(dllexport) int x(void) { return 1; }\n", "utf-8")
    (source / "x.rc").write_text("1 VERSIONINFO\nFILEVERSION 1,2,3,4\nBEGIN\nEND\n", "utf-8")
    compiler = toolchain.load(made / "toolchain.json")
    cmake.build(source, tmp_path / "in stall", tmp_path / "tree", compiler, {}, job)
    dll = tmp_path / "in stall" / "bin" / "libx.dll"
    assert pe.read_pe(dll).machine == "x64"
    assert "x" in pe.exports(dll)


def test_a_shared_header_is_compiled_once_but_for_sources_with_definitions_of_their_own(
    made, tmp_path, job
):
    source = tmp_path / "für C++"
    source.mkdir()
    files = {
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.5...3.30)\nproject(x CXX)\n"
        "add_library(x STATIC plain.cpp own.cpp)\ninstall(TARGETS x)\n"
        "set_source_files_properties(own.cpp PROPERTIES COMPILE_DEFINITIONS OWN=1)\n",
        "shared.hpp": "#pragma once\n#ifdef TOO_LATE\n#error read again\n#endif\n"
        "#ifdef OWN\ninline int own() { return OWN; }\n#endif\n",
        "plain.cpp": '#define TOO_LATE\n#include "shared.hpp"\nint plain() { return 0; }\n',
        "own.cpp": '#include "shared.hpp"\nint call() { return own(); }\n',
    }
    for name, text in files.items():
        (source / name).write_text(text, encoding="utf-8")
    compiler = toolchain.load(made / "toolchain.json")
    install = tmp_path / "i"
    precompile = {"x": "shared.hpp"}
    cmake.build(source, install, tmp_path / "t", compiler, {}, job, precompile)
    assert (install / "lib" / "libx.a").is_file()


def test_a_cmake_failure_carries_the_end_of_the_log(made, tmp_path, job):
    (tmp_path / "CMakeLists.txt").write_text("message(FATAL_ERROR broken)\n", encoding="utf-8")
    compiler = toolchain.load(made / "toolchain.json")
    with pytest.raises(BuildError, match="cmake ended with exit status 1") as caught:
        cmake.build(tmp_path, tmp_path / "i", tmp_path / "t", compiler, {}, job)
    assert any("broken" in line for line in caught.value.tail)


def test_a_wrapper_for_windows_quotes_for_cmd():
    text = zig.wrapper(Path("C:/100% zig/zig.exe"), ["cc", "-target", "t"], Path("C"), True)
    assert "100%% zig" in text and text.rstrip().endswith("cc -target t %*")


def test_a_wrapper_passes_arguments_on_as_they_are(made, tmp_path):
    (tmp_path / "a b.c").write_text("int A = VALUE;\n", encoding="utf-8")
    done = subprocess.run(
        [toolchain.load(made / "toolchain.json").programs["cc"], "-E", "-DVALUE=(1 + 2)", "a b.c"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "int A = (1 + 2);" in done.stdout


def test_true_and_false_become_on_and_off():
    assert cmake.cache_entries({"A": True, "B": False, "C": "x", "D": 3}) == [
        "-DA=ON", "-DB=OFF", "-DC=x", "-DD=3",
    ]  # fmt: skip
