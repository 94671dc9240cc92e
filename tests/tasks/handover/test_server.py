"""What the hand-over does beside calling zig."""

from tasks.handover.server import without_init

OUTPUT = "lld-link: error: <root>: undefined symbol: PyInit_lib\n"
DEF = "LIBRARY lib.pyd\nEXPORTS\nPyInit_lib\nother\n"


def test_a_library_that_is_called_a_module_is_linked_without_an_init_function(tmp_path):
    (tmp_path / "lib.def").write_text(DEF)
    words = ["-shared", "a.o", "lib.def", "-o", "lib.pyd"]
    assert without_init(OUTPUT, words, tmp_path)
    assert (tmp_path / "lib.def").read_text() == "LIBRARY lib.pyd\nEXPORTS\nother\n"
    assert not without_init(OUTPUT, words, tmp_path)


def test_what_is_missing_besides_is_an_error_still(tmp_path):
    (tmp_path / "lib.def").write_text(DEF)
    words = ["-shared", "a.o", "lib.def"]
    assert not without_init("lld-link: error: undefined symbol: other\n", words, tmp_path)
    assert (tmp_path / "lib.def").read_text() == DEF
