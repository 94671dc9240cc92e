"""A file that was read can be deleted, moved and written again while its Loader lives."""

from pathlib import Path

from bounded import run

SCRIPT = """
import gc
import os
import threading
import time
from fastxtend.ffcv.all import Loader as FastxtendLoader
from ffcv.fields import BytesField, IntField, RGBImageField
from ffcv.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
from ffcv.loader import Loader
from ffcv.transforms import ToTensor
from ffcv.writer import DatasetWriter
import numpy as np
import shutil
import torch

class Numbers:
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return index, np.full(1000, index, np.uint8), np.full((9, 9, 3), index, np.uint8)

def whole(loader):
    for _ in loader:
        pass

def left_early(loader):
    for _ in loader:
        break

class Broken(torch.nn.Module):
    def forward(self, batch):
        raise ValueError("broken on purpose")

def failing(loader):
    pipelines = {"index": [IntDecoder(), ToTensor(), Broken()], "bytes": None, "image": None}
    loader = type(loader)(loader.fname, **options, pipelines=pipelines)
    try:
        whole(loader)
    except ValueError:
        return
    raise AssertionError("no error")

def first_use(loader):
    # Numba's frames of this compilation hold the map, and each other.
    crop = RandomResizedCropRGBImageDecoder((4, 4))
    pipelines = {"index": None, "bytes": None, "image": [crop, ToTensor()]}
    whole(type(loader)(loader.fname, **options, pipelines=pipelines))

def overlapping(loader):
    first = iter(loader)
    next(first)
    whole(loader)
    rest = [batch[0].numpy().copy() for batch in first]
    assert (np.concatenate(rest).ravel() == np.arange(4, 64)).all(), rest

if __name__ == "__main__":
    fields = {"index": IntField(), "bytes": BytesField(), "image": RGBImageField(write_mode="raw")}
    DatasetWriter("original.beton", fields, num_workers=1).from_indexed_dataset(Numbers())
    problems = []
    # What is released only by the collector may stay for a long time.
    gc.disable()
    for loader_class in (Loader, FastxtendLoader):
        for os_cache in (True, False):
            file = f"{loader_class.__module__}-{os_cache}.beton"
            shutil.copyfile("original.beton", file)
            options = {"batch_size": 4, "num_workers": 1, "os_cache": os_cache}
            loader = loader_class(file, **options)
            for use in (whole, left_early, failing, first_use, overlapping):
                use(loader)
                try:
                    with open(file, "r+b") as stream:  # as a writer would: cut and write again
                        stream.truncate(0)
                    os.replace(file, "moved.beton")
                    os.remove("moved.beton")
                except OSError as error:
                    problems.append(f"{file} after {use.__name__}: {error!r}")
                    file = f"{use.__name__}-{file}"
                    loader = None
                shutil.copyfile("original.beton", file)
                if loader is None:
                    loader = loader_class(file, **options)
    time.sleep(1)
    names = [type(t).__name__ for t in threading.enumerate()]
    if "EpochIterator" in names or "PageReader" in names:
        problems.append(f"threads that stay behind: {names}")
    assert not problems, chr(10).join(problems)
    print("RELEASED")
"""


def test_files_are_released_when_an_epoch_ends_or_is_left(tmp_path: Path) -> None:
    assert "RELEASED" in run(tmp_path, SCRIPT)
