"""What people import of fastxtend is imported with today's fastai, and what was moved works."""

import pytest

pytest.importorskip("fastai", reason="the environment has no fastai")


def test_what_people_import_is_there() -> None:
    import fastxtend.ffcv.all
    import fastxtend.vision.all  # noqa: F401


def test_a_batch_is_shown_by_the_function_for_its_type() -> None:
    import matplotlib

    matplotlib.use("agg")
    import torch
    from fastai.vision.core import TensorImage
    from fastcore.foundation import L
    from fastxtend.vision.all import show_batch

    image = TensorImage(torch.rand(3, 8, 8))
    shown = show_batch(image[None], None, L([(image,), (image,)]), max_n=2)
    assert len(shown) == 2
