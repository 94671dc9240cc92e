"""Windows' headers in the spellings that sources use."""

from tasks.sdists.headers import write_other_spellings


def test_only_spellings_of_the_systems_headers_are_written(tmp_path):
    system, tree = tmp_path / "system", tmp_path / "tree"
    system.mkdir()
    tree.mkdir()
    (system / "windows.h").touch()
    (tree / "a.c").write_text('#include <Windows.h>\n#include "Own.h"\n#include <windows.h>\n')
    assert write_other_spellings(tree, system, tmp_path / "out") == ["Windows.h"]
    assert (tmp_path / "out" / "Windows.h").read_text() == "#include <windows.h>\n"
