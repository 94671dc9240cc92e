"""The Windows Python under honest Wine, as the checks run it, with a trace of what it does."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from support import ROOT

from tasks.core.config_file import load
from tasks.pythons import wine


def run(
    python: Path,
    prefix: Path,
    arguments: Sequence[str],
    *,
    debug: str = "-all",
    path: Sequence[Path] = (),
    timeout: int = 180,
) -> subprocess.CompletedProcess[str]:
    """Run a python.exe; standard error has Wine's trace and Python's own messages.

    Args:
        prefix: the Wine prefix.
        debug: Wine's channels, WINEDEBUG.
        path: folders to put on PATH.
    """
    program = wine.find()
    assert program is not None
    env = wine.environment(load(ROOT / "config.yaml").wine, prefix)
    env |= {"WINEDEBUG": debug, "PYTHONUTF8": "1"}
    env["PYTHONPYCACHEPREFIX"] = windows_path(prefix.with_name("bytecode"))
    env["WINEPATH"] = ";".join(map(windows_path, path))
    try:
        # Pipes for all three streams, or the Windows Python dies at once.
        return subprocess.run(
            [program, python, *arguments], env=env, input="", capture_output=True,
            encoding="utf-8", errors="replace", timeout=timeout, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        wine.stop(program, env)
        raise


def windows_path(path: Path) -> str:
    """The path as a Windows program sees it, on Wine's drive Z:."""
    return "Z:" + str(path).replace("/", "\\")
