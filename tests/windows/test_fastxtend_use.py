"""What fastxtend's documentation names is used, with its Loader on a file that FFCV wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastai", reason="the environment has no fastai")

SIZE, SAMPLES, CLASSES = 32, 48, 3


class Images:
    """Images of one colour for each class, with noise: easy to learn."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import numpy as np

        label = index % CLASSES
        image = np.random.default_rng(index).integers(0, 60, (SIZE, SIZE, 3), dtype="u1")
        image[..., label] += 150
        return image, label


@pytest.fixture(scope="module")
def beton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fastxtend.ffcv.all import DatasetWriter, IntField, RGBImageField

    file: Path = tmp_path_factory.mktemp("dataset") / "images.beton"
    fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
    DatasetWriter(str(file), fields, num_workers=1).from_indexed_dataset(Images())
    return file


@pytest.fixture
def learner(beton: Path) -> Callable[..., Any]:
    """Makes a Learner; keywords are its own, but for the Loader's `batch_tfms` and `size`."""

    def make(
        batch_tfms: list[Any] | None = None,
        size: int = SIZE,
        loss: Any = None,
        **kwargs: Any,
    ) -> Any:
        import torch
        from fastai.data.core import DataLoaders
        from fastai.data.transforms import IntToFloatTensor
        from fastai.learner import Learner
        from fastai.losses import CrossEntropyLossFlat
        from fastxtend.ffcv import all as fx
        from ffcv.transforms import Squeeze

        def loader(order: Any) -> Any:
            crop = fx.CenterCropRGBImageDecoder((size, size), ratio=1)
            pipelines = {
                "image": [crop, fx.fx.ToTensorImage()],
                "label": [fx.IntDecoder(), fx.fx.ToTensorCategory(), Squeeze(1)],
            }
            return fx.Loader(
                str(beton), batch_size=8, num_workers=1, order=order, pipelines=pipelines,
                batch_tfms=[IntToFloatTensor(), *(batch_tfms or [])], device="cpu",
            )  # fmt: skip

        loaders = DataLoaders(
            loader(fx.OrderOption.RANDOM), loader(fx.OrderOption.SEQUENTIAL), device="cpu"
        )
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, stride=2),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(8, CLASSES),
        )
        return Learner(loaders, model, loss_func=loss or CrossEntropyLossFlat(), lr=3e-2, **kwargs)

    return make


def learned(learner: Any) -> float:
    """The share of the validation set that the trained model tells right."""
    predictions, targets = learner.get_preds(dl=learner.dls.valid)
    return float((predictions.argmax(1) == targets).float().mean())


def test_a_model_learns_with_fastxtends_loader(learner: Any) -> None:
    from fastxtend.vision.all import Accuracy

    made = learner(metrics=Accuracy())
    made.fit(12)
    assert learned(made) > 0.9
    assert made.recorder.values[-1][-1] == pytest.approx(learned(made))


def test_a_batch_has_fastais_types_and_can_be_decoded_and_shown(learner: Any) -> None:
    import matplotlib

    matplotlib.use("agg")
    from fastai.vision.core import TensorImage
    from fastxtend.torch_core import TensorCategory

    loader = learner().dls.train
    images, labels = loader.one_batch()
    assert type(images) is TensorImage and type(labels) is TensorCategory
    assert images.shape == (8, 3, SIZE, SIZE) and images.min() >= 0 and images.max() <= 1
    assert type(loader.decode((images, labels))[0]) is TensorImage
    loader.show_batch(max_n=4)


@pytest.mark.parametrize("schedule", ["fit_flat_warmup", "fit_cos_anneal", "fit_flat_varied"])
def test_schedules(learner: Any, schedule: str) -> None:
    import fastxtend.vision.all  # noqa: F401

    made = learner()
    more = {"next_lr": 1e-3, "change_by": 0.5} if schedule == "fit_flat_varied" else {}
    getattr(made, schedule)(2, 1e-2, **more)
    rates = made.recorder.hps["lr"]
    assert len(rates) == 2 * SAMPLES // 8 and len(set(rates)) > 1


@pytest.mark.parametrize(
    "optimizer",
    ["adam", "adan", "lamb", "larc", "lion", "radam", "ranger", "rmsprop", "sgd", "sophia",
     "stableadam"],
)  # fmt: skip
@pytest.mark.parametrize("foreach", [False, True])
def test_optimizers(learner: Any, optimizer: str, foreach: bool) -> None:
    import inspect

    import fastxtend.vision.all as vision

    make = getattr(vision, optimizer, None)
    if make is None:
        pytest.skip(f"fastxtend 0.1.7 has no {optimizer}")
    if foreach and "foreach" not in inspect.signature(make).parameters:
        pytest.skip(f"{optimizer} has no foreach")
    made = learner(opt_func=make(**({"foreach": True} if foreach else {})))
    before = made.model[0].weight.detach().clone()
    made.fit(1)
    assert (made.model[0].weight != before).any() and made.recorder.losses[-1].isfinite()


# Module of fastxtend.callback, class, arguments
CALLBACKS = {
    "channelslast": ("ChannelsLast", {}),
    "cutmixup": ("CutMixUp", {}),
    "cutmixup augment": ("CutMixUpAugment", {}),
    "ema": ("EMACallback", {}),
    "gradaccum": ("GradientAccumulation", {"accum_bs": 16}),
    "profiler": ("ThroughputCallback", {}),
    "progresize": (
        "ProgressiveResize",
        {"start": 0, "finish": 0.7, "increase_by": 8, "preallocate": False,
         "final_size": (SIZE, SIZE), "add_resize": True},
    ),
    "tracker": ("TerminateOnTrainNaN", {}),
}  # fmt: skip


@pytest.mark.parametrize("key", CALLBACKS)
def test_callbacks(learner: Any, key: str) -> None:
    import importlib

    name, arguments = CALLBACKS[key]
    module = importlib.import_module(f"fastxtend.callback.{key.split()[0]}")
    made = learner(cbs=getattr(module, name)(**arguments))
    made.fit(2)
    losses = made.recorder.losses
    assert losses and all(loss.isfinite() for loss in losses)


def test_augmentations_in_training(learner: Any) -> None:
    import fastxtend.vision.all as vision
    from fastai.data.transforms import Normalize
    from fastai.vision.core import imagenet_stats

    made = learner(
        batch_tfms=[
            *vision.affine_transforms(), vision.Grayscale(p=0.5), vision.ChannelDrop(p=0.5),
            Normalize.from_stats(*imagenet_stats, cuda=False), vision.RandomNoise(p=0.5),
            vision.RandomErasingBatch(p=0.5),
        ]
    )  # fmt: skip
    made.fit(1)
    assert all(loss.isfinite() for loss in made.recorder.losses)


def test_losses_and_several_at_once(learner: Any) -> None:
    import torch
    from fastxtend.vision.all import ClassBalancedCrossEntropyLoss, MultiLoss, MultiLossCallback

    counts = torch.tensor([16, 16, 16])
    made = learner(loss=ClassBalancedCrossEntropyLoss(counts))
    made.fit(1)
    assert made.recorder.losses[-1].isfinite()
    several = MultiLoss([torch.nn.CrossEntropyLoss, torch.nn.CrossEntropyLoss], weights=[1.0, 0.5])
    made = learner(loss=several, cbs=MultiLossCallback())
    made.fit(1)
    assert made.recorder.losses[-1].isfinite()


def test_the_learning_rate_finder(learner: Any) -> None:
    import matplotlib

    matplotlib.use("agg")
    import fastxtend.vision.all  # noqa: F401

    found = learner().lr_find(num_it=10, show_plot=False)
    assert found.valley > 0
