"""Which builds of PyTorch run on a GPU, from what nvidia-smi prints."""

import os
from pathlib import Path

import pytest
from support import ROOT

from tasks.core.config_file import load
from tasks.pythons import gpu

CUDA = load(ROOT / "config.yaml").cuda

# What nvidia-smi prints for gpu.QUERY, one machine each.
GTX_1080 = "NVIDIA GeForce GTX 1080, 566.36, 6.1\n"
GTX_1060_NEW = "NVIDIA GeForce GTX 1060 6GB, 581.29, 6.1\n"
RTX_2080 = "NVIDIA GeForce RTX 2080 Ti, 581.29, 7.5\n"
RTX_3060_LAPTOP = "NVIDIA GeForce RTX 3060 Laptop GPU, 546.33, 8.6\n"
RTX_4090 = "NVIDIA GeForce RTX 4090, 560.94, 8.9\n"
RTX_5090 = "NVIDIA GeForce RTX 5090, 581.29, 12.0\n"
RTX_5080 = "NVIDIA GeForce RTX 5080, 572.16, 12.0\n"
TWO = "NVIDIA GeForce RTX 5090, 581.29, 12.0\nNVIDIA GeForce GTX 1080 Ti, 581.29, 6.1\n"
OLD_DRIVER = "NVIDIA GeForce RTX 3080, 471.41, 8.6\n"
NO_CAPABILITY = "NVIDIA GeForce GTX 1650, 496.49\n"
KEPLER = "NVIDIA GeForce GT 730, 475.14, 3.5\n"
WSL = "NVIDIA GeForce RTX 4070 Laptop GPU, 581.29, 8.9\n"
NONE = "No devices were found\n"
FAILED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n"
)


def only(text: str) -> gpu.Gpu:
    [found] = gpu.parse(text)
    return found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GTX_1080, "driver 566.36: PyTorch for CUDA 12"),
        (GTX_1060_NEW, "compute capability 6.1, driver 581.29: PyTorch for CUDA 12"),
        (RTX_2080, "PyTorch for CUDA 13 or older"),
        (RTX_3060_LAPTOP, "driver 546.33: PyTorch for CUDA 12"),
        (RTX_4090, "PyTorch for CUDA 12"),
        (RTX_5090, "compute capability 12.0, driver 581.29: PyTorch for CUDA 12.8 to 13"),
        (RTX_5080, "PyTorch for CUDA 12.8 or a newer 12"),
        (
            OLD_DRIVER,
            "too old a driver for CUDA 12; get one from nvidia.com/drivers (528.33",
        ),
        (NO_CAPABILITY, "compute capability not told, driver 496.49: too old a driver"),
        (KEPLER, "too old for today's PyTorch, which will use the CPU"),
        (WSL, "RTX 4070 Laptop GPU, compute capability 8.9, driver 581.29: PyTorch for CUDA 13"),
    ],
)
def test_a_gpu_is_told_with_the_builds_that_run_on_it(text, told):
    assert told in gpu.advice(only(text), CUDA)


@pytest.mark.parametrize("text", [NONE, FAILED, "", "\n"])
def test_no_gpu_is_no_gpu(text):
    assert gpu.parse(text) == []


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        (GTX_1080, ["cuda-version <13"]),
        (GTX_1060_NEW, ["cuda-version <13"]),
        (RTX_2080, []),
        (RTX_5090, ["cuda-version >=12.8"]),
        (RTX_5080, ["cuda-version >=12.8,<13"]),
        (TWO, ["cuda-version >=12.8,<13"]),
        (NONE, []),
    ],
)
def test_condas_solver_gets_the_bounds_that_it_cannot_know(text, bounds):
    assert gpu.conda_bounds(gpu.parse(text), CUDA) == bounds


def nvidia_smi(folder: Path, script: str) -> Path:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_nvidia_smi_is_asked_again_without_what_an_old_one_does_not_know(tmp_path):
    script = """
case "$1" in *compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2;; esac
echo "NVIDIA GeForce GTX 1650, 496.49"
"""
    assert gpu.ask(nvidia_smi(tmp_path, script)) == [
        gpu.Gpu("NVIDIA GeForce GTX 1650", (496, 49), None)
    ]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_a_program_that_fails_or_is_not_there_is_no_answer(tmp_path):
    assert gpu.ask(nvidia_smi(tmp_path, "exit 9")) is None
    assert gpu.ask(tmp_path / "absent") is None
