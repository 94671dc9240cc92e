"""Random batch transforms of fastxtend alter the items that were chosen, and no others."""

import pytest

pytest.importorskip("fastai", reason="the environment has no fastai")

NAMES = ["Grayscale", "ChannelDrop", "RandomNoise", "RandomErasingBatch"]


@pytest.mark.parametrize("name", NAMES)
def test_all_items_are_altered_at_probability_one(name: str) -> None:
    import fastxtend.vision.all as vision
    import torch
    from fastai.vision.core import TensorImage

    torch.manual_seed(0)
    before = torch.rand(6, 3, 16, 16)
    after = getattr(vision, name)(p=1.0)(TensorImage(before.clone()), split_idx=0)
    assert type(after) is TensorImage and after.shape == before.shape
    changed = (torch.Tensor(after) != before).flatten(1).any(1)
    assert changed.all()


def test_items_that_were_not_chosen_and_labels_stay_as_they_are() -> None:
    import torch
    from fastai.torch_core import TensorCategory
    from fastai.vision.core import TensorImage
    from fastxtend.vision.all import Grayscale

    torch.manual_seed(0)
    before, labels = torch.rand(64, 3, 4, 4), torch.arange(64)
    tfm = Grayscale(p=0.5)
    images, told = tfm((TensorImage(before.clone()), TensorCategory(labels.clone())), split_idx=0)
    same = (torch.Tensor(images) == before).flatten(1).all(1)
    assert (same == ~tfm.idxs).all() and 10 < tfm.idxs.sum() < 54
    assert (torch.Tensor(images)[tfm.idxs].std(1) < 1e-6).all(), "not grey"
    assert (torch.Tensor(told) == labels).all() and type(told) is TensorCategory


def test_a_validation_batch_is_left_alone() -> None:
    import torch
    from fastai.vision.core import TensorImage
    from fastxtend.vision.all import RandomNoise

    before = torch.rand(2, 3, 4, 4)
    after = RandomNoise(p=1.0)(TensorImage(before.clone()), split_idx=1)
    assert (torch.Tensor(after) == before).all()
