"""DatasetWriter writes records that do not fill their memory pages evenly."""

from pathlib import Path

from bounded import run

SCRIPT = """
import sys
import numpy as np
from ffcv.fields import FloatField, IntField
from ffcv.reader import Reader
from ffcv.writer import DatasetWriter

class Numbers:
    def __init__(self, fields, samples):
        self.fields, self.samples = fields, samples
    def __len__(self):
        return self.samples
    def __getitem__(self, index):
        return tuple(float(index * 10 + field) for field in range(self.fields))

if __name__ == "__main__":
    # 24 and 56 bytes a record; in the second case more than one page of metadata
    for fields, samples in ((3, 5), (7, 900)):
        file = f"{fields}.beton"
        writer = DatasetWriter(file, {f"f{i}": FloatField() for i in range(fields)}, num_workers=1)
        size = writer.metadata_type.itemsize
        assert -(-samples * size // 4096) * 4096 % size, "would be written unpatched as well"
        writer.from_indexed_dataset(Numbers(fields, samples))
        metadata = Reader(file).metadata
        assert len(metadata) == samples
        for field in range(fields):
            wanted = np.arange(samples) * 10 + field
            assert (metadata[metadata.dtype.names[field]] == wanted).all()
    print("WRITTEN")
"""


def test_records_of_any_size_are_written(tmp_path: Path) -> None:
    assert "WRITTEN" in run(tmp_path, SCRIPT)
