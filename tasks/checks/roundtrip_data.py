"""The dataset of the round trip: every value follows from the sample's number.

FFCV's worker processes import this module, so it imports no more than numpy.
"""

import json
from typing import Any

import numpy as np

SAMPLES = 24
HEIGHT, WIDTH = 48, 64
# Large enough that the samples need several pages of 2 MiB, the smallest that FFCV allows.
ARRAY_SHAPE = (160, 128)


def image(index: int) -> Any:
    """uint8 (HEIGHT, WIDTH, 3): red grows with x, green with y, blue is the sample's number.

    So an arbitrary crop still tells which sample it is and where it was cut.
    """
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[..., 0] = 3 * np.arange(WIDTH, dtype=np.uint8)
    pixels[..., 1] = 4 * np.arange(HEIGHT, dtype=np.uint8)[:, None]
    pixels[..., 2] = 10 * index
    return pixels


def integer(index: int) -> int:
    """A number that needs 64 bits."""
    return (index + 1) * -(2**40) - index


def real(index: int) -> float:
    """A number that a 32-bit float would change."""
    return float(np.sin(index + 1.0) * 1e-9)


def blob(index: int) -> Any:
    """Bytes of a length that differs from sample to sample."""
    return np.arange(index, index + 11 + 13 * index, dtype=np.uint64).astype(np.uint8)


def document(index: int) -> dict[str, Any]:
    """JSON with text beyond ASCII."""
    return {"index": index, "text": "Größe 大きさ", "list": list(range(index)), "none": None}


def array(index: int) -> Any:
    """A float64 array of 160 KiB."""
    return np.random.default_rng(index).standard_normal(ARRAY_SHAPE)


class Samples:
    """What DatasetWriter reads: samples 0 to SAMPLES - 1 in the order of the fields."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        index = int(index)
        picture = image(index)
        return (
            picture,
            picture,
            index,
            integer(index),
            real(index),
            blob(index),
            document(index),
            array(index),
        )


class BrokenSamples(Samples):
    """A dataset that fails in the worker process."""

    MESSAGE = "sample 5 is broken on purpose"

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if index == 5:
            raise ValueError(self.MESSAGE)
        return super().__getitem__(index)


def describe_difference(index: int, field: str, got: Any, wanted: Any) -> str:
    """A short line for a value that came back changed."""
    return f"sample {index}, {field}: wrote {_short(wanted)}, read {_short(got)}"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} {value.ravel()[:6].tolist()}..."
    text = json.dumps(value, ensure_ascii=True) if isinstance(value, dict) else repr(value)
    return text if len(text) < 80 else text[:77] + "..."
