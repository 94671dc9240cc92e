"""System32 of a Wine prefix, made honest: what a clean Windows has, and nothing else.

Wine brings copies of its own of runtimes that people have to install on Windows (msvcr120,
vcomp140, ...). A package that needs one would import here and fail there: such copies are
switched off. The other way round, its C runtime lacks functions that Windows' has (`crealf`, which
numpy imports): Microsoft's own takes its place.
"""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dllwhy import pe, windows
from dllwhy.errors import DiagnosisError
from tasks.core import host, process
from tasks.core.errors import BuildError
from tasks.core.job import Job

MACHINE, EDITION = "x64", "11"

# Programs made by Rust ask this DLL of every Windows since 7 for random numbers; Wine 8 lacks it.
# https://learn.microsoft.com/windows/win32/seccng/processprng
# It is compiled without a C runtime, which zig would have to build first.
BCRYPTPRIMITIVES = """\
unsigned char __declspec(dllimport) __stdcall SystemFunction036(void *buffer, unsigned long size);
__declspec(dllexport) int ProcessPrng(unsigned char *data, unsigned long long size) {
    return SystemFunction036(data, (unsigned long)size);
}
"""
ZIG_CACHES = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
_ADVAPI32 = 'LIBRARY "advapi32.dll"\nEXPORTS\n SystemFunction036\n'


def not_in_windows(system32: Path) -> list[str]:
    """The DLLs that Wine has and a clean Windows has not, so that none of them may be used.

    Those that Wine's own parts of Windows are linked to (in Debian's: wined3d, zlib1) are left out:
    without them nothing runs. Where a module took one of these, `trace` says so.

    Args:
        system32: the folder of a new prefix, which holds a copy of each DLL that Wine has.

    Returns:
        their names without ".dll", sorted.
    """
    files = {windows.dll_name(path.name): path for path in system32.glob("*.dll")}
    clean = windows.system_dlls(MACHINE, EDITION)
    needed = {windows.dll_name(name) for name in _imports(files[n] for n in files if n in clean)}
    return sorted(name.removesuffix(".dll") for name in files if name not in clean | needed)


def _imports(files: Iterable[Path]) -> set[str]:
    """What the files are linked to; those that are no PE files to nothing."""
    names: set[str] = set()
    for path in files:
        try:
            read = pe.read_pe(path)
        except DiagnosisError:
            continue
        names.update(read.imports, read.delay_imports)
    return names


def put(dlls: Path, system32: Path) -> list[str]:
    """Put the DLLs of a folder into System32, in place of Wine's.

    Returns:
        their names without ".dll".

    Raises:
        BuildError: the folder has none.
    """
    found = sorted(dlls.glob("*.dll"))
    if not found:
        raise BuildError(f'{dlls} has no DLL; run "doit extract:{dlls.name}" again')
    for path in found:
        # Wine has links there to files that all prefixes share.
        (system32 / path.name).unlink(missing_ok=True)
        shutil.copy(path, system32)
    return [path.stem.lower() for path in found]


def make_bcryptprimitives(zig: Path, system32: Path, job: Job) -> None:
    """Make the DLL, if Wine brings none.

    Args:
        zig: the compiler.

    Raises:
        BuildError: zig cannot make it.
    """
    if (system32 / "bcryptprimitives.dll").exists():
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        env = host.environment(dict.fromkeys(ZIG_CACHES, temporary))
        (folder / "prng.c").write_text(BCRYPTPRIMITIVES, encoding="utf-8")
        (folder / "advapi32.def").write_text(_ADVAPI32, encoding="utf-8")
        for arguments in (
            ["dlltool", "-m", "i386:x86-64", "-d", "advapi32.def", "-l", "advapi32.lib"],
            ["cc", "-target", "x86_64-windows-gnu", "-O1", "-c", "prng.c", "-o", "prng.obj"],
            ["lld-link", "/lldmingw", "/dll", "/noentry", "/out:bcryptprimitives.dll",
             "prng.obj", "advapi32.lib"],
        ):  # fmt: skip
            process.run([zig, *arguments], log=job.log, cwd=folder, env=env, line=job.line)
        shutil.copy(folder / "bcryptprimitives.dll", system32)
