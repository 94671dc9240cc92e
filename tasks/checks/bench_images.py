"""Pictures to measure with: nobody's photographs, and as hard to decode as photographs are.

The amplitudes of natural images fall with frequency as 1/f (D. J. Field, "Relations between the
statistics of natural images and the response properties of cortical cells", 1987); on top of that
lie discs with sharp edges, one before the other. At quality 90 a picture takes about as many bits
a pixel as a photograph.
"""

from pathlib import Path
from typing import Any

import numpy as np

QUALITY = 90
_DISCS = 14


def _field(rng: Any, height: int, width: int, fall: float) -> Any:
    """A random field of mean 0 and deviation 1, whose amplitudes fall as 1/f**fall."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    noise = rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)
    field = np.fft.irfft2(noise / frequency**fall, s=(height, width))
    return field / field.std()


def picture(seed: int, height: int, width: int) -> Any:
    """A picture, uint8 (height, width, 3), the same for the same arguments."""
    rng = np.random.default_rng(seed)
    light = _field(rng, height, width, 1.35)
    y, x = np.mgrid[0:height, 0:width]
    for _ in range(_DISCS):
        radius = rng.uniform(0.04, 0.2) * height
        disc = np.hypot(y - rng.uniform(0, height), x - rng.uniform(0, width)) < radius
        light = np.where(disc, 0.5 * light + rng.normal(), light)
    colour = [0.35 * _field(rng, height, width, 1.4) for _ in range(2)]
    red, blue = light + colour[0], light + colour[1]
    green = light - 0.5 * (colour[0] + colour[1])
    return np.clip(125 + 48 * np.dstack([red, green, blue]), 0, 255).astype(np.uint8)


def lay(folder: Path, count: int, height: int, width: int) -> list[Path]:
    """Write pictures as JPEG files, unless they are there; returns them in order."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:05d}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        if not file.is_file():
            pixels = cv2.cvtColor(picture(number, height, width), cv2.COLOR_RGB2BGR)
            _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            unfinished = file.with_suffix(".tmp")
            unfinished.write_bytes(encoded.tobytes())
            unfinished.replace(file)
    return files
