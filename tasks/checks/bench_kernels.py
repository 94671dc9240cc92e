"""Runs in a Python of Windows or of the host: how long FFCV's two kernels take, and their rivals.

Usage: python bench_kernels.py SETTINGS

SETTINGS is a JSON object: "extension", the _libffcv to measure; "folders", where its DLLs are;
"pictures", a folder for them, "count", "height", "width"; "to", the side after resizing; "rounds",
"seconds" of each measurement.

In each round everybody has a turn, so that what else the machine does meets all alike. Prints one
JSON object: operation -> contender -> microseconds a call, one number a round; and versions. One
thread (OPENCV_FOR_THREADS_NUM=1 is expected, too: OpenCV 4.6, modules/core/src/parallel.cpp).
"""

import ctypes
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench_images
import numpy as np

OWN = "FFCV"
Work = Callable[[int], object]


def _extension(settings: dict[str, Any]) -> Any:
    """FFCV's library, called as ffcv/libffcv.py calls it; without the package, which wants torch.

    The same conversions of arguments: they are part of what a call costs.
    """
    for folder in settings["folders"]:
        os.add_dll_directory(folder)  # type: ignore[attr-defined,unused-ignore]
    library = ctypes.CDLL(settings["extension"])
    library.resize.argtypes = 11 * [ctypes.c_int64]
    library.imdecode.argtypes = [
        ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p,
        ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32,
        ctypes.c_uint32, ctypes.c_bool, ctypes.c_bool,
    ]  # fmt: skip
    return library


def _own(settings: dict[str, Any], encoded: list[Any], decoded: list[Any]) -> dict[str, Work]:
    library = _extension(settings)
    height, width, to = settings["height"], settings["width"], settings["to"]
    picture = np.zeros((height, width, 3), np.uint8)
    small = np.zeros((to, to, 3), np.uint8)

    def imdecode(number: int) -> None:
        source = encoded[number]
        status = library.imdecode(
            source.ctypes.data, source.size, height, width, picture.ctypes.data,
            height, width, 0, 0, 1, 1, False, False,
        )  # fmt: skip
        if status:
            raise RuntimeError(f"imdecode returned {status}")

    def resize(number: int) -> None:
        library.resize(
            0, decoded[number].ctypes.data, height, width, 0, height, 0, width,
            small.ctypes.data, to, to,
        )  # fmt: skip

    imdecode(0)
    if np.abs(picture.astype(int) - decoded[0]).mean() > 3:
        raise RuntimeError("FFCV and OpenCV decode different pictures")
    return {"imdecode": imdecode, "resize": resize}


def _rivals(
    settings: dict[str, Any], encoded: list[Any], decoded: list[Any]
) -> dict[str, dict[str, Work]]:
    import cv2
    import simplejpeg

    cv2.setNumThreads(1)
    to = (settings["to"], settings["to"])
    contents = [each.tobytes() for each in encoded]
    options = {"fastdct": True, "fastupsample": False}
    return {
        "imdecode": {
            # With FFCV's own options of libjpeg-turbo, and with simplejpeg's.
            "simplejpeg, fastdct": lambda n: simplejpeg.decode_jpeg(contents[n], **options),
            "simplejpeg": lambda n: simplejpeg.decode_jpeg(contents[n]),
            "cv2": lambda n: cv2.imdecode(encoded[n], cv2.IMREAD_COLOR),
        },
        "resize": {"cv2": lambda n: cv2.resize(decoded[n], to, interpolation=cv2.INTER_AREA)},
    }


def measure(work: Work, count: int, seconds: float) -> float:
    """Microseconds a call, over at least `seconds` of calls with pictures in turn."""
    work(0)
    calls, started = 0, time.perf_counter()
    while True:
        for number in range(count):
            work(number)
        calls += count
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return 1e6 * elapsed / calls


def main() -> int:
    """Measure what the settings say."""
    import cv2
    import simplejpeg

    settings = json.loads(sys.argv[1])
    count = settings["count"]
    files = bench_images.lay(
        Path(settings["pictures"]), count, settings["height"], settings["width"]
    )
    encoded = [np.fromfile(file, np.uint8) for file in files]
    decoded = [
        cv2.cvtColor(cv2.imdecode(each, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for each in encoded
    ]
    works: dict[str, dict[str, Work]] = {
        operation: {OWN: work} for operation, work in _own(settings, encoded, decoded).items()
    }
    for operation, others in _rivals(settings, encoded, decoded).items():
        works[operation] |= others
    versions = {
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "cv2": cv2.__version__,
        "simplejpeg": simplejpeg.__version__,
    }
    taken: dict[str, dict[str, list[float]]] = {
        operation: {name: [] for name in contenders} for operation, contenders in works.items()
    }
    for _ in range(settings["rounds"]):
        for operation, contenders in works.items():
            for name, work in contenders.items():
                taken[operation][name].append(measure(work, count, settings["seconds"]))
    bits = 8 * sum(each.size for each in encoded) / count / settings["height"] / settings["width"]
    outcome = {"microseconds": taken, "versions": versions, "bits_per_pixel": round(bits, 2)}
    print(json.dumps(outcome), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
