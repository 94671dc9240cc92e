"""Running the Windows Python: natively on Windows, under honest Wine elsewhere.

    Wine -> build/.../wine/    an empty Windows
         -> build/.../python   starts the environment's python.exe in it

The choice between the two is made here, once.
"""

import json
import shlex
import stat
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tasks.core import host, manifest, process
from tasks.core.config import CondaEnvironment
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import conda, wine

LAUNCHER = """\
#!/usr/bin/env bash
# Starts the Windows Python of this build under Wine: {name} script.py, or {name} -c "...".
# Arguments that are paths: give them as Windows sees them, Z:\\home\\me\\data.
set -u -o pipefail
{exports}
# What it prints is for a terminal of this system.
export PYTHONUTF8=1
# What the checks have compiled is not compiled again.
export PYTHONPYCACHEPREFIX={bytecode}
python={python}
# The Windows Python dies at once unless its three standard streams are pipes.
if [ -t 0 ]; then input() {{ :; }}; else input() {{ cat; }}; fi
input | {wine} "$python" "$@" 2> >(cat >&2) | cat
exit "${{PIPESTATUS[1]}}"
"""


# Wine 8 has no CopyFile2, which shutil.copy2 of Python 3.12 and later calls if it is there; the
# process ends. Without it shutil copies as older ones do (Lib/shutil.py, copy2).
WITHOUT_COPYFILE2 = "import _winapi; vars(_winapi).pop('CopyFile2', None)"

# A build has pauses, in which none of its Windows programs runs.
SERVER_SECONDS = 60


class Start(Protocol):
    """How Windows programs are started on this machine."""

    needs_wine: bool

    def available(self) -> bool:
        """Whether they can be started at all."""

    def path(self, path: Path) -> str:
        """A path as a Windows program sees it."""

    def launcher(self, project: Project) -> Path:
        """The command that starts the environment's Python."""

    def command(self) -> list[Path]:
        """What stands before a Windows program on a command line."""

    def environment(self, project: Project) -> dict[str, str]:
        """The whole environment of a Windows program."""

    def variables(self, project: Project) -> dict[str, str]:
        """What a Windows program's environment needs, whatever else is in it."""

    def build_environment(
        self, project: Project, variables: Mapping[str, str], path: Sequence[str]
    ) -> dict[str, str]:
        """The whole environment of a build that runs in Windows.

        Args:
            variables: with paths as Windows sees them.
            path: folders in front of PATH, as Windows sees them.
        """

    def begin(self, project: Project) -> None:
        """Make ready for many Windows programs, one after the other."""

    def with_path(self, folders: Sequence[str | Path]) -> dict[str, str]:
        """Variables by which a Windows program finds others in folders first.

        Args:
            folders: of this system; or, as text, as Windows sees them.
        """

    def with_runtime(self, project: Project) -> dict[str, str]:
        """Variables by which a program that Microsoft's compiler has just made finds its runtime.

        For programs that a build makes to try the compiler out (Meson, CMake's try_run). Where
        people have that compiler, its runtime is in System32.
        """

    def drives(self, project: Project) -> dict[str, Path]:
        """Letters of drives that Windows programs see, and what the host has there."""

    def stop(self, env: Mapping[str, str]) -> None:
        """End what a program has left behind; `env` is its environment."""


class Natively:
    """On Windows."""

    needs_wine = False

    def available(self) -> bool:
        return True

    def path(self, path: Path) -> str:
        return str(path)

    def launcher(self, project: Project) -> Path:
        return project.environment / "python.exe"

    def command(self) -> list[Path]:
        return []

    def environment(self, project: Project) -> dict[str, str]:
        # Some packages of conda count on an active environment.
        is_conda = isinstance(project.profile.environment, CondaEnvironment)
        return host.environment({}, conda.path_folders(project.environment) if is_conda else [])

    def variables(self, project: Project) -> dict[str, str]:
        return {}

    def build_environment(
        self, project: Project, variables: Mapping[str, str], path: Sequence[str]
    ) -> dict[str, str]:
        return host.environment(variables, path)

    def begin(self, project: Project) -> None:
        """Nothing: Windows runs already."""

    def with_path(self, folders: Sequence[str | Path]) -> dict[str, str]:
        return {"PATH": host.environment({}, [str(folder) for folder in folders])["PATH"]}

    def with_runtime(self, project: Project) -> dict[str, str]:
        return {}

    def drives(self, project: Project) -> dict[str, Path]:
        return {}

    def stop(self, env: Mapping[str, str]) -> None:
        """Nothing: whoever ends a program on Windows ends what it started."""


class UnderWine:
    """Elsewhere."""

    needs_wine = True

    def available(self) -> bool:
        return wine.find() is not None

    def path(self, path: Path) -> str:
        # Wine shows the host's files on drive Z:.
        return "Z:" + str(path).replace("/", "\\")

    def launcher(self, project: Project) -> Path:
        return project.build / "python"

    def command(self) -> list[Path]:
        program = wine.find()
        if program is None:
            raise BuildError(f"wine was not found ({wine.INSTALL_HINT})")
        return [program]

    def environment(self, project: Project) -> dict[str, str]:
        return wine.environment(project.config.wine, prefix(project))

    def variables(self, project: Project) -> dict[str, str]:
        return wine.variables(project.config.wine, prefix(project))

    def build_environment(
        self, project: Project, variables: Mapping[str, str], path: Sequence[str]
    ) -> dict[str, str]:
        return {**self.environment(project), **variables, "WINEPATH": ";".join(path)}

    def begin(self, project: Project) -> None:
        [program] = self.command()
        wine.keep_server(program, self.environment(project), SERVER_SECONDS)

    def with_path(self, folders: Sequence[str | Path]) -> dict[str, str]:
        # Wine puts these in front of the PATH in its registry.
        seen = [self.path(f) if isinstance(f, Path) else f for f in folders]
        return {"WINEPATH": ";".join(seen)}

    def with_runtime(self, project: Project) -> dict[str, str]:
        # Wine does not look on PATH for what its own System32 has, and is told to ignore there.
        name = "WINEDLLOVERRIDES"
        return {name: f"{self.variables(project)[name]};vcruntime140,vcruntime140_1,msvcp140=n,b"}

    def drives(self, project: Project) -> dict[str, Path]:
        return {"Z": Path("/"), "C": prefix(project) / "drive_c"}

    def stop(self, env: Mapping[str, str]) -> None:
        [program] = self.command()
        wine.stop(program, env)


HERE: Start = Natively() if host.WINDOWS else UnderWine()


def prefix(project: Project) -> Path:
    """The Wine prefix of this build."""
    return project.build / "wine"


def bytecode(project: Project) -> Path:
    """Where Python keeps the byte code of what it imported."""
    return project.build / "bytecode"


def run(
    project: Project,
    arguments: Sequence[str | Path],
    job: Job,
    *,
    timeout: float,
    cwd: Path,
    variables: Mapping[str, str] | None = None,
    python: Path | None = None,
) -> tuple[process.Finished, list[str]]:
    """Run a Windows Python.

    Args:
        arguments: paths among them are shown as Windows sees them.
        timeout: seconds, after which everything that it started is ended.
        variables: environment variables to add.
        python: its python.exe; the environment's if none is given.

    Returns:
        how it ended (a failure is not raised), and the lines that it printed.

    Raises:
        BuildError: it took too long, or could not be started.
    """
    words = [HERE.path(a) if isinstance(a, Path) else a for a in arguments]
    python = python or project.environment / "python.exe"
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        if not line.startswith("{"):  # an answer, for last_json
            job.line(line)

    env = {
        **HERE.environment(project),
        # The environment stays as it was installed, but nothing is compiled twice: PyTorch and what
        # imports it are thousands of modules.
        "PYTHONPYCACHEPREFIX": HERE.path(bytecode(project)),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        **(variables or {}),
    }
    finished = process.run(
        [*HERE.command(), python, *words], log=job.log, cwd=cwd, env=env,
        timeout=timeout, check=False, line=keep, end_rest=partial(HERE.stop, env),
    )  # fmt: skip
    return finished, lines


def lay_tests(source: Path, target: Path) -> None:
    """Copy tests to a folder of their own, anew, in which pytest takes them as they stand there.

    A pytest.ini ends pytest's search for a configuration, even if it is empty
    (https://docs.pytest.org/en/stable/reference/customize.html): a pyproject.toml of a folder
    above may import tests by their paths, and then neither they nor DatasetWriter's workers can
    import what lies beside them.
    """
    remove_tree(target)
    copy_tree(source, target)
    (target / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


def last_json(lines: Sequence[str]) -> dict[str, Any] | None:
    """The last of the lines that is a JSON object: how a check hands over its result."""
    for line in reversed(lines):
        if line.startswith("{"):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue
    return None


def needed_to_run(project: Project) -> list[str]:
    """The tasks whose products a program in the finished environment depends on."""
    return [
        "env:python",
        "env:packages",
        *(["env:wine"] if HERE.needs_wine else []),
        *(f"install:{name}" for name in project.profile.packages),
        "dlls",
    ]


def make_wine(project: Project, program: Path | None, zig: Path, job: Job) -> Made:
    """Make the Wine prefix and the launcher; without Wine, say so."""
    if program is None:
        return Made(f"wine not found; {wine.INSTALL_HINT}", status="not run")
    folder = prefix(project)
    settings = project.config.wine
    dlls = project.source_tree(settings.system32)
    native = wine.make_prefix(program, settings, folder, dlls, zig, job)
    variables = wine.variables(settings, folder)
    script = HERE.launcher(project)
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    text = LAUNCHER.format(
        name=script.name,
        exports=exports,
        bytecode=shlex.quote(HERE.path(bytecode(project))),
        python=shlex.quote(str(project.environment / "python.exe")),
        wine=shlex.quote(str(program)),
    )
    script.write_text(text, encoding="utf-8", newline="\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return Made(
        f"an empty Windows; {len(native)} of Wine's own DLLs that it has not are switched off",
        where=script,
        root=project.build,
        # The rest of a prefix changes whenever Windows programs run in it.
        files=manifest.record(project.build, [script, folder / wine.SETTINGS]),
    )
