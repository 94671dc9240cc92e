"""With `async_tfms` a Loader does the same batch transforms, ahead of time."""

from pathlib import Path

import pytest
from bounded import run

pytest.importorskip("fastai", reason="the environment has no fastai")

SCRIPT = """
import numpy as np


class Numbers:
    def __len__(self):
        return 16

    def __getitem__(self, index):
        return (np.full((8, 8, 3), index, dtype="u1"), index)


if __name__ == "__main__":
    from threading import get_ident

    from fastai.data.transforms import IntToFloatTensor
    from fastai.vision.core import TensorImage
    from fasttransform import Transform
    from fastxtend.ffcv.all import DatasetWriter, IntDecoder, IntField, Loader, OrderOption
    from fastxtend.ffcv.all import CenterCropRGBImageDecoder, RGBImageField, fx
    from ffcv.transforms import Squeeze

    class FromBatch(Transform):
        order = 11  # after IntToFloatTensor

        def setups(self, loader):
            self.size = len(loader.one_batch()[0])

        def encodes(self, image: TensorImage):
            self.thread = get_ident()
            return image + self.size

    fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
    DatasetWriter("n.beton", fields, num_workers=1).from_indexed_dataset(Numbers())

    def loader(**arguments):
        pipelines = {
            "image": [CenterCropRGBImageDecoder((8, 8), ratio=1), fx.ToTensorImage()],
            "label": [IntDecoder(), fx.ToTensorCategory(), Squeeze(1)],
        }
        return Loader(
            "n.beton", batch_size=4, num_workers=1, order=OrderOption.SEQUENTIAL,
            pipelines=pipelines, device="cpu", async_tfms=True, **arguments,
        )

    for name in ("batch_tfms", "after_batch"):
        tfm = FromBatch()
        made = loader(**{name: [tfm, IntToFloatTensor()]})
        pixels = [float(image.flatten()[0]) for images, _ in made for image in images]
        expected = [index / 255 + 4 for index in range(16)]
        assert np.allclose(pixels, expected), (name, pixels)
        assert tfm.thread != get_ident(), "it was not done ahead of time"
    print("DONE")
"""


def test_they_are_given_as_a_list_by_either_name(tmp_path: Path) -> None:
    assert "DONE" in run(tmp_path, SCRIPT)
