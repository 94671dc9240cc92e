"""tasks.archives.members: names, patterns and links, without any archive."""

import pytest

from tasks.archives.members import Selection, link_target, pattern_regex, safe_name, windows_problem
from tasks.core.errors import BuildError


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b.txt", "a/b.txt"),
        ("./a//b.txt", "a/b.txt"),
        (r"a\b.txt", "a/b.txt"),
        ("folder/", "folder"),
        ("./", ""),
        ("a..b/...c", "a..b/...c"),
    ],
)
def test_a_harmless_name_becomes_a_plain_relative_path(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x",
        "a/../../x",
        r"..\x",
        r"a\..\..\x",
        "/etc/passwd",
        r"\Windows\x",
        "//server/share/x",
        r"\\server\share\x",
        r"\\?\C:\x",
        "C:x",
        "c:/x",
        "./C:/x",
        "a\0b",
    ],
)
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        safe_name(name)


@pytest.mark.parametrize(
    ("link", "target", "hard", "meaning"),
    [
        ("a/link", "file", False, "a/file"),
        ("a/link", "../b/./file", False, "b/file"),
        ("a/link", r"..\b\file", False, "b/file"),
        ("a/link", "a/file", True, "a/file"),
    ],
)
def test_a_link_is_read_relative_to_its_folder_or_the_root(
    link: str, target: str, hard: bool, meaning: str
) -> None:
    assert link_target(link, target, hard=hard) == meaning


@pytest.mark.parametrize(
    "target", ["../../x", "/etc/passwd", r"..\..\x", "//server/x", "a/../../../x"]
)
@pytest.mark.parametrize("hard", [False, True])
def test_a_link_that_points_out_is_refused(target: str, hard: bool) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        link_target("a/link", target, hard=hard)


@pytest.mark.parametrize(
    "name",
    [
        "NUL",
        "a/con",
        "aux.h",
        "com1.tar.gz",
        "LPT\u00b2",
        "CONIN$",
        "nul .txt",
        "a./b",
        "a ",
        "file:stream",
        "what?",
        "a\tb",
    ],
)
def test_what_windows_cannot_store_is_recognised(name: str) -> None:
    assert windows_problem(name)


@pytest.mark.parametrize("name", ["nullable.h", "com10", "console", "a b", ".hidden", "x.con"])
def test_what_windows_can_store_is_let_through(name: str) -> None:
    assert windows_problem(name) is None


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("include", "include/a/b.h", True),
        ("include/", "include/a.h", True),
        ("include", "includes/a.h", False),
        ("include", "x/include/a.h", False),
        ("*/include", "pkg-1.0/include/a.h", True),
        ("*/a.h", "x/y/a.h", False),
        ("**/a.h", "x/y/a.h", True),
        ("**/a.h", "a.h", True),
        ("src/**", "src/x/y", True),
        ("src/**/*.c", "src/a.c", True),
        ("src/**/*.c", "src/x/y/a.c", True),
        ("src/**/*.c", "src/x/y/a.h", False),
        ("?.h", "a.h", True),
        ("?.h", "ab.h", False),
        ("lib[12].a", "lib2.a", True),
        ("lib[!12].a", "lib2.a", False),
        ("README", "readme", False),
        ("a+b (1).txt", "a+b (1).txt", True),
        ("a.h", "axh", False),
    ],
)
def test_patterns_match_as_documented(pattern: str, name: str, matches: bool) -> None:
    assert bool(pattern_regex(pattern).fullmatch(name)) is matches


def test_folders_that_differ_in_case_may_meet_but_files_may_not() -> None:
    selection = Selection("x.tar")
    assert selection.destination("Include/a.h", "file") == "Include/a.h"
    assert selection.destination("include", "folder") == "include"
    assert selection.destination("include/b.h", "file") == "include/b.h"
    with pytest.raises(BuildError, match=r"'Include/a\.h' and 'include/A\.h' are one file"):
        selection.destination("include/A.h", "file")


@pytest.mark.parametrize(
    ("first", "second"), [("a/b", "A"), ("A", "a/b"), ("a", "a"), ("a", "./a")]
)
def test_two_members_in_one_place_are_refused(first: str, second: str) -> None:
    selection = Selection("x.tar")
    selection.destination(first, "file")
    with pytest.raises(BuildError, match="one file on Windows"):
        selection.destination(second, "file")
