"""Which byte of which member differs."""

import zipfile

from wheel_files import MEMBERS, write_wheel

from tasks.wheels.compare import differences


def test_equal_wheels_do_not_differ(tmp_path):
    assert differences(write_wheel(tmp_path / "a"), write_wheel(tmp_path / "b")) == []


def test_the_first_byte_that_differs_is_named(tmp_path):
    data = bytearray(MEMBERS["thing/data.bin"])
    data[700] ^= 0xFF
    data[900] ^= 0xFF
    other = write_wheel(tmp_path / "b", MEMBERS | {"thing/data.bin": bytes(data)})
    [line] = differences(write_wheel(tmp_path / "a"), other)
    assert line.startswith("thing/data.bin: byte 700 of 10,240 is the first of 2 that differ: ")


def test_a_member_that_is_longer_differs_where_the_other_ends(tmp_path):
    longer = MEMBERS | {"thing/__init__.py": MEMBERS["thing/__init__.py"] + b"more"}
    [line] = differences(write_wheel(tmp_path / "a"), write_wheel(tmp_path / "b", longer))
    assert line.startswith("thing/__init__.py: byte 12 of 12 is the first of 4 that differ")


def test_members_of_one_of_them_are_named(tmp_path):
    more = MEMBERS | {"thing/new.py": b""}
    lines = differences(write_wheel(tmp_path / "a"), write_wheel(tmp_path / "b", more))
    assert lines == ["thing/new.py: only in the second"]


def test_another_time_in_the_archive_is_told(tmp_path):
    one = write_wheel(tmp_path / "a")
    other = tmp_path / "b.whl"
    with zipfile.ZipFile(one) as source, zipfile.ZipFile(other, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            info.date_time = (2026, 1, 1, 0, 0, 0)
            target.writestr(info, content)
    [line] = differences(one, other)
    assert line == "members are the same, the archive is not: thing/__init__.py: date_time"


def test_another_compression_is_told(tmp_path):
    one = write_wheel(tmp_path / "a")
    other = tmp_path / "b.whl"
    with zipfile.ZipFile(one) as source, zipfile.ZipFile(other, "w") as target:
        for info in source.infolist():
            target.writestr(info, source.read(info), zipfile.ZIP_DEFLATED, 1)
    [line] = differences(one, other)
    assert line.endswith("another zlib compressed it")
