"""The tables of owners are made from indexes; the same indexes give the same bytes."""

import gzip
from pathlib import Path

import pytest
from support import under_wine

from tools import library_owners as made

PACKAGES = [
    "Package: libldap-dev\nSource: openldap (2.5.13)\nDepends: libldap-2.5-0 (= 2.5.13)",
    "Package: libldap-2.5-0\nSource: openldap\n",
    "Package: zlib1g-dev\nSource: zlib (1:1.2)\n",
    "Package: libboost1.81-dev\nSource: boost1.81\n",
    "Package: one-dev\n",
    "Package: two-dev\n",
    *(
        f"Package: user{n}\nDepends: libldap-2.5-0 (>= 2), zlib1g-dev | x, one-dev, two-dev"
        for n in range(4)
    ),
]
CONTENTS = [
    "usr/include/lber.h                        libdevel/libldap-dev",
    "usr/include/x86_64-linux-gnu/zlib.h       libdevel/zlib1g-dev",
    "usr/include/boost/any.hpp                 libdevel/libboost1.81-dev",
    "usr/include/one/util.h                    libdevel/one-dev",
    "usr/include/two/util.h                    libdevel/two-dev",
    "usr/lib/x86_64-linux-gnu/liblber.so       libdevel/libldap-dev",
    "usr/share/doc/zlib.h                      libdevel/zlib1g-dev",
]


def headers() -> made.Table:
    sources, users = made.packages(PACKAGES)
    names = (
        (key, sure, owner)
        for path, owner in made.owned(CONTENTS, sources, made.HEADER)
        for key, sure in made.header_keys(path)
    )
    return made.table(names, users, frozenset({"boost"}))


def test_a_header_belongs_to_the_source_package_of_its_dev_package() -> None:
    assert headers()["openldap"] == {"lber.h"}
    assert headers()["zlib"] == {"zlib.h"}


def test_a_version_in_the_name_of_a_source_package_is_left_out() -> None:
    assert headers()["boost"] == {"boost/", "any.hpp"}


def test_a_name_that_two_libraries_have_belongs_to_none() -> None:
    assert headers()["one-dev"] == {"one/"}
    assert headers()["two-dev"] == {"two/"}


def test_a_library_that_nobody_uses_is_left_out_unless_it_is_asked_for() -> None:
    sources, users = made.packages(PACKAGES[:4])
    names = [("lber.h", 2, "openldap")]
    assert made.table(names, users) == {}
    assert made.table(names, users, frozenset({"openldap"})) == {"openldap": {"lber.h"}}
    assert sources["libboost1.81-dev"] == "boost"


def test_libraries_are_found_by_their_file_names() -> None:
    sources, _ = made.packages(PACKAGES)
    assert list(made.owned(CONTENTS, sources, made.LIBRARY)) == [("lber", "openldap")]


def test_exports_of_a_definition_file_are_read() -> None:
    text = (
        "LIBRARY x.dll\nEXPORTS\n; text\nConnect@12\nName = Other @3 NONAME\nvalue DATA\n?c@@YA\n"
    )
    assert list(made.exported(text)) == ["Connect", "Name", "value"]


def test_a_function_of_several_libraries_is_in_the_one_that_programs_link(tmp_path: Path) -> None:
    for folder, name, functions in (
        ("lib-common", "kernel32", "Sleep"), ("lib-common", "aclui", "Sleep\nEditSecurity"),
        ("lib-common", "ps5ui", "NoImportLibrary"), ("lib64", "ws2_32", "socket"),
        ("lib-common", "ws2_32", "only_on_x86"),
    ):  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.def").write_text(f"EXPORTS\n{functions}\n", encoding="utf-8")
    found = made.functions(tmp_path, ["kernel32", "aclui", "ws2_32"])
    assert {name: names for name, names in found.items() if names} == {
        "kernel32.lib": {"Sleep"}, "aclui.lib": {"EditSecurity"}, "ws2_32.lib": {"socket"},
    }  # fmt: skip


@pytest.mark.skipif(under_wine(), reason="zig for Windows starts under Wine 8, but cannot compile")
def test_a_definition_for_every_machine_is_preprocessed_for_x64(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    (tmp_path / "def-include").mkdir()
    (tmp_path / "lib-common").mkdir()
    file = tmp_path / "lib-common" / "ws2_32.def.in"
    file.write_text(
        "EXPORTS\nsocket\n#ifdef __x86_64__\nonly_on_x64\n#else\nonly_on_x86\n#endif\n",
        encoding="utf-8",
    )
    assert list(made.exported(made.definition(file, tmp_path))) == ["socket", "only_on_x64"]


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    made.save(tmp_path / "a.gz", {"zlib": {"zlib.h", "zconf.h"}, "nothing": set()}, "Debian x")
    made.save(tmp_path / "b.gz", {"zlib": {"zconf.h", "zlib.h"}}, "Debian x")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    text = gzip.decompress((tmp_path / "a.gz").read_bytes()).decode()
    assert text == "# Debian x\nzlib\t zconf.h zlib.h \n"
