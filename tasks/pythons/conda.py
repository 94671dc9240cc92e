"""A conda environment, made by Micromamba in two steps.

    envs/base.yml, python=3.11        --create-->   build/.../env/   Python, and what builds wheels
                                      --export-->   env-python.txt   how to make just that again
    envs/ffcv.yml, extras, CUDA/CPU   --install-->  build/.../env/   what FFCV and fastxtend need
    their pip: sections               --uv------>   build/.../env/Lib/site-packages
                                      --export-->   environment.yml, environment.txt

Both steps are Micromamba's own work, so a killed one leaves files of which nobody knows which
are whole, and a conda prefix cannot be made elsewhere and then renamed: its path is written
into many of its files. So each step begins with a known state instead. The first removes what
is there; the second begins with exactly what the first one made, and makes that again (from
the package cache) if anybody has begun to change it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.core import host, manifest, process
from tasks.core.config import CondaEnvironment, Cuda
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import gpu
from tasks.pythons.micromamba import Micromamba
from tasks.pythons.portable import UV_PLATFORM, uv_environment

# Written into the environment before the second step changes it.
BEGUN = "conda-meta/packages-begun"
# Grows when people add packages of their own, which is no damage.
HISTORY = "conda-meta/history"

# https://docs.conda.io (conda activate), and conda's source, conda/activate.py, _get_path_dirs.
PATH_FOLDERS = (
    ".", "Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What environment files ask for: conda channels and packages, and packages of pip's."""

    channels: tuple[str, ...]
    packages: tuple[str, ...]
    pip: tuple[str, ...]


def read_request(paths: Sequence[Path]) -> Request:
    """Read environment files, and put them together.

    Raises:
        BuildError: a file is missing or is no environment file.
    """
    channels: list[str] = []
    packages: list[str] = []
    pip: list[str] = []
    for path in paths:
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
            channels += map(str, data["channels"])
            for entry in data["dependencies"]:
                if isinstance(entry, dict):
                    pip += map(str, entry["pip"])
                else:
                    packages.append(str(entry))
        except OSError as error:
            raise BuildError(f"{path.name} cannot be read: {error.strerror}") from error
        except yaml.YAMLError as error:
            raise BuildError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from error
        except (KeyError, TypeError) as error:
            raise BuildError(
                f"{path.name}: is no conda environment file; it needs channels: and "
                "dependencies:, where a package is a line or belongs to pip:"
            ) from error
    return Request(tuple(dict.fromkeys(channels)), tuple(packages), tuple(pip))


def remove_environment(prefix: Path) -> None:
    """Remove an environment, whatever is left of it.

    Raises:
        BuildError: it cannot be removed, for instance because a program in it runs.
    """
    try:
        remove_tree(prefix)
    except OSError as error:
        raise BuildError(
            f"{error.filename or prefix} cannot be removed ({error.strerror}); close the programs "
            "that were started from this environment, and run it again"
        ) from error


def installed(prefix: Path) -> dict[str, dict[str, Any]]:
    """The conda packages in an environment: the name of the record -> its content.

    A record is written when the package's files are all there
    (https://docs.conda.io/projects/conda/en/latest/user-guide/concepts/pkg-specs.html).
    """
    records = {}
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            records[path.name] = dict(data)
        except ValueError:
            continue  # cut short by a kill
    return records


def _record(prefix: Path, name: str, where: str) -> dict[str, Any]:
    """The record of an installed package."""
    for record in installed(prefix).values():
        if record.get("name") == name:
            return record
    raise BuildError(f'{prefix} has no package "{name}"; is it in {where}?')


def make_base(prefix: Path, fill: Callable[[], None], unlock: Callable[[], None]) -> None:
    """Make the environment of the first step, in place of whatever is there."""
    if prefix.exists():
        remove_environment(prefix)
        unlock()
    fill()


def make_python(project: Project, settings: CondaEnvironment, job: Job) -> Made:
    """First step: Python, and what builds wheels."""
    prefix = project.environment
    micromamba = Micromamba(project, f"fetch:{settings.micromamba}", job)
    spec = settings.pythons[project.target.version].spec
    base = project.root / settings.base
    make_base(prefix, lambda: micromamba.fill("create", prefix, base, spec), micromamba.unlock)
    python = _record(prefix, "python", f'config.yaml, "{spec}"')
    for path in (prefix / "python.exe", prefix / "libs" / project.target.import_library):
        if not path.is_file():
            raise BuildError(
                f"{path} is missing: {spec} did not give Python {project.target.version} for "
                "Windows; see config.yaml, environment.pythons"
            )
    lines = micromamba.export(prefix, "--explicit", "--md5")
    if "@EXPLICIT" not in lines:
        raise BuildError("micromamba env export gave no list of packages; see the log", log=job.log)
    manifest.write_atomically(base_lock(project), "\n".join(lines) + "\n")
    # The files of the other packages may be replaced by the second step.
    own = [prefix / name for name in python["files"] if not _is_byte_code(name)]
    packages = sorted(installed(prefix))
    return Made(
        f"Python {python['version']} and {len(packages) - 1} packages",
        where=prefix,
        root=prefix,
        files=manifest.record(prefix, [path for path in own if path.is_file()]),
        details={"packages": packages, "python": f"{python['version']}={python['build']}"},
    )


def _is_byte_code(name: str) -> bool:
    return "__pycache__" in name


def base_lock(project: Project) -> Path:
    """The addresses of the packages of the first step."""
    return project.build / "env-python.txt"


def is_untouched(prefix: Path, packages: Sequence[str]) -> bool:
    """Whether an environment is as the first step left it.

    Args:
        packages: the names of the records that the first step wrote.
    """
    return not (prefix / BEGUN).exists() and sorted(installed(prefix)) == sorted(packages)


def accelerator(
    settings: CondaEnvironment,
    cuda: Cuda,
    override: str | None,
    nvidia_smi: Path | None,
    job: Job,
) -> list[str]:
    """The package specifications by which the solver takes PyTorch for NVIDIA GPUs or the CPU.

    Args:
        cuda: what GPUs and drivers run.
        override: CONDA_OVERRIDE_CUDA: the CUDA version to assume, "0" or "" for none
            (https://docs.conda.io/projects/conda/en/latest/user-guide/tasks/manage-virtual.html).
        nvidia_smi: the program of NVIDIA's driver, if it is there.
    """
    with_gpu, cpu = [*settings.accelerator.cuda], [*settings.accelerator.cpu]
    if override is not None:
        return cpu if override.strip() in ("", "0") else with_gpu
    if nvidia_smi is None:
        return cpu
    found = gpu.ask(nvidia_smi)
    usable = [one for one in found or [] if gpu.cuda_range(one, cuda)[1] is not None]
    if usable:
        return with_gpu + gpu.conda_bounds(usable, cuda)
    reason = gpu.advice(found[0], cuda) if found else "nvidia-smi is there but finds no GPU"
    job.warn(
        f"{reason}; so PyTorch for the CPU is installed. With a working driver, run "
        f'"doit clean {job.name}" and doit again'
    )
    return cpu


def install_pip(
    requirements: Sequence[str], target: Path, version: str, cache: Path, offline: bool, job: Job
) -> None:
    """Install what conda-forge lacks: pinned and hashed, and nothing that they depend on.

    Micromamba would run `pip install -r` for the pip: section of a file itself. But pip then
    replaces conda's packages where a dependency asks for it, cannot be kept offline, and finds
    its requirements in a file beside the environment file, whose folder may be read-only
    (https://github.com/mamba-org/mamba/issues/2728).

    Args:
        requirements: lines of a requirements file.
        target: the environment's site-packages.
        version: of the environment's Python.
    """
    if not requirements:
        return
    listed = job.log.with_suffix(".requirements.txt")
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    process.run(
        [
            host.runner_program("uv"), "pip", "install",
            "--python-platform", UV_PLATFORM,
            "--python-version", version,
            "--target", target,
            "--require-hashes", "--no-deps",
            "--link-mode", "copy",
            *(["--offline"] if offline else []),
            "--requirements", listed,
        ],
        log=job.log, cwd=listed.parent, env=uv_environment(cache), line=job.line,
    )  # fmt: skip
    (target / ".lock").unlink(missing_ok=True)


def install_packages(
    project: Project,
    settings: CondaEnvironment,
    files: Sequence[Path],
    override: str | None,
    nvidia_smi: Path | None,
    job: Job,
) -> Made:
    """Second step: what FFCV and fastxtend run with."""
    prefix = project.environment
    made = manifest.read(project.manifest("env:python"))
    if made is None or "packages" not in made.details:
        raise BuildError('the Python of the environment is not there; run "doit env:python"')
    micromamba = Micromamba(project, f"fetch:{settings.micromamba}", job)
    accelerated = accelerator(settings, project.config.cuda, override, nvidia_smi, job)
    # What the first step asked for is asked for again, or the solver may remove it
    # (https://github.com/mamba-org/mamba/issues/4303).
    request = read_request([project.root / settings.base, *files])
    if not is_untouched(prefix, made.details["packages"]):
        job.line("making the environment anew")
        lock = base_lock(project)
        make_base(prefix, lambda: micromamba.fill("create", prefix, lock), micromamba.unlock)
    (prefix / BEGUN).touch()
    data = {
        "channels": [*request.channels],
        # The Python that is there, to the build: its files belong to env:python.
        "dependencies": [f"python={made.details['python']}", *request.packages, *accelerated],
    }
    wanted = project.build / "env-packages.yml"
    manifest.write_atomically(wanted, yaml.safe_dump(data, sort_keys=False))
    micromamba.fill("install", prefix, wanted)
    install_pip(
        request.pip,
        project.site_packages,
        project.target.version,
        project.cache,
        project.offline,
        job,
    )
    for path, options in exports(project).items():
        manifest.write_atomically(path, "\n".join(micromamba.export(prefix, *options)) + "\n")
    own = {prefix / name for name in (*made.files, BEGUN, HISTORY)}
    recorded = manifest.record(prefix, [f for f in manifest.files_below(prefix) if f not in own])
    count = len(installed(prefix)) + len(request.pip)
    size = sum(entry.size for entry in recorded.values()) / 1e9
    cuda = set(settings.accelerator.cuda) <= set(accelerated)
    torch = _record(prefix, "pytorch", ", ".join(file.name for file in files))
    return Made(
        f"{count} packages, PyTorch {torch['version']} for {'CUDA' if cuda else 'CPU'}, "
        f"{size:.1f} GB",
        where=prefix,
        root=prefix,
        files=recorded,
        details={"pytorch": f"{torch['version']}={torch['build']}"},
    )


def exports(project: Project) -> dict[Path, tuple[str, ...]]:
    """The files that say what the environment holds, and Micromamba's options for each."""
    return {
        project.build / "environment.yml": (),
        project.build / "environment.txt": ("--explicit", "--md5"),
    }


def path_folders(prefix: Path) -> list[str]:
    """The folders of an environment that are on PATH where it is active, in conda's order."""
    return [str(prefix / folder) for folder in PATH_FOLDERS]
