"""With `async_tfms` as well, a file is released when an epoch ends or is left."""

from pathlib import Path

import pytest
from bounded import run

pytest.importorskip("fastai", reason="the environment has no fastai")

SCRIPT = """
import gc
import os
import shutil
import threading

import numpy as np


class Numbers:
    def __len__(self):
        return 32

    def __getitem__(self, index):
        return (np.full((400, 400, 3), index, dtype="u1"), index)


if __name__ == "__main__":
    from fastai.data.transforms import IntToFloatTensor
    from fastxtend.ffcv.all import CenterCropRGBImageDecoder, DatasetWriter, IntDecoder
    from fastxtend.ffcv.all import IntField, Loader, OrderOption, RGBImageField, fx
    from ffcv.transforms import Squeeze

    fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
    # Pages of 2 MB: four of these images
    DatasetWriter("original.beton", fields, num_workers=1).from_indexed_dataset(Numbers())
    gc.disable()  # what only the collector releases may stay for a long time
    for os_cache in (True, False):
        for batches in (8, 1):
            file = f"{os_cache}-{batches}.beton"
            shutil.copyfile("original.beton", file)
            loader = Loader(
                file, batch_size=4, num_workers=1, os_cache=os_cache, device="cpu",
                order=OrderOption.SEQUENTIAL, async_tfms=True, batch_tfms=[IntToFloatTensor()],
                pipelines={
                    "image": [CenterCropRGBImageDecoder((8, 8), ratio=1), fx.ToTensorImage()],
                    "label": [IntDecoder(), fx.ToTensorCategory(), Squeeze(1)],
                },
            )
            assert loader.async_tfms
            for number, _ in enumerate(loader, start=1):
                if number == batches:
                    break
            names = [type(t).__name__ for t in threading.enumerate()]
            assert not {"AsyncEpochIterator", "PageReader"} & set(names), (file, names)
            os.remove(file)
    print("RELEASED")
"""


def test_files_are_released_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    assert "RELEASED" in run(tmp_path, SCRIPT)
