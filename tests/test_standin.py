"""The stand-in for Microsoft's compiler fails where that fails, in its words."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import standin
from standin.programs import run
from standin.request import Request
from support import path_for_windows

from dllwhy import pe
from dllwhy.logs import triage

pytestmark = pytest.mark.skipif(os.name == "nt", reason="it runs beside Wine, and calls its zig")


class Prompt:
    """A prompt in which the stand-in is active."""

    def __init__(self, studio: standin.StandIn, folder: Path):
        self.studio = studio
        self.folder = folder
        binaries = [path_for_windows(p) for p in studio.path.parents[2].rglob("x64")]
        self.variables = {
            "INCLUDE": path_for_windows(studio.tools / "include"),
            "LIB": path_for_windows(studio.tools / "lib" / "x64"),
            "PATH": ";".join(binaries),
        }

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, program: str, *arguments: str, **variables: str) -> tuple[int, list[str]]:
        """Exit status and the lines that it prints."""
        request = Request(
            program,
            "/nowhere",
            path_for_windows(self.folder),
            list(arguments),
            self.variables | variables,
        )
        status, output, _ = run(request, self.studio.tools)
        return status, output.splitlines()


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[standin.StandIn]:
    pytest.importorskip("ziglang")
    with standin.install(tmp_path_factory.mktemp("C")) as made:
        yield made


@pytest.fixture
def prompt(studio, tmp_path) -> Prompt:
    return Prompt(studio, tmp_path)


def test_a_dll_is_compiled_and_linked(prompt):
    prompt.write("one.c", "#include <stdio.h>\n__declspec(dllexport) int one(void) { return 1; }\n")
    status, lines = prompt.run("cl", "/nologo", "/O2", "/MD", "/LD", "one.c")
    assert (status, lines) == (0, ["one.c", "   Creating library one.lib and object one.exp"])
    assert pe.exports(prompt.folder / "one.dll") == {"one"}
    assert (prompt.folder / "one.lib").is_file()


def test_include_leads_to_headers_whatever_the_case_of_its_letters(prompt):
    (prompt.folder / "Mine").mkdir()
    prompt.write("Mine/mine.h", "int mine;\n")
    prompt.write("a.c", "#include <mine.h>\n")
    status, lines = prompt.run("cl", "/c", "a.c")
    assert status == 2
    assert lines[1:] == [
        "a.c(1): fatal error C1083: Cannot open include file: 'mine.h': No such file or directory"
    ]
    folder = path_for_windows(prompt.folder / "Mine").upper()
    assert prompt.run("cl", "/c", "a.c", INCLUDE=folder)[0] == 0
    assert prompt.run("cl", "/c", "/I" + folder, "a.c")[0] == 0


def test_cs_own_headers_are_there_only_if_include_names_the_toolset(prompt):
    prompt.write("a.c", "#include <stdio.h>\n")
    assert prompt.run("cl", "/c", "a.c")[0] == 0
    status, lines = prompt.run("cl", "/c", "a.c", INCLUDE="")
    assert status == 2 and "C1083: Cannot open include file: 'stdio.h'" in lines[1]


def test_in_the_variable_cl_a_number_sign_stands_for_the_equal_sign(prompt):
    prompt.write("a.c", "#if WORD != 7\n#error\n#endif\n")
    assert prompt.run("cl", "/c", "a.c", CL="/DWORD#7")[0] == 0
    assert prompt.run("cl", "/c", "a.c", CL="/DWORD#8")[0] == 2
    assert prompt.run("cl", "/c", "a.c", CL="/DWORD#8", _CL_="/UWORD /DWORD#7")[0] == 0


def test_an_option_that_cl_does_not_know_is_warned_of(prompt):
    prompt.write("a.c", "")
    status, lines = prompt.run("cl", "/c", "-pthread", "a.c")
    warning = "cl : Command line warning D9002 : ignoring unknown option '-pthread'"
    assert status == 0 and warning in lines


def test_a_library_is_found_through_lib_and_linked_through_link(prompt):
    prompt.write("two.c", "int two(void) { return 2; }\n")
    prompt.write(
        "use.cpp",
        'extern "C" { int two(); __declspec(dllexport) int use() { return two(); } }\n',
    )
    assert prompt.run("cl", "/c", "two.c")[0] == 0
    (prompt.folder / "lib").mkdir()
    assert prompt.run("lib", "/nologo", r"/OUT:lib\two.lib", "two.obj")[0] == 0
    status, lines = prompt.run("cl", "/LD", "use.cpp")
    assert status == 1120
    assert lines[1:] == [
        "use.obj : error LNK2019: unresolved external symbol two referenced in function use",
        "use.dll : fatal error LNK1120: 1 unresolved externals",
    ]
    status, lines = prompt.run("cl", "/LD", "use.cpp", LINK="two.lib")
    assert status == 1181
    assert lines[1:] == ["LINK : fatal error LNK1181: cannot open input file 'two.lib'"]
    library_folder = f"{prompt.variables['LIB']};{path_for_windows(prompt.folder / 'lib')}"
    assert prompt.run("cl", "/LD", "use.cpp", LINK="two.lib", LIB=library_folder)[0] == 0


def test_triage_understands_names_of_cpp(prompt):
    declared = "namespace cv { struct Mat { Mat(int); ~Mat(); }; int f(Mat const&); }\n"
    used = 'extern "C" __declspec(dllexport) int use() { cv::Mat m(1); return cv::f(m); }\n'
    prompt.write("use.cpp", declared + used)
    status, lines = prompt.run("cl", "/LD", "use.cpp")
    assert status == 1120
    [finding] = triage.triage("\n".join(lines))
    assert finding.id == "undefined-symbol"
    for name in ("_ZN2cv3MatC1Ei", "_ZN2cv3MatD1Ev", "_ZN2cv1fERKNS_3MatE"):
        assert name in finding.cause


def test_an_object_file_names_pythons_library_itself(prompt):
    (prompt.folder / "include").mkdir()
    prompt.write("include/Python.h", "#define PY_MAJOR_VERSION 3\n#define PY_MINOR_VERSION 11\n")
    prompt.write("a.c", "#include <Python.h>\n")
    status, lines = prompt.run("cl", "/LD", "/Iinclude", "a.c")
    assert status == 1104
    assert lines[1:] == ["LINK : fatal error LNK1104: cannot open file 'python311.lib'"]


def test_the_runtime_is_linked_only_if_lib_names_the_toolset(prompt):
    prompt.write("a.c", "")
    status, lines = prompt.run("cl", "/LD", "a.c", LIB="")
    assert status == 1104 and "cannot open file 'MSVCRT.lib'" in lines[1]


def test_the_manifest_needs_the_resource_compiler_on_path(prompt):
    prompt.write("a.c", "__declspec(dllexport) int a;\n")
    assert prompt.run("cl", "/c", "a.c")[0] == 0
    link = ["/DLL", "/MANIFEST:EMBED,ID=2", "/MANIFESTUAC:NO", "/OUT:a.dll", "a.obj"]
    assert prompt.run("link", *link)[0] == 0
    status, lines = prompt.run("link", *link, PATH="")
    assert (status, lines) == (1158, ["LINK : fatal error LNK1158: cannot run 'rc.exe'"])


def test_a_function_to_export_must_be_there(prompt):
    prompt.write("a.c", "__declspec(dllexport) int a;\n")
    assert prompt.run("cl", "/c", "a.c")[0] == 0
    status, lines = prompt.run("link", "/DLL", "/EXPORT:PyInit_a", "/OUT:a.dll", "a.obj")
    assert status == 1120
    assert lines[0] == "LINK : error LNK2001: unresolved external symbol PyInit_a"


def test_a_response_file_holds_arguments(prompt):
    prompt.write("a b.c", "__declspec(dllexport) int a;\n")
    assert prompt.run("cl", "/c", "a b.c")[0] == 0
    (prompt.folder / "all.rsp").write_text('"/OUT:a b.dll"\n/DLL\n"a b.obj"\n', encoding="utf-16")
    assert prompt.run("link", "@all.rsp")[0] == 0
    assert (prompt.folder / "a b.dll").is_file()


def test_the_server_answers_only_those_who_know_its_word(studio):
    [where, *_] = studio.path.parents[2].rglob("server.txt")
    port, word = where.read_text(encoding="utf-8").split()

    def ask(said: str) -> bytes:
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            texts = [said, "cl", "", "Z:\\", "0", "PATH="]
            connection.sendall("".join(f"{text}\0" for text in texts).encode())
            connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").read()

    before = len(studio.asked)
    assert ask("another") == b""
    answer = ask(word)
    assert answer[:4] == struct.pack("<I", 0) and b"Microsoft (R)" in answer
    assert len(studio.asked) == before + 1
