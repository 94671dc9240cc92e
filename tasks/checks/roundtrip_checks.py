"""The checks of the round trip, one process for all: importing torch takes seconds.

Usage: python roundtrip_checks.py FOLDER [CHECK...] (started and watched by roundtrip.py)

Prints an event per line: the mark `@@roundtrip `, then JSON.
FFCV's worker processes import this module again, so its own imports are light.
"""

import json
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import roundtrip_data as data

MARK = "@@roundtrip "
PATCHES = "patches/ffcv-1.0.2/"
# JPEG at quality 95 of a smooth image, decoded with libjpeg-turbo's fast DCT and upsampling.
JPEG_MEAN, JPEG_MAX = 2.0, 16
# When its helpers have ended, what a check has left to do takes no second.
ALONE_SECONDS = 20

WRITE_ONE = "write with 1 worker"
WRITE_TWO = "write with 2 workers, through fastxtend"
CROPS_OS = "random crops, os_cache=True"
CROPS_PROCESS = "random crops, os_cache=False"


class CheckError(Exception):
    """A check found a defect; the message says which."""


@dataclass(frozen=True)
class Check:
    """A check that may crash or hang.

    Args:
        name: shown, and stable.
        seconds: how long it may take.
        suspect: what is wrong, most likely, if it crashes or hangs.
        action: raises if something is wrong, returns what was seen.
        needs: names of checks without whose success this one means nothing.
        helpers: the processes or threads that it starts and that are alive. Once they have all
            ended, it is given ALONE_SECONDS: who waits for them waits for ever.
    """

    name: str
    seconds: float
    suspect: str
    action: Callable[[], str]
    needs: tuple[str, ...] = ()
    helpers: Callable[[], Sequence[object]] | None = None


def chosen(checks: list[Check], names: list[str]) -> list[Check]:
    """The named checks and those that they need, in their order; all if none is named."""
    wanted = set(names or [check.name for check in checks])
    unknown = wanted - {check.name for check in checks}
    if unknown:
        sys.exit(f"no check is called {', '.join(sorted(unknown))}")
    for check in reversed(checks):
        if check.name in wanted:
            wanted.update(check.needs)
    return [check for check in checks if check.name in wanted]


def epochs() -> list[threading.Thread]:
    """FFCV's threads that make batches."""
    return [one for one in threading.enumerate() if type(one).__name__ == "EpochIterator"]


def say(**event: object) -> None:
    """Send an event to roundtrip.py."""
    sys.stdout.write(MARK + json.dumps(event) + "\n")
    sys.stdout.flush()


def expect(condition: object, message: str) -> None:
    """Fail the check unless the condition holds."""
    if not condition:
        raise CheckError(message)


def run(checks: list[Check]) -> bool:
    """Run checks in order; True if all passed. One that hangs ends the process."""
    say(event="plan", names=[check.name for check in checks])
    passed: set[str] = set()
    for check in checks:
        say(event="start", name=check.name, seconds=check.seconds, suspect=check.suspect)
        started = time.perf_counter()
        missing = [need for need in check.needs if need not in passed]
        if missing:
            status, detail = "not run", f'"{missing[0]}" did not pass'
        else:
            status, detail = run_one(check)
        if status == "passed":
            passed.add(check.name)
        seconds = round(time.perf_counter() - started, 2)
        say(event="end", name=check.name, status=status, detail=detail, seconds=seconds)
    return len(passed) == len(checks)


def run_one(check: Check) -> tuple[str, str]:
    """Run a check under a watch: its status, and what was seen or went wrong."""
    ended = threading.Event()
    threading.Thread(target=watch, args=(check, ended), daemon=True).start()
    try:
        return "passed", check.action()
    except CheckError as error:
        detail = str(error)
        return "failed", detail if PATCHES in detail else f"{detail}; {check.suspect}"
    except BaseException as error:
        traceback.print_exc()
        return "failed", f"{type(error).__name__}: {error}; {check.suspect}"
    finally:
        ended.set()


def watch(check: Check, ended: threading.Event) -> None:
    """End this process when a check has hung."""
    started = time.monotonic()
    last_helped = float("inf")
    while not ended.wait(0.2):
        now = time.monotonic()
        if check.helpers and check.helpers():
            last_helped = now
        if now - started > check.seconds or now - last_helped > ALONE_SECONDS:
            give_up(check, now - started)


def give_up(check: Check, seconds: float) -> None:
    """End this process and its workers: the check has hung."""
    detail = f"no end after {seconds:.0f} s: {check.suspect}"
    say(event="end", name=check.name, status="failed", detail=detail, seconds=round(seconds, 2))
    for worker in multiprocessing.active_children():
        worker.kill()
    os._exit(1)


class RoundTrip:
    """The state that the checks share: files, and loaders that took seconds to compile."""

    def __init__(self, folder: Path) -> None:
        self.one = folder / "one-worker.beton"
        self.two = folder / "two workers ü.beton"
        self.loaders: dict[str, Any] = {}

    def checks(self) -> list[Check]:
        """All checks in their order."""
        writing = (
            "DatasetWriter does not get done, probably a worker died "
            f"({PATCHES}0002-writer-metadata-size, 0003-writer-dead-workers)"
        )
        mapped = "reading through the operating system's cache (os_cache=True) is broken"
        cached = (
            "the process cache (os_cache=False) cannot read the file "
            f"({PATCHES}0004-process-cache-reads)"
        )
        kept = f"FFCV keeps files open ({PATCHES}0006-release-files)"
        workers = multiprocessing.active_children
        one, two = self.one, self.two
        return [
            Check("import", 180, "import of ffcv or fastxtend is broken", self.imports),
            Check(WRITE_ONE, 120, writing, self.write_one, helpers=workers),
            Check(WRITE_TWO, 180, writing, self.write_two, helpers=workers),
            Check(
                "a dataset that fails in a worker is reported",
                120,
                f"DatasetWriter waits for a worker that died ({PATCHES}0003-writer-dead-workers)",
                self.broken_dataset,
                helpers=workers,
            ),
            Check(
                "an error while loading is reported",
                90,
                "the loop over a Loader waits for a thread that died "
                f"({PATCHES}0005-loader-thread-errors)",
                self.broken_pipeline,
                (WRITE_ONE,),
                helpers=epochs,
            ),
            Check(
                "read, os_cache=True", 150, mapped, lambda: self.read_all(one, True), (WRITE_ONE,)
            ),
            Check(
                "read, os_cache=False", 150, cached, lambda: self.read_all(two, False), (WRITE_TWO,)
            ),
            Check(CROPS_OS, 150, mapped, lambda: self.crops(two, True), (WRITE_TWO,)),
            Check(CROPS_PROCESS, 150, cached, lambda: self.crops(one, False), (WRITE_ONE,)),
            Check(
                "train with fastxtend and fastai",
                180,
                "fastxtend's Loader does not work with these versions of fastai and FFCV",
                self.train,
                (WRITE_ONE,),
            ),
            Check(
                "a file that is cut short is reported",
                90,
                f"a short read goes unnoticed ({PATCHES}0004-process-cache-reads, "
                "0005-loader-thread-errors)",
                self.short_file,
                (CROPS_PROCESS,),
            ),
            Check(
                "a file can be deleted after reading, os_cache=True",
                60,
                kept,
                lambda: self.release(True),
                (CROPS_OS,),
            ),
            Check(
                "a file can be deleted after reading, os_cache=False",
                60,
                kept,
                lambda: self.release(False),
                (CROPS_PROCESS,),
            ),
        ]

    def imports(self) -> str:
        import fastxtend.ffcv.all  # noqa: F401  (what people import)
        import ffcv  # noqa: F401

        return "ffcv, fastxtend.ffcv.all"

    def fields(self, image_field: Any) -> dict[str, Any]:
        from ffcv.fields import BytesField, FloatField, IntField, JSONField, NDArrayField

        return {
            "jpg": image_field(write_mode="jpg", jpeg_quality=95),
            "raw": image_field(write_mode="raw"),
            "index": IntField(),
            "integer": IntField(),
            "real": FloatField(),
            "blob": BytesField(),
            "document": JSONField(),
            "array": NDArrayField(np.dtype(np.float64), data.ARRAY_SHAPE),
        }

    def write_one(self) -> str:
        from ffcv.fields import RGBImageField
        from ffcv.writer import DatasetWriter

        return self.write(DatasetWriter, RGBImageField, self.one, workers=1)

    def write_two(self) -> str:
        from fastxtend.ffcv.all import DatasetWriter, RGBImageField

        return self.write(DatasetWriter, RGBImageField, self.two, workers=2)

    def write(self, writer_class: Any, image_field: Any, file: Path, workers: int) -> str:
        writer = writer_class(
            str(file), self.fields(image_field), page_size=1 << 21, num_workers=workers
        )
        size = writer.metadata_type.itemsize
        # Windows rounds shared memory up to whole pages
        pages = -(-data.SAMPLES * size // 4096)
        expect(pages * 4096 % size, f"records of {size} bytes would hide a defect: change them")
        try:
            writer.from_indexed_dataset(data.Samples(), chunksize=4)
        except RuntimeError as error:
            known = "buffer size must be a multiple of element size" in str(error)
            hint = f" ({PATCHES}0002-writer-metadata-size)" if known else ""
            raise CheckError(f"DatasetWriter cannot write{hint}: {error}") from error
        return f"{data.SAMPLES} samples, {file.stat().st_size:,} bytes"

    def broken_dataset(self) -> str:
        from ffcv.fields import RGBImageField
        from ffcv.writer import DatasetWriter

        file = self.one.with_name("broken.beton")
        writer = DatasetWriter(str(file), self.fields(RGBImageField), num_workers=2)
        try:
            writer.from_indexed_dataset(data.BrokenSamples(), chunksize=4)
        except RuntimeError as error:
            expect(
                data.BrokenSamples.MESSAGE in str(error),
                f"the error does not say what happened in the worker: {error}",
            )
            return "the worker's error came back"
        raise CheckError("DatasetWriter said nothing about a dataset that failed")

    def broken_pipeline(self) -> str:
        import torch
        from ffcv.fields.decoders import IntDecoder
        from ffcv.loader import Loader
        from ffcv.transforms import ToTensor

        class Broken(torch.nn.Module):  # type: ignore[misc]
            def forward(self, batch: Any) -> Any:
                raise ValueError("this transform is broken on purpose")

        pipelines = dict.fromkeys(self.fields(lambda **_: None))
        pipelines["index"] = [IntDecoder(), ToTensor(), Broken()]
        loader = Loader(str(self.one), batch_size=8, num_workers=1, pipelines=pipelines)
        try:
            for _ in loader:
                pass
        except ValueError as error:
            return f"ValueError: {error}"
        raise CheckError("a transform failed, and the loop ended as if all were well")

    def read_all(self, file: Path, os_cache: bool) -> str:
        """Every field, in order, with the default pipelines; batches that do not divide."""
        from ffcv.fields import JSONField
        from ffcv.loader import Loader

        loader = Loader(str(file), batch_size=10, num_workers=1, os_cache=os_cache, drop_last=False)
        seen: list[int] = []
        worst, total = 0, 0.0
        for batch in loader:
            jpg, raw, index, integer, real, blob, document, array = (b.numpy() for b in batch)
            documents = JSONField.unpack(document)
            for row in range(len(index)):
                i = int(index[row, 0])
                bytes_wanted = data.blob(i)
                exact = {
                    "raw": (raw[row], data.image(i)),
                    "integer": (int(integer[row, 0]), data.integer(i)),
                    "real": (float(real[row, 0]), data.real(i)),
                    "blob": (blob[row, : len(bytes_wanted)], bytes_wanted),
                    "document": (documents[row], data.document(i)),
                    "array": (array[row], data.array(i)),
                }
                for field, (got, wanted) in exact.items():
                    expect(
                        np.array_equal(got, wanted),
                        data.describe_difference(i, field, got, wanted),
                    )
                difference = np.abs(jpg[row].astype(int) - data.image(i))
                worst, total = max(worst, int(difference.max())), total + difference.mean()
                seen.append(i)
        expect(seen == list(range(data.SAMPLES)), f"wrote 0 to {data.SAMPLES - 1}, read {seen}")
        mean = total / data.SAMPLES
        expect(
            mean <= JPEG_MEAN and worst <= JPEG_MAX,
            f"JPEG differs from its source by {mean:.2f} on average and {worst} at most; "
            f"allowed are {JPEG_MEAN} and {JPEG_MAX}: the decoder is broken",
        )
        return f"all values equal; JPEG off by {mean:.2f} on average, {worst} at most"

    def crops(self, file: Path, os_cache: bool) -> str:
        """Two epochs in random order, with random-resized crops, by two threads."""
        from ffcv.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
        from ffcv.loader import Loader, OrderOption
        from ffcv.transforms import ToTensor

        size = 20
        pipelines: dict[str, Any] = dict.fromkeys(self.fields(lambda **_: None))
        pipelines["index"] = [IntDecoder(), ToTensor()]
        for name in ("jpg", "raw"):
            crop = RandomResizedCropRGBImageDecoder((size, size), scale=(0.3, 0.9))
            pipelines[name] = [crop, ToTensor()]
        loader = Loader(
            str(file),
            batch_size=6,
            num_workers=2,
            os_cache=os_cache,
            order=OrderOption.RANDOM,
            seed=1,
            pipelines=pipelines,
        )
        self.loaders[f"os_cache={os_cache}"] = loader
        orders, red = [], []
        for _ in range(2):
            order: list[int] = []
            for *images, indices in loader:
                for row, i in enumerate(indices.numpy()[:, 0].tolist()):
                    for name, batch, slack in zip(
                        ("jpg", "raw"), images, (JPEG_MAX, 1), strict=True
                    ):
                        check_crop(batch[row].numpy().astype(int), i, name, slack)
                    red.append(float(images[1][row].numpy()[..., 0].mean()))
                    order.append(i)
            expect(
                sorted(order) == list(range(data.SAMPLES)),
                f"an epoch in random order gave {sorted(order)}, not every sample once",
            )
            orders.append(order)
        expect(
            orders[0] != orders[1] != sorted(orders[1]), "the random order is the same each time"
        )
        expect(np.std(red) > 1, "all random crops are the same")
        return "2 epochs of crops from the right places of the right images"

    def train(self) -> str:
        """fastxtend's Loader in fastai's DataLoaders and Learner: one epoch of four steps."""
        import torch
        from fastai.data.core import DataLoaders
        from fastai.data.transforms import IntToFloatTensor
        from fastai.learner import Learner
        from fastxtend.ffcv.all import (
            CenterCropRGBImageDecoder,
            IntDecoder,
            Loader,
            OrderOption,
            RandomResizedCropRGBImageDecoder,
        )
        from fastxtend.ffcv.operations import ToTensorImage
        from ffcv.transforms import Squeeze, ToTensor

        def loader(order: Any, decoder: Any) -> Any:
            pipelines = {
                "jpg": [decoder, ToTensorImage()],
                "index": [IntDecoder(), ToTensor(), Squeeze(1)],
                **dict.fromkeys(("raw", "integer", "real", "blob", "document", "array")),
            }
            return Loader(
                self.one,
                batch_size=6,
                num_workers=1,
                order=order,
                pipelines=pipelines,
                batch_tfms=[IntToFloatTensor()],
                device="cpu",
                n_inp=1,
            )

        loaders = DataLoaders(
            loader(OrderOption.RANDOM, RandomResizedCropRGBImageDecoder((16, 16))),
            loader(OrderOption.SEQUENTIAL, CenterCropRGBImageDecoder((16, 16), ratio=1)),
            device="cpu",
        )
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.LazyLinear(data.SAMPLES)
        )
        model(torch.zeros(1, 3, 16, 16))
        before = model[0].weight.detach().clone()
        learner = Learner(loaders, model, loss_func=torch.nn.CrossEntropyLoss(), lr=1e-3)
        learner.fit(1)
        losses = [float(loss) for loss in learner.recorder.losses]
        steps = data.SAMPLES // 6
        expect(
            len(losses) == steps and np.isfinite(losses).all(),
            f"expected {steps} steps with finite losses, got {losses}",
        )
        expect(not torch.equal(before, model[0].weight), "the model did not change in training")
        return f"{steps} steps, losses {', '.join(f'{loss:.1f}' for loss in losses)}"

    def short_file(self) -> str:
        loader = self.loaders["os_cache=False"]
        try:
            with Path(loader.fname).open("r+b") as file:
                file.truncate(2_500_000)
        except OSError as error:
            raise CheckError(
                f"{Path(loader.fname).name} cannot be written again after it was read: {error}; "
                f"FFCV keeps it open ({PATCHES}0006-release-files)"
            ) from error
        try:
            for _ in loader:
                pass
        except OSError as error:
            return f"OSError: {error}"
        raise CheckError(
            f"half of the file is gone, and reading it went on ({PATCHES}0004-process-cache-reads)"
        )

    def release(self, os_cache: bool) -> str:
        loader = self.loaders[f"os_cache={os_cache}"]
        if os_cache:  # the other one's file was cut short
            for _ in loader:
                break
        file = Path(loader.fname)
        try:
            file.unlink()
        except OSError as error:
            raise CheckError(
                f"{file.name} cannot be deleted after it was read: {error}; FFCV keeps it "
                f"open ({PATCHES}0006-release-files)"
            ) from error
        return "after a whole epoch" + (", and one that was left early" if os_cache else "")


def check_crop(crop: Any, index: int, field: str, slack: int) -> None:
    """Fail unless a crop comes from the image of this sample.

    Args:
        crop: int (height, width, 3).
        slack: how much a value may differ from the source image's.
    """
    red, green, blue = crop[..., 0], crop[..., 1], crop[..., 2]
    where = f"sample {index}, crop of {field}"
    expect(
        np.abs(blue - 10 * index).max() <= slack,
        f"{where}: blue is {blue.min()} to {blue.max()}, not {10 * index}: another image",
    )
    columns, rows = red.mean(0), green.mean(1)
    expect(
        (np.diff(columns) > 0).all() and (np.diff(rows) > 0).all(),
        f"{where}: red does not grow to the right or green not downwards",
    )
    expect(
        columns[-1] <= 3 * (data.WIDTH - 1) + slack and rows[-1] <= 4 * (data.HEIGHT - 1) + slack,
        f"{where}: values beyond the image's",
    )


def versions() -> dict[str, str]:
    """What was tested."""
    import platform
    from importlib import metadata

    names = ("ffcv", "fastxtend", "numpy", "numba", "torch", "fastai", "opencv-python-headless")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def main() -> int:
    """Run checks in a folder; 0 if they passed."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    say(event="versions", versions=versions())
    passed = run(chosen(RoundTrip(folder).checks(), sys.argv[2:]))
    say(event="done")
    sys.stdout.flush()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
