"""An error in the thread that makes batches ends the loop, through FFCV and fastxtend."""

from pathlib import Path

from bounded import run

SCRIPT = """
import numpy as np
import torch
from fastxtend.ffcv.all import Loader as FastxtendLoader
from ffcv.fields import IntField
from ffcv.fields.decoders import IntDecoder
from ffcv.loader import Loader
from ffcv.transforms import ToTensor
from ffcv.writer import DatasetWriter

class Numbers:
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return (index,)

class Broken(torch.nn.Module):
    def forward(self, batch):
        if (batch == 40).any():
            raise ValueError("40 is too much")
        return batch

if __name__ == "__main__":
    DatasetWriter("n.beton", {"index": IntField()}, num_workers=1).from_indexed_dataset(Numbers())
    for loader_class in (Loader, FastxtendLoader):
        pipelines = {"index": [IntDecoder(), ToTensor(), Broken()]}
        loader = loader_class("n.beton", batch_size=8, num_workers=1, pipelines=pipelines)
        batches = 0
        try:
            for batch in loader:
                batches += 1
        except ValueError as error:
            assert str(error) == "40 is too much"
            assert batches == 5, batches
            print("RAISED", loader_class.__module__)
"""


def test_the_loop_raises_the_error_of_the_thread(tmp_path: Path) -> None:
    output = run(tmp_path, SCRIPT)
    assert "RAISED ffcv" in output
    assert "RAISED fastxtend" in output
