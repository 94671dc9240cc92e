"""A file whose writer was stopped is refused, and a table is written whole or not at all."""

from pathlib import Path

from bounded import run

SCRIPT = """
import numpy as np

from ffcv.fields import BytesField
from ffcv.reader import Reader
from ffcv.types import HeaderType
from ffcv.writer import DatasetWriter


class Samples:
    def __len__(self):
        return 50

    def __getitem__(self, index):
        return (np.full(index + 1, index, dtype="u1"),)


if __name__ == "__main__":
    writer = DatasetWriter("whole.beton", {"blob": BytesField()}, num_workers=1)
    writer.from_indexed_dataset(Samples())
    table = Reader("whole.beton").alloc_table
    assert sorted(table["sample_id"]) == list(range(50)), table
    assert sorted(table["size"]) == list(range(1, 51)), table

    header = np.fromfile("whole.beton", dtype=HeaderType, count=1)
    header["alloc_table_ptr"] = 0  # as it is until the writer is through
    data = open("whole.beton", "rb").read()
    open("cut.beton", "wb").write(header.tobytes() + data[HeaderType.itemsize:])
    try:
        Reader("cut.beton")
    except ValueError as error:
        assert "cut.beton is not finished" in str(error), error
    else:
        raise SystemExit("an unfinished file was read")

    # A table that cannot be made is an error, not an empty table.
    try:
        writer.prepare()
        writer.finalize([("no", "such", "allocation")])
    except ValueError:
        print("REFUSED")
"""


def test_unfinished_files_and_tables_that_fail_are_errors(tmp_path: Path) -> None:
    assert "REFUSED" in run(tmp_path, SCRIPT)
