"""prereqs - what this machine has, and what is missing for which stage. Never fails."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks import fetch, toolchain
from tasks.compilers import msvc
from tasks.core import host, long_paths, manifest
from tasks.core.config import CMakeRecipe, CondaEnvironment, Cuda, MsvcToolchain
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import gpu, micromamba, windows_python, wine
from tasks.stage import stage


@dataclass(frozen=True)
class Line:
    """One thing that was looked at: `state` is "ok", "missing" or "info"."""

    what: str
    state: str
    detail: str


def _program(what: str, name: str, needed_for: str, get_it: str) -> Line:
    found = host.program(name)
    if found:
        return Line(what, "ok", str(found))
    return Line(what, "missing", f"needed for {needed_for}; get it with: {get_it}")


def _nvidia(cuda: Cuda) -> Line:
    """The NVIDIA driver, asked through nvidia-smi. Only information."""
    program = host.program("nvidia-smi")
    if program is None:
        return Line("NVIDIA driver", "info", "not found; PyTorch will use the CPU")
    gpus = gpu.ask(program)
    if gpus is None:
        return Line("NVIDIA driver", "info", "nvidia-smi is there but gives no answer")
    if not gpus:
        return Line("NVIDIA driver", "info", "it finds no GPU; PyTorch will use the CPU")
    return Line("NVIDIA driver", "ok", "; ".join(gpu.advice(one, cuda) for one in gpus))


def _free(what: str, folder: Path, needed: float) -> Line:
    folder = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(folder).free / 1e9
    if free >= needed:
        return Line(what, "ok", f"{free:.0f} GB free in {folder}")
    return Line(
        what, "missing", f"{free:.1f} GB free in {folder}; a full build takes up to {needed:.0f} GB"
    )


def _long_paths(project: Project) -> Line:
    """Whether Windows lets programs use paths of more than 260 characters. Only information."""
    if long_paths.enabled():
        return Line("long paths", "ok", "on")
    packages = ""
    if isinstance(project.profile.environment, CondaEnvironment):
        drive = Path(project.build.anchor)
        folder = micromamba.package_cache(project.cache, drive, unlimited=False)
        packages = f"conda packages are unpacked in {folder}; "
    return Line(
        "long paths",
        "info",
        f"off, and {project.build} has {len(str(project.build))} of {long_paths.LIMIT} characters; "
        f"{packages}if a file cannot be made, move the clone to a shorter path, or as "
        f"administrator: {long_paths.ENABLE}",
    )


def _virus_scanner(folders: Sequence[Path]) -> Line:
    """What a virus scanner costs, and how to spare these folders. Only information.

    https://learn.microsoft.com/powershell/module/defender/add-mppreference
    """
    listed = ", ".join(f"'{folder}'" for folder in folders)
    return Line(
        "virus scanner",
        "info",
        "scans every file that is made here, which can take longer than making it; if you trust "
        f"what you build, as administrator in PowerShell: Add-MpPreference -ExclusionPath {listed}",
    )


def _compiler(project: Project, settings: MsvcToolchain, job: Job) -> Line:
    """Microsoft's compiler, where the profile uses it."""
    if why := toolchain.refusal(project):
        return Line("compiler", "missing", why)
    if artifact := fetch.compiler_artifact(project):
        return Line("compiler", "ok", f"none here; {artifact} will be fetched")
    ask = None if windows_python.HERE.needs_wine else partial(msvc.ask_vswhere, job)
    found, text = msvc.summary(os.environ, project.root, settings, ask)
    return Line("compiler", "ok" if found else "missing", text)


def look(project: Project, job: Job) -> list[Line]:
    """Look at everything that the selected profile uses."""
    lines = [
        Line("host", "ok", f"{platform.system()} {platform.release()} {platform.machine()}"),
        Line("Python that runs doit", "ok", f"{platform.python_version()} ({sys.executable})"),
    ]
    compiler = project.profile.toolchain
    if isinstance(compiler, MsvcToolchain):
        lines.append(_compiler(project, compiler, job))
    for name in project.profile.libraries:
        recipe = project.recipe(name)
        if isinstance(recipe, CMakeRecipe):
            lines += [
                _program(
                    o.program, o.program, f"{o.feature} in {name}", f"apt-get install {o.program}"
                )
                for o in recipe.optional
            ]
    if windows_python.HERE.needs_wine:
        found = wine.find()
        lines.append(
            Line("wine", "ok", str(found))
            if found
            else Line("wine", "missing", f"needed for verify:import; {wine.INSTALL_HINT}")
        )
    else:
        lines += [_long_paths(project), _virus_scanner([project.root, project.cache])]
    needed = project.profile.disk_gb
    lines += [
        _free("disk, build", project.build, needed),
        _free("disk, cache", project.cache, needed),
        _nvidia(project.config.cuda),
    ]
    return lines


def report(project: Project, job: Job) -> Made:
    """Write prereqs.json, and warn of what is missing."""
    lines = look(project, job)
    for line in lines:
        if line.state == "missing":
            job.warn(f"{line.what}: {line.detail}")
    path = project.build / "prereqs.json"
    manifest.write_json(path, [asdict(line) for line in lines])
    missing = [line.what for line in lines if line.state == "missing"]
    return Made(f"missing: {', '.join(missing)}" if missing else "nothing is missing", where=path)


def create(project: Project) -> Iterator[dict[str, Any]]:
    """prereqs."""
    recipes = [project.recipe(name) for name in project.profile.libraries]
    optional = [o.program for r in recipes if isinstance(r, CMakeRecipe) for o in r.optional]
    programs = ["wine", "nvidia-smi", *optional]
    settings = project.profile.toolchain
    compiler = (
        msvc.fingerprint(os.environ, project.root, settings)
        if isinstance(settings, MsvcToolchain)
        else settings.kind
    )
    yield stage(
        project,
        "prereqs",
        "look at this machine: what is there, what is missing, for what",
        partial(report, project),
        settings={
            "found": {name: host.program(name) for name in programs},
            "compiler": compiler,
            "fetched": fetch.compiler_artifact(project),
            "disk_gb": project.profile.disk_gb,
        },
        targets=[project.build / "prereqs.json"],
        owns=[project.build / "prereqs.json"],
    )
