"""A wheel's members, and a wheel made of members: equal members give equal bytes.

https://packaging.python.org/specifications/binary-distribution-format/
"""

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tasks.core.files import rename, temporary_for

Members = dict[str, bytes]

# The oldest time that a zip archive can hold, and the mode of an ordinary file.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644
_UNIX = 3
_LEVEL = 9


def read(wheel: Path) -> Members:
    """The files of a wheel: name -> content."""
    with zipfile.ZipFile(wheel) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist() if not i.is_dir()}


def dist_info(members: Mapping[str, bytes]) -> str:
    """The name of a wheel's .dist-info folder."""
    [name] = {name.partition("/")[0] for name in members if name.endswith(".dist-info/METADATA")}
    return name


def with_record(members: Mapping[str, bytes]) -> Members:
    """The members in the order in which they are written, with the RECORD that is true of them."""
    folder = dist_info(members)
    record = f"{folder}/RECORD"
    ordered = sorted(set(members) - {record}, key=lambda name: (name.startswith(folder), name))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name in ordered:
        digest = base64.urlsafe_b64encode(hashlib.sha256(members[name]).digest())
        writer.writerow([name, f"sha256={digest.decode().rstrip('=')}", len(members[name])])
    writer.writerow([record, "", ""])
    return {**{name: members[name] for name in ordered}, record: text.getvalue().encode()}


def write(wheel: Path, members: Mapping[str, bytes]) -> None:
    """Write a wheel, whole or not at all; a RECORD among its members is made anew.

    Whenever, wherever and by whomever it is written, equal members give equal bytes; the one thing
    left is the version of zlib, which may compress otherwise.
    """
    wheel.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_for(wheel)
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, content in with_record(members).items():
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system = _UNIX
            info.external_attr = _MODE << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, _LEVEL)
    rename(temporary, wheel)
