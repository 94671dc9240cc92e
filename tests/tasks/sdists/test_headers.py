"""Windows' headers in the spellings that sources use."""

import os
import subprocess

import pytest
from support import under_wine

from tasks.compilers.zig import zig_program
from tasks.core.project import project
from tasks.sdists.compiling import AS_MICROSOFT
from tasks.sdists.headers import write_of_microsoft, write_of_unix, write_other_spellings


def test_only_spellings_of_the_systems_headers_are_written(tmp_path):
    system, tree = tmp_path / "system", tmp_path / "tree"
    system.mkdir()
    tree.mkdir()
    (system / "windows.h").touch()
    (tree / "a.c").write_text('#include <Windows.h>\n#include "Own.h"\n#include <windows.h>\n')
    assert write_other_spellings(tree, system, tmp_path / "out") == ["Windows.h"]
    assert (tmp_path / "out" / "Windows.h").read_text() == "#include <windows.h>\n"


def compiled(source, *words):
    """What zig says of a source; "" if it is well."""
    role = "c++" if source.suffix == ".cpp" else "cc"
    done = subprocess.run(
        [zig_program(), role, "-target", "x86_64-windows-gnu", "-mcpu=x86_64_v2", *words,
         "-c", source, "-o", source.with_suffix(".o")],
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(project().cache / "zig")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stderr if done.returncode else ""


OLD = """
#include <Python.h>
#include <algorithm>
#include <functional>
#include <memory>
static_assert(SIZEOF_VOID_P == 8, "64 bits");
int old(int *numbers, long long wide) throw(int)
{
    register int first = sizeof __DATE__ - 11;
    unsigned char mask[1] = {wide};
    std::auto_ptr<int> one(new int(2));
    std::random_shuffle(numbers, numbers + 3);
    int *found = std::find_if(numbers, numbers + 3, std::bind2nd(std::less<int>(), *one));
    return *found + mask[0] + first;
}
"""


@pytest.mark.skipif(under_wine(), reason="zig for Windows cannot compile under Wine 8")
def test_what_is_well_for_microsofts_compiler_is_for_zigs(tmp_path):
    (tmp_path / "Python.h").write_text(
        "#ifdef MS_WIN64\n#define SIZEOF_VOID_P 8\n#else\n#define SIZEOF_VOID_P 4\n#endif\n"
    )
    source = tmp_path / "old.cpp"
    source.write_text(OLD)
    assert compiled(source, f"-I{tmp_path}")
    assert not compiled(source, f"-I{tmp_path}", *AS_MICROSOFT)


@pytest.mark.skipif(under_wine(), reason="zig for Windows cannot compile under Wine 8")
@pytest.mark.parametrize("first", ["immintrin.h", "intrin.h", "windows.h"])
def test_a_source_can_ask_what_of_the_processor_the_system_keeps(first, tmp_path):
    write_of_microsoft(tmp_path / "first")
    source = tmp_path / "a.c"
    source.write_text(
        f"#include <{first}>\n#include <immintrin.h>\n"
        "#ifdef __XSAVE__\n#error not every processor has it\n#endif\n"
        "unsigned long long kept(void) { return _xgetbv(0); }\n"
    )
    assert not compiled(source, "-Werror", f"-I{tmp_path / 'first'}")


@pytest.mark.skipif(under_wine(), reason="zig for Windows cannot compile under Wine 8")
def test_bytes_are_swapped_as_on_unix(tmp_path):
    write_of_unix(tmp_path / "after")
    source = tmp_path / "a.c"
    source.write_text(
        "#include <byteswap.h>\n"
        '_Static_assert(bswap_32(0x01020304) == 0x04030201 && bswap_16(1) == 256, "swapped");\n'
    )
    assert not compiled(source, "-idirafter", str(tmp_path / "after"))
