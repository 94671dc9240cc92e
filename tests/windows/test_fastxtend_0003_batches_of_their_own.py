"""What is kept of fastxtend's batches on the CPU stays as it was."""

from pathlib import Path

import pytest
from bounded import run

pytest.importorskip("fastai", reason="the environment has no fastai")

SCRIPT = """
import numpy as np


class Numbers:
    def __len__(self):
        return 64

    def __getitem__(self, index):
        return (np.full((8, 8, 3), index, dtype="u1"), index)


if __name__ == "__main__":
    from fastai.data.transforms import IntToFloatTensor
    from fastxtend.ffcv.all import DatasetWriter, IntDecoder, IntField, Loader, OrderOption
    from fastxtend.ffcv.all import CenterCropRGBImageDecoder, RGBImageField, fx
    from fasttransform import Pipeline
    from ffcv.transforms import Squeeze

    fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
    DatasetWriter("n.beton", fields, num_workers=1).from_indexed_dataset(Numbers())
    pipelines = {
        "image": [CenterCropRGBImageDecoder((8, 8), ratio=1), fx.ToTensorImage()],
        "label": [IntDecoder(), fx.ToTensorCategory(), Squeeze(1)],
    }
    for asynchronous in (False, True):
        loader = Loader(
            "n.beton", batch_size=4, num_workers=1, order=OrderOption.SEQUENTIAL,
            pipelines=pipelines, device="cpu", async_tfms=asynchronous,
            # async_tfms wants a Pipeline, and no batch_tfms
            after_batch=Pipeline([IntToFloatTensor()]),
        )
        batches = list(loader)
        labels = [int(label) for _, labels in batches for label in labels]
        pixels = [float(image.flatten()[0]) for images, _ in batches for image in images]
        images = [round(255 * pixel) for pixel in pixels]
        assert labels == images == list(range(64)), (asynchronous, labels, images)
        assert type(batches[0][0]).__name__ == "TensorImage"
    print("KEPT")
"""


def test_a_list_of_batches_holds_each_batch(tmp_path: Path) -> None:
    assert "KEPT" in run(tmp_path, SCRIPT)
