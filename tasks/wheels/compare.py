"""Two wheels that should be the same: which byte of which member differs, if one does."""

import zipfile
from pathlib import Path

from tasks.wheels import contents

# Bytes shown on both sides of the first one that differs.
_AROUND = 12


def first_difference(one: bytes, other: bytes) -> int | None:
    """The index of the first byte that differs, the end of the shorter one among them; or None."""
    if one == other:
        return None
    shorter = min(len(one), len(other))
    return next((i for i in range(shorter) if one[i] != other[i]), shorter)


def _shown(content: bytes, at: int) -> str:
    """The bytes around a place, as Python writes them."""
    return repr(content[max(0, at - _AROUND) : at + _AROUND])[1:]


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two wheels, a line for each; empty where their bytes are the same.

    Members are named as they are in the wheel; RECORD, which lists all of them, only where nothing
    else differs.
    """
    if one.read_bytes() == other.read_bytes():
        return []
    first, second = contents.read(one), contents.read(other)
    lines = [f"{name}: only in the first" for name in sorted(first.keys() - second.keys())]
    lines += [f"{name}: only in the second" for name in sorted(second.keys() - first.keys())]
    different = [n for n in first if n in second and first[n] != second[n]]
    if len(lines) + len(different) > 1:
        different = [name for name in different if not name.endswith(".dist-info/RECORD")]
    for name in different:
        a, b = first[name], second[name]
        at = first_difference(a, b)
        assert at is not None
        number = sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
        lines.append(
            f"{name}: byte {at:,} of {len(a):,} is the first of {number:,} that differ: "
            f"{_shown(a, at)} is {_shown(b, at)} in the second"
        )
    return lines or [f"members are the same, the archive is not: {_outside(one, other)}"]


def _outside(one: Path, other: Path) -> str:
    """What differs between archives whose members are the same."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        pairs = list(zip(first.infolist(), second.infolist(), strict=False))
    for a, b in pairs:
        for field in ("filename", "date_time", "external_attr", "create_system", "compress_size"):
            if getattr(a, field) != getattr(b, field):
                what = "another zlib compressed it" if field == "compress_size" else field
                return f"{a.filename}: {what}"
    return "something that no member has"
