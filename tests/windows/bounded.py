"""Runs a script in a process of its own, for so long and no longer: a hang is a failure."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import IO

import psutil


def run(folder: Path, script: str, *arguments: object, seconds: float = 300) -> str:
    """Run a script; it must succeed.

    Args:
        folder: where the script is saved and runs. DatasetWriter's workers import it.
        script: indented as one likes.

    Returns:
        what it printed.
    """
    status, output = run_any(folder, script, *arguments, seconds=seconds)
    assert status == 0, f"exit status {status:#x}\n{output}"
    return output


def run_any(folder: Path, script: str, *arguments: object, seconds: float = 300) -> tuple[int, str]:
    """Run a script; returns its exit status and its output. Fails if it does not end."""
    file = folder / "script.py"
    file.write_text(textwrap.dedent(script), encoding="utf-8")
    return run_command([sys.executable, str(file), *map(str, arguments)], folder, seconds)


def run_command(
    command: list[str],
    folder: Path,
    seconds: float,
    environment: "dict[str, str] | None" = None,
) -> tuple[int, str]:
    """Run a command; returns its exit status and its output. Fails if it does not end."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    lines: list[str] = []
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        raise AssertionError(f"no end after {seconds:.0f} s\n{''.join(lines)}") from None
    reader.join(10)  # what it has left behind, Wine's console for one, may hold the pipe
    return process.returncode, "".join(lines)


def _read(stream: "IO[str]", lines: "list[str]") -> None:
    for line in stream:
        lines.append(line)
