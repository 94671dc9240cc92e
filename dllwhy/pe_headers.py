"""Whether a PE file is whole: what Windows holds against the file before it maps it.

https://learn.microsoft.com/windows/win32/debug/pe-format
"""

from __future__ import annotations

import struct
from pathlib import Path

_MAGIC = {0x10B: 96, 0x20B: 112}  # PE32, PE32+: where the data directories begin
_IMPORT_TABLE = 1  # the index of its data directory


def damage(path: Path) -> str | None:
    """Say what is wrong with the headers of a PE file, or with its length.

    Returns:
        None for a file that is whole, and for one that has no PE headers at all.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(4096)
        (start,) = struct.unpack_from("<I", head, 0x3C) if len(head) >= 0x40 else (0,)
        if start > len(head) - 24:
            stream.seek(start)
            head, start = stream.read(4096), 0
        size = stream.seek(0, 2)
    if head[start : start + 4] != b"PE\0\0":
        return None
    sections, optional_size = struct.unpack_from("<2xH12xH", head, start + 4)
    optional = start + 24
    if optional_size == 0:
        return "it has no optional header"
    table = optional + optional_size
    if len(head) < table + 40 * sections:
        return "its headers are cut off" if size <= len(head) else None
    (magic,) = struct.unpack_from("<H", head, optional)
    if magic not in _MAGIC:
        return "its optional header is of no known kind"
    ranges = []
    for index in range(sections):
        name, virtual_size, address, raw_size, raw = struct.unpack_from(
            "<8sIIII", head, table + 40 * index
        )
        if raw_size and raw + raw_size > size:
            title = name.rstrip(b"\0").decode("ascii", "replace")
            return (
                f"its section {title} goes to byte {raw + raw_size:,} of a file of {size:,}: "
                "a copy or download that was cut off"
            )
        ranges.append((address, address + max(virtual_size, raw_size)))
    directories = optional + _MAGIC[magic]
    (count,) = struct.unpack_from("<I", head, directories - 4)
    if count > _IMPORT_TABLE:
        (imports,) = struct.unpack_from("<I", head, directories + 8 * _IMPORT_TABLE)
        if imports and not any(first <= imports < last for first, last in ranges):
            return "its import table lies outside of the file"
    return None
