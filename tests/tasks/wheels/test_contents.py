"""Equal members give equal bytes, and a RECORD that is true."""

import csv
import hashlib
import zipfile
from base64 import urlsafe_b64encode

from wheel_files import MEMBERS, write_wheel

from tasks.wheels import contents


def test_what_was_written_is_read(tmp_path):
    read = contents.read(write_wheel(tmp_path))
    assert {name: read[name] for name in MEMBERS} == MEMBERS


def test_the_order_of_members_and_an_old_record_do_not_matter(tmp_path):
    turned = dict(reversed(MEMBERS.items())) | {"thing-1.0.dist-info/RECORD": b"wrong\n"}
    one, other = write_wheel(tmp_path / "a"), write_wheel(tmp_path / "b", turned)
    assert one.read_bytes() == other.read_bytes()


def test_the_record_is_true_and_comes_last(tmp_path):
    with zipfile.ZipFile(write_wheel(tmp_path)) as archive:
        assert archive.testzip() is None
        *names, record = archive.namelist()
        assert record == "thing-1.0.dist-info/RECORD"
        assert all(name.startswith("thing-1.0.dist-info/") for name in names[-2:])
        for name, digest, size in csv.reader(archive.read(record).decode().splitlines()):
            if name == record:
                assert (digest, size) == ("", "")
                continue
            content = archive.read(name)
            found = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={found}", len(content))


def test_no_time_and_no_system_is_in_it(tmp_path):
    with zipfile.ZipFile(write_wheel(tmp_path)) as archive:
        infos = archive.infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.create_system for info in infos} == {3}
    assert {info.external_attr >> 16 for info in infos} == {0o100644}
