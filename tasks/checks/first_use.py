"""Runs in a Windows Python: FFCV as it was installed there decodes a JPEG, as OpenCV does.

Usage: python first_use.py

Prints one line of JSON: where the packages lie, which cv2 it is, and how far the pictures are
apart. The exit status is 0 if they show the same.
"""

import json
import sys
from importlib import metadata
from typing import Any

import numpy as np

# libjpeg-turbo's fast DCT and OpenCV's own decoder may differ by this much, of 255.
TOLERANCE = 6


def picture() -> Any:
    """A smooth picture, (96, 128, 3) of uint8."""
    y, x = np.mgrid[0:96, 0:128]
    return np.dstack([2 * x, 2 * y, x + y]).astype(np.uint8)


def main() -> int:
    """Decode with both, and compare."""
    import cv2
    import ffcv
    from ffcv.libffcv import imdecode

    _, encoded = cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_QUALITY, 95])
    encoded = encoded.ravel()
    wanted = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    height, width = wanted.shape[:2]
    got = np.zeros_like(wanted)
    imdecode(encoded, got, height, width, height, width, 0, 0, 1, 1, False, False)
    apart = int(np.abs(got.astype(int) - wanted).max())
    names = {d.metadata["Name"].lower() for d in metadata.distributions()}
    outcome = {
        "ffcv": ffcv.__file__,
        "version": metadata.version("ffcv"),
        "cv2": cv2.__file__,
        "opencv": sorted(name for name in names if name.startswith("opencv")),
        "prefix": sys.prefix,
        "apart": apart,
    }
    print(json.dumps(outcome), flush=True)
    return 0 if apart <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
