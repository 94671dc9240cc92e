"""Runs in a Python of Windows or of the host: how many images a second each loader delivers.

Usage: python bench_loading.py SETTINGS

SETTINGS is a JSON object: "data", the folder of the pictures and datasets, which are made where
they are missing; "format" (jpg or raw), "side" (the longer one of a picture), "images", "batch",
"workers", "to" (the side after RandomResizedCrop), "rounds", "contenders".

All deliver batches of uint8 pictures, cut and scaled anew each time (scale 0.08 to 1, ratio 3/4 to
4/3), in random order. In each round everybody has a turn of one epoch; the first epoch of each,
in which code is compiled and workers start, is not counted. Prints one JSON object: contender ->
images a second, one number a round; versions; who could not be measured, and why.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bench_images
import numpy as np

DISTINCT = 64  # pictures; a dataset has them again and again, each time in another place
SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
Epoch = Callable[[], Iterator[int]]


class Pictures:
    """A dataset for FFCV's writer and for torch: (picture, label)."""

    def __init__(self, files: list[str], count: int):
        self.files, self.count = files, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import cv2

        pixels = cv2.imread(self.files[index % len(self.files)])
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), int(index)


class Files:
    """The same for torch: JPEG files, opened with Pillow, as torchvision's ImageFolder does."""

    def __init__(self, files: list[str], count: int, transform: Any):
        self.files, self.count, self.transform = files, count, transform

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        with Image.open(self.files[index % len(self.files)]) as image:
            return self.transform(image.convert("RGB")), index


class Pixels:
    """Raw pictures in one .npy file, mapped into memory."""

    def __init__(self, file: str, transform: Any):
        self.file, self.transform = file, transform
        self.count = len(np.load(file, mmap_mode="r"))
        self.mapped: Any = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch

        if self.mapped is None:  # once in each worker
            self.mapped = np.load(self.file, mmap_mode="r")
        pixels = torch.from_numpy(np.array(self.mapped[index])).permute(2, 0, 1)
        return self.transform(pixels), index


def _size(settings: dict[str, Any]) -> tuple[int, int]:
    return settings["side"] * 3 // 4, settings["side"]


def lay(settings: dict[str, Any]) -> tuple[list[str], Path, Path]:
    """The JPEG files, FFCV's dataset and the .npy file, made where they are missing."""
    from ffcv.fields import IntField, RGBImageField
    from ffcv.writer import DatasetWriter

    folder, count = Path(settings["data"]), settings["images"]
    height, width = _size(settings)
    files = bench_images.lay(folder / str(width), min(DISTINCT, count), height, width)
    names = [str(file) for file in files]
    dataset = Pictures(names, count)
    beton = folder / f"{settings['format']}-{width}-{count}.beton"
    if not beton.is_file():
        unfinished = beton.with_suffix(".tmp")
        field = RGBImageField(write_mode=settings["format"], jpeg_quality=bench_images.QUALITY)
        writer = DatasetWriter(
            str(unfinished), {"image": field, "label": IntField()}, num_workers=1
        )
        writer.from_indexed_dataset(dataset)
        unfinished.replace(beton)
    pixels = folder / f"{width}-{count}.npy"
    if settings["format"] == "raw" and not pixels.is_file():
        unfinished = pixels.with_suffix(".tmp")
        mapped = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (count, height, width, 3))
        for number in range(count):
            mapped[number] = dataset[number][0]
        mapped.flush()
        del mapped
        unfinished.replace(pixels)
    return names, beton, pixels


def ffcv_loader(settings: dict[str, Any], beton: Path) -> Epoch:
    """FFCV's Loader."""
    from ffcv.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import ToTensor

    to = settings["to"]
    crop = RandomResizedCropRGBImageDecoder((to, to), scale=SCALE, ratio=RATIO)
    loader = Loader(
        str(beton),
        batch_size=settings["batch"],
        num_workers=settings["workers"],
        order=OrderOption.RANDOM,
        os_cache=True,
        drop_last=False,
        pipelines={"image": [crop, ToTensor()], "label": [IntDecoder(), ToTensor()]},
    )

    def epoch() -> Iterator[int]:
        for images, _ in loader:
            yield len(images)

    return epoch


def torch_loader(settings: dict[str, Any], files: list[str], pixels: Path) -> Epoch:
    """PyTorch's DataLoader with torchvision; its workers live from epoch to epoch."""
    from torch.utils.data import DataLoader
    from torchvision.transforms import v2

    crop = v2.RandomResizedCrop(settings["to"], scale=SCALE, ratio=RATIO, antialias=True)
    dataset: Any
    if settings["format"] == "raw":
        dataset = Pixels(str(pixels), crop)
    else:
        dataset = Files(files, settings["images"], v2.Compose([crop, v2.PILToTensor()]))
    loader = DataLoader(
        dataset, batch_size=settings["batch"], shuffle=True, num_workers=settings["workers"],
        persistent_workers=True,
    )  # fmt: skip

    def epoch() -> Iterator[int]:
        for images, _ in loader:
            yield len(images)

    return epoch


def _box(rng: Any, height: int, width: int) -> tuple[int, int, int, int]:
    """A random crop as torchvision's RandomResizedCrop has it: top, left, height, width."""
    low, high = np.log(RATIO)
    for _ in range(10):
        area = height * width * rng.uniform(*SCALE)
        ratio = np.exp(rng.uniform(low, high))
        w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def spdl_loader(settings: dict[str, Any], files: list[str], pixels: Path) -> Epoch:
    """SPDL's pipeline of threads; pictures are decoded by simplejpeg and scaled by cv2.

    SPDL's own decoder wants FFmpeg's libraries, which its wheels do not bring.
    """
    import cv2
    import simplejpeg
    from spdl.pipeline import PipelineBuilder

    cv2.setNumThreads(1)
    to, count, raw = settings["to"], settings["images"], settings["format"] == "raw"
    mapped = np.load(pixels, mmap_mode="r") if raw else None
    rng = np.random.default_rng(0)

    def load(job: tuple[int, Any]) -> Any:
        number, chance = job
        if mapped is not None:
            picture = mapped[number]
        else:
            content = Path(files[number % len(files)]).read_bytes()
            picture = simplejpeg.decode_jpeg(content, fastdct=True)
        top, left, height, width = _box(chance, *picture.shape[:2])
        part = picture[top : top + height, left : left + width]
        return cv2.resize(part, (to, to), interpolation=cv2.INTER_AREA)

    def epoch() -> Iterator[int]:
        order = rng.permutation(count)
        jobs = list(zip(order.tolist(), rng.spawn(count), strict=True))
        pipeline = (
            PipelineBuilder()
            .add_source(jobs)
            .pipe(load, concurrency=settings["workers"])
            .aggregate(settings["batch"])
            .pipe(np.stack)
            .add_sink(3)
            .build(num_threads=settings["workers"])
        )
        with pipeline.auto_stop():
            for images in pipeline:
                yield len(images)

    return epoch


def rate(epoch: Epoch, count: int) -> float:
    """Images a second in one epoch.

    Raises:
        RuntimeError: it delivered another number of images.
    """
    started = time.perf_counter()
    got = sum(epoch())
    elapsed = time.perf_counter() - started
    if got != count:
        raise RuntimeError(f"{got} images of {count} came")
    return count / elapsed


def main() -> int:
    """Measure what the settings say."""
    import torch

    torch.set_num_threads(1)
    settings = json.loads(sys.argv[1])
    files, beton, pixels = lay(settings)
    makers: dict[str, Callable[[], Epoch]] = {
        "FFCV": lambda: ffcv_loader(settings, beton),
        "torch DataLoader": lambda: torch_loader(settings, files, pixels),
        "SPDL": lambda: spdl_loader(settings, files, pixels),
    }
    epochs: dict[str, Epoch] = {}
    missing: dict[str, str] = {}
    for name in settings["contenders"]:
        try:
            epochs[name] = makers[name]()
            rate(epochs[name], settings["images"])
        except (
            Exception
        ) as error:  # whatever keeps a rival from working is told, and no reason to end
            epochs.pop(name, None)
            missing[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    taken: dict[str, list[float]] = {name: [] for name in epochs}
    for _ in range(settings["rounds"]):
        for name, epoch in epochs.items():
            taken[name].append(rate(epoch, settings["images"]))
    import importlib.metadata as installed

    names = ("ffcv", "torch", "torchvision", "numba", "numpy", "spdl", "simplejpeg", "pillow")
    versions = {"Python": sys.version.split()[0]}
    for name in names:
        try:
            versions[name] = installed.version(name)
        except installed.PackageNotFoundError:
            continue
    print(json.dumps({"rates": taken, "missing": missing, "versions": versions}), flush=True)
    # Workers and threads of the loaders are of no more use.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
