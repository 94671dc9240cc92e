"""Programs of this host that unpack 7z archives with filters that py7zr lacks (BCJ2).

In this order: the self-extracting archive itself (Windows), 7-Zip, bsdtar or Windows' tar.
"""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tasks.core.errors import BuildError
from tasks.core.files import remove_tree

TIMEOUT = 1800  # seconds
ON_WINDOWS = os.name == "nt"


def unpack_everything(
    name: str, archive: Path, output: Path, self_extracting: Path | None = None
) -> None:
    """Unpacks a 7z archive with the first program that can.

    A program that fails is followed by the next: Windows' own tar may be built without LZMA
    (then it says "LZMA codec is unsupported").

    Args:
        name: the archive's name, for messages.
        archive: a plain .7z.
        output: the folder to make; it must not be one that matters, since the programs write
            what they like there.
        self_extracting: the program that holds the archive, if it may be run.

    Raises:
        BuildError: no program is there or none can; the text says how to get one. Or what was
            unpacked is more than plain files and folders.
    """
    failures = []
    for program, command in _programs(archive, output, self_extracting):
        remove_tree(output)
        output.mkdir()
        problem = run_program(command)
        if problem is None:
            _check_plain(name, output)
            return
        failures.append(f"{program}: {problem}")
    tried = f" (tried {'; '.join(failures)})" if failures else ""
    raise BuildError(
        f"{name} uses a 7z filter that Python lacks{tried}: install 7-Zip (Debian, "
        "Ubuntu: apt install 7zip; Windows: winget install 7zip.7zip) and run again"
    )


def run_program(command: list[str]) -> str | None:
    """Runs an unpacking program; returns why it failed, in a few words, or None."""
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {TIMEOUT // 60} minutes"
    except OSError as error:
        return f"did not start, {error.strerror}"
    if result.returncode == 0:
        return None
    output = result.stdout.decode("utf-8", "replace")
    said = [line.strip() for line in output.splitlines() if line.strip()]
    return f"exit status {result.returncode}, {said[-1] if said else 'no output'}"


def _programs(
    archive: Path, output: Path, self_extracting: Path | None
) -> Iterator[tuple[str, list[str]]]:
    """The programs that are here, best first: a name for messages, and the command."""
    if ON_WINDOWS and self_extracting is not None:
        yield self_extracting.name, [str(self_extracting), "-y", f"-o{output}"]
    path = os.environ.get("PATH", os.defpath)
    if ON_WINDOWS:  # 7-Zip's installer leaves PATH alone
        path += os.pathsep + str(Path(os.environ.get("PROGRAMFILES", ""), "7-Zip"))
    for name in ("7zz", "7z", "7za"):
        if program := shutil.which(name, path=path):
            yield name, [program, "x", "-y", "-bd", f"-o{output}", "--", str(archive)]
    # On Windows by its full path: a GNU tar, which reads no 7z, may come first on PATH.
    system_tar = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "tar.exe")
    if program := shutil.which(str(system_tar) if ON_WINDOWS else "bsdtar"):
        yield Path(program).stem, [program, "-xf", str(archive), "-C", str(output)]


def _check_plain(name: str, output: Path) -> None:
    """Refuses what a program made if it is more than plain files and folders."""
    for parent, folders, files in os.walk(output):
        for entry in folders + files:
            mode = Path(parent, entry).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise BuildError(
                    f"{name} is refused: it holds {entry!r}, which is neither a file nor a "
                    "folder; get the archive from its official source"
                )
