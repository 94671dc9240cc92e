"""bundle - everything that a build needs from the network, in one archive for a machine without.

    the clone's files + CACHE/downloads/... + locked wheels for Windows and for what runs doit
      -> build/.../ffcv-windows-zig-cp311.tar, with the hash of every file in bundle/SHA256SUMS

    there:  tar xf ffcv-windows-zig-cp311.tar; cd ffcv-windows-zig-cp311; ./build-offline.sh

Programs of the system (Wine, nasm, Python) are not in it.
"""

import json
import platform
import sys
import tarfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import host, manifest, process
from tasks.core.config import PortableEnvironment
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, remove_tree, rename, temporary_for
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.fetch import artifacts_of
from tasks.stage import stage

# What of a clone is of the project: everything but what it made, and what tools keep beside it.
NOT_OF_THE_PROJECT = {"build", "dist", "wheelhouse", ".git", ".venv", ".runner", ".mypy_cache",
                      ".ruff_cache", ".pytest_cache", "__pycache__"}  # fmt: skip
SCRIPT = "build-offline.sh"
_FOLDER = "bundle"

SHELL = """\
#!/usr/bin/env bash
# Builds without a network, from what is in this folder: ./{script} [ARGUMENTS of bootstrap.sh]
#
# Made by "doit bundle" for the profile {profile} and Python {python}, on {machine}. The system has
# to have Python {runner}, Wine and nasm.
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
sha256sum --quiet --check {folder}/SHA256SUMS || {{
    echo "{script}: the bundle is damaged: the files above are not what they were; unpack it again" >&2
    exit 1
}}
# pip and uv take blanks for the end of a path, and an address has none.
wheels=$(python3 -c 'import pathlib, sys; print(pathlib.Path(sys.argv[1]).absolute().as_uri())' {folder}/wheels)
export PIP_NO_INDEX=1 PIP_FIND_LINKS="$wheels" UV_NO_INDEX=1 UV_FIND_LINKS="$wheels"
export FFCVWIN_PROFILE={profile} FFCVWIN_PYTHON={python} FFCVWIN_OFFLINE=1 FFCVWIN_NO_APT=1
export FFCVWIN_CACHE="${{FFCVWIN_CACHE:-$PWD/{folder}/cache}}"
exec ./bootstrap.sh "$@"
"""  # noqa: E501


def copy_clone(root: Path, target: Path) -> None:
    """Copy what of a clone is of the project."""

    def left_out(parent: str, names: list[str]) -> set[str]:
        made = NOT_OF_THE_PROJECT if Path(parent) == root else {"__pycache__"}
        return made & set(names)

    copy_tree(root, target, ignore=left_out)


def download_wheels(project: Project, requirements: Path, wheels: Path, job: Job) -> None:
    """Download what a hash-locked requirements file names, for the target Python."""
    _pip_download(
        project,
        requirements,
        wheels,
        ["--platform", project.target.platform_tag, "--python-version", project.target.version,
         "--implementation", "cp"],
        job,
    )  # fmt: skip


def download_runner(project: Project, requirements: Path, wheels: Path, job: Job) -> None:
    """Download what runs doit, for a machine like this one."""
    _pip_download(project, requirements, wheels, ["--only-binary", ":all:"], job)


def _pip_download(
    project: Project, requirements: Path, wheels: Path, options: list[str], job: Job
) -> None:
    process.run(
        [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download",
            "--require-hashes", "--no-deps", "--progress-bar", "off", *options,
            "--dest", wheels, "--requirement", requirements,
        ],
        log=job.log, cwd=requirements.parent, line=job.line,
        env=host.environment({"PIP_CACHE_DIR": str(project.cache / "pip")}),
    )  # fmt: skip


def write_tar(folder: Path, archive: Path, job: Job) -> int:
    """Pack a folder, by name and without times and owners; returns the number of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.mode & 0o100 else 0o644
        return member

    with tarfile.open(temporary_for(archive), "w", format=tarfile.PAX_FORMAT) as tar:
        for done, file in enumerate(files):
            job.progress(done, len(files))
            name = f"{folder.name}/{file.relative_to(folder).as_posix()}"
            tar.add(file, name, recursive=False, filter=plain)
    rename(temporary_for(archive), archive)
    return len(files)


def checksums(folder: Path, files: Iterable[Path]) -> str:
    """A list of hashes as sha256sum reads it."""
    return "".join(
        f"{manifest.sha256_of(file)}  {file.relative_to(folder).as_posix()}\n"
        for file in sorted(files)
    )


def make(project: Project, environment: PortableEnvironment, job: Job) -> Made:
    """Write the bundle of this profile and Python."""
    if project.offline:
        raise BuildError('a bundle is made with the network; run "doit offline=0 bundle"')
    name = f"ffcv-windows-{project.profile_name}-{project.target.tag}"
    work = project.build / "work" / "bundle"
    remove_tree(work)
    top = work / name
    folder = top / _FOLDER
    copy_clone(project.root, top)
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    locked = environment.pythons[project.target.version].requirements
    download_wheels(project, project.root / locked, wheels, job)
    download_runner(project, project.root / "envs" / "runner.txt", wheels, job)
    for artifact in artifacts_of(project):
        fetched = manifest.read(project.manifest(f"fetch:{artifact}"))
        if fetched is None or fetched.where is None:
            raise BuildError(f'{artifact} is not in the cache; run "doit fetch:{artifact}" again')
        source = fetched.where
        target = folder / "cache" / project.downloads.name / source.parent.name
        target.mkdir(parents=True, exist_ok=True)
        (target / source.name).write_bytes(source.read_bytes())
    about = {
        "profile": project.profile_name,
        "python": project.target.version,
        "machine": platform.platform(),
        "runner": f"{sys.version_info.major}.{sys.version_info.minor}",
        "archives": list(artifacts_of(project)),
        "wheels": len(list(wheels.iterdir())),
    }
    text = json.dumps(about, indent=1) + "\n"
    (folder / "bundle.json").write_text(text, encoding="utf-8", newline="\n")
    script = top / SCRIPT
    script.write_text(
        SHELL.format(script=SCRIPT, folder=_FOLDER, **about), encoding="utf-8", newline="\n"
    )
    for program in (script, top / "bootstrap.sh"):
        program.chmod(0o755)
    everything = [path for path in top.rglob("*") if path.is_file()]
    (folder / "SHA256SUMS").write_text(checksums(top, everything), encoding="utf-8", newline="\n")
    archive = project.build / f"{name}.tar"
    count = write_tar(top, archive, job)
    remove_tree(work)
    return Made(
        f"{count} files, {archive.stat().st_size / 1e9:.2f} GB, {about['wheels']} wheels",
        where=archive,
        root=project.build,
        files=manifest.record(project.build, [archive]),
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """bundle."""
    environment = project.profile.environment
    # What conda's packages are is decided where they are installed.
    if not isinstance(environment, PortableEnvironment):
        return
    name = f"ffcv-windows-{project.profile_name}-{project.target.tag}.tar"
    locked = environment.pythons[project.target.version].requirements
    task = stage(
        project,
        "bundle",
        "all that a build needs, in one archive for a machine without network",
        partial(make, project, environment),
        settings={},
        needs=[f"fetch:{artifact}" for artifact in artifacts_of(project)],
        files=[project.root / locked, project.root / "envs" / "runner.txt"],
        targets=[project.build / name],
        owns=[project.build / name, project.build / "work" / "bundle"],
    )
    # The clone's own files are in it, and may have changed.
    yield {**task, "uptodate": [False]}
