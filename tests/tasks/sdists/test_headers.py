"""Windows' headers in the spellings that sources use."""

import os
import subprocess

import pytest
from support import under_wine

from tasks.compilers.zig import zig_program
from tasks.core.project import project
from tasks.sdists.headers import write_of_microsoft, write_other_spellings


def test_only_spellings_of_the_systems_headers_are_written(tmp_path):
    system, tree = tmp_path / "system", tmp_path / "tree"
    system.mkdir()
    tree.mkdir()
    (system / "windows.h").touch()
    (tree / "a.c").write_text('#include <Windows.h>\n#include "Own.h"\n#include <windows.h>\n')
    assert write_other_spellings(tree, system, tmp_path / "out") == ["Windows.h"]
    assert (tmp_path / "out" / "Windows.h").read_text() == "#include <windows.h>\n"


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
    done = subprocess.run(
        [zig_program(), "cc", "-target", "x86_64-windows-gnu", "-mcpu=x86_64_v2", "-Werror",
         f"-I{tmp_path / 'first'}", "-c", source, "-o", tmp_path / "a.o"],
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(project().cache / "zig")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
