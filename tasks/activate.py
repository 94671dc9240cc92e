"""activate - scripts that make a prompt ready for builds of your own.

    toolchain + prefixes + Windows Python -> build/.../activate.cmd, activate.ps1    on Windows
                                          -> build/.../activate.sh                   elsewhere

They set what the wheels of this project are built with (tasks.compilers.build_environment), for
`python -m build --wheel --no-isolation` or `pip install --no-build-isolation` of any package
that links these libraries.
"""

import re
import shlex
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tasks import wheel
from tasks.compilers import msvc, toolchain
from tasks.compilers.build_environment import BuildEnvironment
from tasks.core import host, manifest
from tasks.core.config import CondaEnvironment
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import conda
from tasks.stage import stage
from tasks.toolchain import calls

CMD = """\
@echo off
rem Written by "doit activate": makes this prompt ready for builds of your own.
rem /f: also where a Python environment is active already.
if "!!"=="" goto delayed
if /i "%~1"=="/f" goto activate
if defined CONDA_PREFIX goto active
if defined VIRTUAL_ENV goto active
:activate
{settings}
echo {summary}
exit /b 0
:active
echo not activated: a Python environment is active, "%CONDA_PREFIX%%VIRTUAL_ENV%"; \
start in a new prompt, or add /f 1>&2
exit /b 1
:delayed
echo not activated: with delayed expansion (cmd /v:on) a "!" in a path is lost; \
start in a prompt without it 1>&2
exit /b 1
"""

# https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_scripts
POWERSHELL = """\
# Written by "doit activate": makes this prompt ready for builds of your own.
# -f: also where a Python environment is active already.
param([switch] $f)
$active = "$env:CONDA_PREFIX$env:VIRTUAL_ENV"
if ($active -and -not $f) {{
    throw "not activated: a Python environment is active, $active; start in a new prompt, or add -f"
}}
{settings}
{summary}
"""

SHELL = """\
# Written by "doit activate": makes this shell ready for builds of your own. To use it:
#   . {script}
{settings}
echo {summary}
"""


def for_cmd(made: BuildEnvironment, folder: Path, summary: str) -> str:
    """The script for cmd.exe.

    Args:
        folder: where the script will be; paths below it are found from there, whatever letters
            they have: cmd.exe reads a script in the code page of its console.
        summary: what it says at the end; plain letters.
    """

    def quoted(value: str) -> str:
        # Within quotes & ( ) ^ are letters, "%" is not.
        return "%~dp0".join(part.replace("%", "%%") for part in value.split(f"{folder}\\"))

    lines = [f'set "{name}={quoted(value)}"' for name, value in made.variables.items()]
    lines.append(f'set "PATH={quoted(";".join(made.path))};%PATH%"')
    return CMD.format(settings="\n".join(lines), summary=summary)


def for_powershell(made: BuildEnvironment, folder: Path, summary: str) -> str:
    """The script for Windows PowerShell and PowerShell; arguments as for `for_cmd`."""

    def quoted(value: str) -> str:
        # PowerShell takes typographic quotes for quotes as well (about_Quoting_Rules).
        parts = (
            re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", p) for p in value.split(str(folder))
        )
        return " + $PSScriptRoot + ".join(f"'{part}'" for part in parts)

    lines = [f"${{env:{name}}} = {quoted(value)}" for name, value in made.variables.items()]
    lines.append(f"$env:PATH = {quoted(';'.join(made.path))} + ';' + $env:PATH")
    return POWERSHELL.format(settings="\n".join(lines), summary=quoted(summary))


def for_shell(made: BuildEnvironment, script: Path, summary: str) -> str:
    """The script for sh."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in made.variables.items()]
    lines += [f'export PATH={shlex.quote(folder)}:"$PATH"' for folder in reversed(made.path)]
    return SHELL.format(
        script=shlex.quote(str(script)), settings="\n".join(lines), summary=shlex.quote(summary)
    )


def in_conda(made: BuildEnvironment, environment: Path) -> BuildEnvironment:
    """A build environment in which a conda environment is active as well.

    Its folders come after the compiler's: a package of it may bring a link.exe that is no linker.
    """
    folders = conda.path_folders(environment)
    variables = {**made.variables, "CONDA_PREFIX": str(environment)}
    return BuildEnvironment(variables, [*made.path, *folders])


def scripts(project: Project) -> list[Path]:
    """The scripts, one for each kind of prompt that this system has."""
    return [project.build / f"activate{ending}" for ending in host.PROMPTS]


def write_scripts(
    project: Project, libraries: Sequence[str], definitions: Mapping[str, str], job: Job
) -> Made:
    """Write the scripts.

    Args:
        libraries: names of the staged libraries that a build shall find.
        definitions: preprocessor definitions that they ask for, name -> value.

    Raises:
        BuildError: what these scripts would set is nothing to the programs of this system.
    """
    written = scripts(project)
    if written[0].suffix == ".sh" and not calls(project).natively:
        raise BuildError(
            "a build with Microsoft's compiler runs in Windows, and no shell of this system can be "
            'made ready for it; run "doit build --package NAME --compiler msvc", or doit '
            "profile=zig activate"
        )
    made = wheel.environment(project, libraries, definitions, files_folder(project))
    if "CL" in made.variables:
        options = " ".join(msvc.without_places(made.variables["CL"]).split())
        made = BuildEnvironment({**made.variables, "CL": options}, made.path)
    if isinstance(project.profile.environment, CondaEnvironment):
        made = in_conda(made, project.environment)
    compiler = toolchain.load(project.toolchain_file)
    summary = (
        f"active: {compiler.kind} {compiler.version} for Windows Python {project.target.version}, "
        f"{', '.join(libraries)}"
    )
    for script in written:
        if script.suffix == ".cmd":
            text = for_cmd(made, script.parent, summary).replace("\n", "\r\n")
            if not text.isascii():
                job.warn(
                    f"{script.name} names a folder with letters beyond ASCII: type chcp 65001 "
                    "before you use it, or use activate.ps1"
                )
        elif script.suffix == ".ps1":
            # Windows PowerShell takes a file without this mark for one in the old code page.
            text = "\ufeff" + for_powershell(made, script.parent, summary).replace("\n", "\r\n")
        else:
            runner = sysconfig.get_path("scripts")
            made = BuildEnvironment(made.variables, [runner, *made.path])
            text = for_shell(made, script, summary)
        manifest.write_atomically(script, text)
    use = project.shown(written[0])
    use = f". {use}" if written[0].suffix == ".sh" else use.replace("/", "\\")
    return Made(
        f"for builds of your own: {use}",
        where=written[0],
        root=project.build,
        files=manifest.record(project.build, written),
    )


def files_folder(project: Project) -> Path:
    """The files that belong to the build environment when a script is active."""
    return project.build / "activate"


def create(project: Project) -> Iterator[dict[str, Any]]:
    """activate."""
    builds = [
        build
        for name in project.profile.packages
        if (build := project.config.packages[name].build) is not None
    ]
    libraries = list(dict.fromkeys(library for build in builds for library in build.libraries))
    definitions = {name: value for build in builds for name, value in build.definitions.items()}
    written = scripts(project)
    yield stage(
        project,
        "activate",
        "write scripts that make a prompt ready for builds of your own",
        partial(write_scripts, project, libraries, definitions),
        settings={
            "libraries": {name: project.recipe(name).link for name in libraries},
            "definitions": definitions,
            "folder": project.build,
        },
        needs=["toolchain", "env:python", *(f"libs:{name}" for name in libraries)],
        targets=written,
        owns=[*written, files_folder(project)],
    )
