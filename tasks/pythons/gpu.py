"""NVIDIA's GPUs: what is there, and which builds of PyTorch run on them.

A build of PyTorch is for a version of CUDA, which it brings. Two things have to fit: the driver
must be new enough for it, and the build must hold code for the GPU.
"""

import csv
import io
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tasks.core.config import Cuda

QUERY = ("--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader")
# Drivers before 510 do not know compute_cap.
OLD_QUERY = ("--query-gpu=name,driver_version", "--format=csv,noheader")


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Args:
        driver: the version of the driver: (572, 16).
        capability: (12, 0) for an RTX 50; None if an old driver does not tell.
    """

    name: str
    driver: tuple[int, ...]
    capability: tuple[int, int] | None


def parse(text: str) -> list[Gpu]:
    """The GPUs that nvidia-smi lists; none where it says instead that there is none.

    Args:
        text: what it prints for `QUERY` or `OLD_QUERY`.
    """
    gpus = []
    for row in csv.reader(io.StringIO(text), skipinitialspace=True):
        if len(row) < 2 or not row[1].replace(".", "").isdigit():
            continue  # "No devices were found", and lines of failures
        driver = tuple(int(part) for part in row[1].split("."))
        capability = row[2].split(".") if len(row) > 2 else []
        known = len(capability) == 2 and all(part.isdigit() for part in capability)
        major_minor = (int(capability[0]), int(capability[1])) if known else None
        gpus.append(Gpu(row[0], driver, major_minor))
    return gpus


def ask(program: Path) -> list[Gpu] | None:
    """Ask nvidia-smi; None if it gives no answer."""
    for query in (QUERY, OLD_QUERY):
        try:
            done = subprocess.run(
                [str(program), *query], capture_output=True, text=True, errors="replace",
                timeout=20, check=False,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return None
        if done.returncode == 0:
            return parse(done.stdout)
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def cuda_range(gpu: Gpu, cuda: Cuda) -> tuple[str | None, int | None]:
    """Which versions of CUDA a build of PyTorch may be for, to run on this GPU.

    Returns:
        the oldest version (None: any), and the newest major version that its driver and its own
        generation allow (None: none that is made today).
    """
    capability = gpu.capability
    since = [
        first
        for needed, first in sorted(cuda.since.items(), key=lambda item: _numbers(item[0]))
        if capability and capability >= _numbers(needed)
    ]
    majors = [
        int(major)
        for major, asks in cuda.majors.items()
        if gpu.driver >= _numbers(asks.driver)
        and (capability is None or capability >= _numbers(asks.capability))
    ]
    return (since[-1] if since else None), max(majors, default=None)


def advice(gpu: Gpu, cuda: Cuda) -> str:
    """What to know of this GPU, and what to do, in one line."""
    version = ".".join(map(str, gpu.driver))
    generation = ".".join(map(str, gpu.capability)) if gpu.capability else "not told"
    told = f"{gpu.name}, compute capability {generation}, driver {version}"
    least, most = cuda_range(gpu, cuda)
    oldest = min(cuda.majors, key=int)
    if gpu.capability and gpu.capability < _numbers(cuda.majors[oldest].capability):
        return f"{told}: too old for today's PyTorch, which will use the CPU"
    if most is None:
        newest = cuda.majors[max(cuda.majors, key=int)]
        return (
            f"{told}: too old a driver for CUDA {oldest}; get one from nvidia.com/drivers "
            f"({cuda.majors[oldest].driver} or newer; {newest.driver} for all builds)"
        )
    if least is None or _numbers(least) < (int(oldest),):
        return f"{told}: PyTorch for CUDA {most}{'' if most == int(oldest) else ' or older'}"
    if _numbers(least)[0] == most:
        return f"{told}: PyTorch for CUDA {least} or a newer {most}"
    return f"{told}: PyTorch for CUDA {least} to {most}"


def conda_bounds(gpus: list[Gpu], cuda: Cuda) -> list[str]:
    """Package specifications by which conda's solver takes a CUDA that all these GPUs run.

    The solver knows the driver (its virtual package __cuda), but not the GPU: the newest build
    for the driver may hold no code for an old GPU.
    """
    ranges = [cuda_range(gpu, cuda) for gpu in gpus]
    least = max((low for low, _ in ranges if low), key=_numbers, default=None)
    most = min((high for _, high in ranges if high), default=None)
    majors = [int(major) for major in cuda.majors]
    bounds = [f">={least}"] if least and _numbers(least) > (min(majors),) else []
    if most is not None and most < max(majors):
        bounds.append(f"<{most + 1}")
    return [f"cuda-version {','.join(bounds)}"] if bounds else []
