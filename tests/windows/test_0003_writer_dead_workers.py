"""DatasetWriter ends with an error when a worker dies, whatever it died of."""

from pathlib import Path

from bounded import run

# 8-byte records: the size of the metadata (0002) does not matter here.
SCRIPT = """
import os
import time
from ffcv.fields import IntField
from ffcv.writer import DatasetWriter

class Dataset:
    def __init__(self, fault):
        self.fault = fault
    def __len__(self):
        return 20000
    def __getitem__(self, index):
        if index == 3 and self.fault == "raises":
            raise ValueError("sample 3 is damaged")
        if index == 3 and self.fault == "dies":
            os._exit(7)
        if index > 3:
            time.sleep(0.01)  # the other worker is busy, and has a long queue before it
        return (index,)

if __name__ == "__main__":
    for fault, wanted in (("raises", "ValueError: sample 3 is damaged"), ("dies", "7")):
        writer = DatasetWriter("out.beton", {"index": IntField()}, num_workers=2)
        try:
            writer.from_indexed_dataset(Dataset(fault), chunksize=1)
        except RuntimeError as error:
            assert wanted in str(error), error
            print("REPORTED", fault)
    # Here the queue's thread must not keep the process from ending.
"""


def test_errors_and_deaths_of_workers_are_reported(tmp_path: Path) -> None:
    output = run(tmp_path, SCRIPT)
    assert "REPORTED raises" in output
    assert "REPORTED dies" in output
