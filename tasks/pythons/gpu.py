"""NVIDIA's GPUs: what is there, and which builds of PyTorch run on them.

A build of PyTorch is for a version of CUDA, which it brings. Two things have to fit: the driver
must be new enough for it, and the build must hold code for the GPU.
"""

import csv
import io
import subprocess
from dataclasses import dataclass
from pathlib import Path

QUERY = ("--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader")
# Drivers before 510 do not know compute_cap.
OLD_QUERY = ("--query-gpu=name,driver_version", "--format=csv,noheader")

# The driver from which on programs of a major version of CUDA run ("minor version compatibility"):
# https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
# On Windows and in WSL the numbers of the Windows driver count.
DRIVERS = {12: (528, 33), 13: (580, 0)}
# The compute capability from which on a version of CUDA has code for a GPU, newest first:
# https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/, and for 13 the end of 5.x to 7.0.
NEEDS = {(10, 0): (12, 8), (9, 0): (11, 8), (8, 9): (11, 8)}
OLDEST = {12: (5, 0), 13: (7, 5)}


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


def cuda_range(gpu: Gpu) -> tuple[tuple[int, int] | None, int | None]:
    """Which versions of CUDA a build of PyTorch may be for, to run on this GPU.

    Returns:
        the oldest version (None: any), and the newest major version that its driver and its own
        generation allow (None: none that is made today).
    """
    capability = gpu.capability
    least = next((v for c, v in NEEDS.items() if capability and capability >= c), None)
    majors = [
        major
        for major, driver in DRIVERS.items()
        if gpu.driver >= driver and (capability is None or capability >= OLDEST[major])
    ]
    return least, max(majors, default=None)


def advice(gpu: Gpu) -> str:
    """What to know of this GPU, and what to do, in one line."""
    version = ".".join(map(str, gpu.driver))
    generation = ".".join(map(str, gpu.capability)) if gpu.capability else "not told"
    told = f"{gpu.name}, compute capability {generation}, driver {version}"
    least, most = cuda_range(gpu)
    if gpu.capability and gpu.capability < OLDEST[min(OLDEST)]:
        return f"{told}: too old for today's PyTorch, which will use the CPU"
    if most is None:
        return (
            f"{told}: too old a driver for CUDA {min(DRIVERS)}; get one from nvidia.com/drivers "
            f"({DRIVERS[min(DRIVERS)][0]} or newer; {DRIVERS[max(DRIVERS)][0]} for all builds)"
        )
    fits = f"PyTorch for CUDA {most}" + ("" if most == min(DRIVERS) else " or older")
    if least and least[0] == most and least[1]:
        fits = f"PyTorch for CUDA {least[0]}.{least[1]} or a newer {most}"
    elif least and least > (min(DRIVERS), 0):
        fits = f"PyTorch for CUDA {least[0]}.{least[1]} to {most}"
    return f"{told}: {fits}"


def conda_bounds(gpus: list[Gpu]) -> list[str]:
    """Package specifications by which conda's solver takes a CUDA that all these GPUs run.

    The solver knows the driver (its virtual package __cuda), but not the GPU: the newest build
    for the driver may hold no code for an old GPU.
    """
    ranges = [cuda_range(gpu) for gpu in gpus]
    least = max((low for low, _ in ranges if low), default=None)
    most = min((high for _, high in ranges if high), default=None)
    bounds = [f">={least[0]}.{least[1]}"] if least and least > (12, 0) else []
    if most is not None and most < max(DRIVERS):
        bounds.append(f"<{most + 1}")
    return [f"cuda-version {','.join(bounds)}"] if bounds else []
