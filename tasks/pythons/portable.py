"""A Windows Python that runs from where it is unpacked, and its locked wheels.

    extracted Windows CPython --copied--> build/.../env/   python.exe, DLLs, Lib, include, libs
    envs/...txt, hash-locked  --uv-->     build/.../env/Lib/site-packages/

Nothing here runs Windows code: uv resolves and unpacks wheels for a platform that is not
this one.
"""

import os
import re
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from tasks.core import host, manifest, process
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, made_whole, remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project, Target

UV_PLATFORM = "x86_64-pc-windows-msvc"  # uv's name for win_amd64 (uv pip install --help)


def uv_environment(cache: Path) -> dict[str, str]:
    """What uv runs in: the project's cache, and the Python that runs doit.

    uv wants an interpreter even where it installs for another one, and looks for it on PATH,
    where Windows may have none; it knows the user's certificates and mirror by other names than
    requests and pip.
    https://docs.astral.sh/uv/reference/environment/
    """
    variables = {
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    # uv has a name of its own for the mirror that pip uses.
    mirror = os.environ.get("PIP_INDEX_URL")
    if mirror and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys():
        variables["UV_DEFAULT_INDEX"] = mirror
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle and "SSL_CERT_FILE" not in os.environ:
        variables["SSL_CERT_FILE"] = bundle
    return host.environment(variables)


def make_python(project: Project, artifact: str, job: Job) -> Made:
    """Lay down a Windows Python without the packages that its distributor added."""
    lay_down(project, artifact, project.environment)
    return Made(
        f"Windows CPython {project.target.version}",
        where=project.environment,
        root=project.environment,
        files=manifest.record(project.environment),
    )


# What Microsoft's redistributable installs beside what python.org's Python has of its own.
CXX_RUNTIME = re.compile(
    r"((msvcp|concrt|vccorlib|vcomp|vcamp)140.*|vcruntime140_threads)\.dll", re.IGNORECASE
)


def lay_down(project: Project, artifact: str, target: Path) -> None:
    """Copy an unpacked Windows Python without what its distributor added: packages, a C++ runtime.

    python.org's Python has none beside python.exe, and torch crashes with one that is older than
    its own compiler (c10.dll: WinError 998); the packages bring it.

    Raises:
        BuildError: it is another Python than the one that the build is for.
    """
    source = project.source_tree(artifact)
    if not (source / "libs" / project.target.import_library).is_file():
        raise BuildError(
            f"{source} holds no {project.target.import_library}: it is not Python "
            f"{project.target.version} for Windows (config.yaml, "
            f"artifacts.{artifact})"
        )

    def added(folder: str, names: list[str]) -> set[str]:
        relative = Path(folder).relative_to(source).as_posix()
        if relative == ".":
            return ({"Scripts"} & set(names)) | {n for n in names if CXX_RUNTIME.fullmatch(n)}
        return set(names) if relative == "Lib/site-packages" else {"__pycache__"} & set(names)

    with made_whole(target) as temporary:
        copy_tree(source, temporary, ignore=added)


def place_runtime(site_packages: Path, root: Path, own: Collection[str]) -> list[Path]:
    """Move DLLs that a wheel brings as data files to where they belong, beside python.exe.

    A wheel's .data/data folder is for the environment's root (binary distribution format,
    "The .data directory"), but `uv pip install --target` has no other root than its target.

    Args:
        own: names of the Python's own files in `root`, which stay as they are.

    Returns:
        the DLLs in `root`.
    """
    placed = []
    for dll in sorted(site_packages.glob("*.dll")):
        if dll.name in own:
            dll.unlink()
        else:
            placed.append(dll.replace(root / dll.name))
    # Copies of the same, for start scripts.
    shutil.rmtree(site_packages / "Scripts", ignore_errors=True)
    return placed


README = """\
Windows Python {python} with what FFCV and fastxtend need. Start python.exe in this folder.

PyTorch here is the build for the CPU. The build for this machine's NVIDIA GPU, of the same
version, is put over it by uv (https://docs.astral.sh/uv/guides/integration/pytorch), which looks
at the driver. In this folder (one line, the second):

    winget install --id=astral-sh.uv -e
    uv pip install --python python.exe --torch-backend auto {again} {packages}

It takes the newest build that the driver runs; a GPU that is newer than its driver wants a newer
driver first.
"""


def gpu_readme(site_packages: Path, python: str) -> str:
    """The text that tells how to have CUDA in this environment, for the versions that it holds.

    Args:
        python: the Python's version.
    """
    packages = [
        f"{name}=={path.name.removesuffix('.dist-info').split('-')[1].partition('+')[0]}"
        for name in ("torch", "torchvision")
        for path in site_packages.glob(f"{name}-*.dist-info")
    ]
    again = " ".join(f"--reinstall-package {package.partition('=')[0]}" for package in packages)
    return README.format(python=python, again=again, packages=" ".join(packages))


def install_packages(
    requirements: Path,
    site_packages: Path,
    python: Path,
    target: Target,
    cache: Path,
    offline: bool,
    job: Job,
) -> Made:
    """Install the locked packages for Windows.

    Args:
        requirements: a hash-locked requirements file.
        site_packages: made anew, so that nothing of an older lock stays behind.
        python: the manifest of the Python that they are for.
    """
    laid_down = manifest.read(python)
    if laid_down is None or laid_down.root is None:
        raise BuildError(f'{python} cannot be read; run "doit env:python" again')
    root = laid_down.root
    remove_tree(site_packages)
    site_packages.mkdir(parents=True)
    unpack_wheels(requirements, site_packages, target, cache, offline, job)
    runtime = place_runtime(site_packages, root, laid_down.files.keys())
    readme = root / "README.txt"
    readme.write_text(gpu_readme(site_packages, target.version), encoding="utf-8", newline="\r\n")
    files = manifest.record(root, [*manifest.files_below(site_packages), *runtime, readme])
    count = sum(1 for _ in site_packages.glob("*.dist-info"))
    size = sum(entry.size for entry in files.values()) / 1e9
    return Made(
        f"{count} packages, {len(files)} files, {size:.1f} GB",
        where=site_packages,
        root=root,
        files=files,
    )


def install_for_windows(
    requirements: Sequence[str | Path],
    site_packages: Path,
    target: Target,
    cache: Path,
    offline: bool,
    job: Job,
    *,
    constraints: Path | None = None,
) -> None:
    """Install what is named, and what it needs, into a folder for a Windows Python.

    Args:
        requirements: as pip takes them: names with versions, or wheels.
        constraints: a file of versions that are not to be left (pip's --constraint).
    """
    site_packages.mkdir(parents=True, exist_ok=True)
    held: list[str | Path] = ["--constraint", constraints] if constraints else []
    process.run(
        [
            host.runner_program("uv"), "pip", "install",
            "--python-platform", UV_PLATFORM,
            "--python-version", target.version,
            "--target", site_packages,
            "--link-mode", "copy",
            *held,
            *(["--offline"] if offline else []),
            *requirements,
        ],
        log=job.log, cwd=site_packages, env=uv_environment(cache), line=job.line,
    )  # fmt: skip
    (site_packages / ".lock").unlink(missing_ok=True)


def unpack_wheels(
    requirements: Path,
    site_packages: Path,
    target: Target,
    cache: Path,
    offline: bool,
    job: Job,
) -> None:
    """Unpack locked packages for Windows into a folder.

    Args:
        requirements: a hash-locked requirements file.
    """
    process.run(
        [
            host.runner_program("uv"), "pip", "install",
            "--python-platform", UV_PLATFORM,
            "--python-version", target.version,
            "--target", site_packages,
            "--require-hashes",
            # A linked file would be altered in the cache when it is altered here.
            "--link-mode", "copy",
            *(["--offline"] if offline else []),
            "--requirements", requirements,
        ],
        log=job.log, cwd=requirements.parent, env=uv_environment(cache), line=job.line,
    )  # fmt: skip
    # uv writes start scripts for the machine it runs on; on Windows they are of no use.
    shutil.rmtree(site_packages / "bin", ignore_errors=True)
    (site_packages / ".lock").unlink(missing_ok=True)
