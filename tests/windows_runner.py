"""A Windows machine to run the project's own code on: a real Windows Python under Wine.

It holds what `bootstrap.bat` installs on Windows, the pinned requirements of
envs/runner.txt, so that doit, its tasks and their tests run as they do there.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support import ROOT, cache, path_for_windows

from tasks.compilers import zig
from tasks.core import config_file, host, long_paths
from tasks.core.config import Wine
from tasks.core.job import Job
from tasks.pythons import portable, wine

VERSION = "3.11"
PACKAGES = Path("Lib", "site-packages")


@dataclass(frozen=True)
class WindowsRunner:
    """A Windows Python with the runner's packages, and the Wine prefix to run it in."""

    python: Path
    prefix: Path
    settings: Wine

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a run; `variables` are added."""
        bytecode = path_for_windows(self.prefix.with_name("bytecode"))
        own = {"PYTHONPYCACHEPREFIX": bytecode, "CI": "1", "NO_COLOR": "1"}
        made = wine.environment(self.settings, self.prefix) | own
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            made.pop(name, None)  # of the shell that the tests were started in
        return made | dict(variables or {})

    def start(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path,
        variables: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[str]":
        """Start a Windows program; its standard streams are pipes, as a Windows Python needs."""
        return subprocess.Popen(
            [str(wine.find()), *map(str, arguments)],
            cwd=cwd, env=self.environment(variables), encoding="utf-8", errors="replace",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path,
        variables: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run a Windows program, and everything it started to its end.

        Args:
            arguments: the program (python.exe's own path, "cmd", ...) and its arguments, as
                Windows is to see them.
            timeout: seconds.
        """
        process = self.start(arguments, cwd=cwd, variables=variables)
        try:
            output, _ = process.communicate("", timeout)
        except subprocess.TimeoutExpired as error:
            self.stop()
            process.kill()
            output, _ = process.communicate()
            raise AssertionError(f"no end after {timeout} s:\n{output}") from error
        return subprocess.CompletedProcess(list(arguments), process.returncode, output, "")

    def keep_server(self) -> None:
        """Let Wine's server outlive its programs, until `stop`: to start it anew takes seconds."""
        program = wine.find()
        assert program is not None
        wine.keep_server(program, self.environment())

    def stop(self) -> None:
        """End every Windows process of this machine."""
        program = wine.find()
        assert program is not None
        wine.stop(program, self.environment())


def copy_python(python: Path, folder: Path) -> None:
    """Copy the folder of a Windows Python, without the packages that are installed in it."""

    def installed(where: str, names: list[str]) -> list[str]:
        return names if Path(where) == python / PACKAGES else []

    shutil.copytree(python, folder, ignore=installed)


def install(python: Path, *options: str | Path) -> None:
    """Install wheels into the folder of a Windows Python, from this system.

    Args:
        options: of `uv pip install`: what to install.
    """
    subprocess.run(
        [
            host.runner_program("uv"), "pip", "install", "--quiet", "--link-mode", "copy",
            "--python-platform", portable.UV_PLATFORM, "--python-version", VERSION,
            "--target", python / PACKAGES, *options,
        ],
        env=portable.uv_environment(cache()), check=True, timeout=900,
    )  # fmt: skip


def make_runner(python: Path, dlls: Path, folder: Path, job: Job) -> WindowsRunner:
    """Lay down a Windows runner, or take the one that an earlier run of the tests made.

    Args:
        python: the folder of a Windows Python; what is in its site-packages is left behind.
        dlls: the folder of those that take the place of Wine's own.
        folder: where the runner goes.
    """
    requirements = ROOT / "envs" / "runner.txt"
    settings = config_file.load(ROOT / "config.yaml").wine
    runner = WindowsRunner(folder / "Python 3.11" / "python.exe", folder / "wine", settings)
    stamp = folder / "requirements.txt"
    made_of = requirements.read_text(encoding="utf-8") + wine.REGISTRY + repr(settings)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == made_of:
        return runner
    shutil.rmtree(folder, ignore_errors=True)
    copy_python(python, runner.python.parent)
    install(runner.python.parent, "--require-hashes", "--requirements", requirements)
    # `uv pip install --target` puts programs where Linux has them.
    programs = runner.python.parent / PACKAGES / "bin"
    shutil.copytree(programs, runner.python.parent / "Scripts", dirs_exist_ok=True)
    program = wine.find()
    assert program is not None
    wine.make_prefix(program, settings, runner.prefix, dlls, zig.zig_program(), job)
    # As Windows' own setting is on every machine of a developer.
    long = ["reg", "add", rf"HKLM\{long_paths.KEY}", "/v", long_paths.VALUE]
    done = runner.run([*long, "/t", "REG_DWORD", "/d", "1", "/f"], cwd=folder)
    assert done.returncode == 0, done.stdout
    stamp.write_text(made_of, encoding="utf-8")
    return runner
