"""Honest Wine: Windows programs on this machine, without help that a clean Windows lacks.

By default Wine uses copies of its own of msvcr100, vcruntime140, msvcp140 and others, even
where the real ones lie beside python.exe. A missing DLL then goes unnoticed, and C++
exceptions can crash. The override "native" makes it load the real files or fail
(https://gitlab.winehq.org/wine/wine/-/wikis/Wine-User's-Guide#wine-dll-overrides). Overrides
stand in the prefix's registry: whatever runs in it is held to them.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tasks.core import host, process
from tasks.core.config import Wine
from tasks.core.errors import BuildError
from tasks.core.files import made_whole
from tasks.core.job import Job
from tasks.pythons import system32

INSTALL_HINT = "on Debian or Ubuntu: sudo apt-get install wine wine64"

# No crash dialog: it would wait for a click for ever.
# https://learn.microsoft.com/windows/win32/debug/configuring-automatic-debugging
REGISTRY = """\
Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\\Software\\Microsoft\\Windows NT\\CurrentVersion\\AeDebug]
"Debugger"="false"
"Auto"="0"

[HKEY_CURRENT_USER\\Software\\Wine\\WineDbg]
"ShowCrashDialog"=dword:00000000

[HKEY_CURRENT_USER\\Software\\Wine\\DllOverrides]
"""

SETTINGS = "settings.reg"  # what regedit was given, in the prefix
PREFIX_TIMEOUT = 300


def find() -> Path | None:
    """The wine program, or None."""
    return host.program("wine") or host.program("wine64")


def variables(settings: Wine, prefix: Path) -> dict[str, str]:
    """The environment variables of an honest run."""
    disabled = ",".join(settings.disabled_dlls)
    return {
        "WINEPREFIX": str(prefix),
        "WINEARCH": "win64",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": f"{disabled}=",
        # Paths with letters beyond ASCII need a UTF-8 locale.
        "LC_ALL": "C.UTF-8",
        # Wine links Documents and others to folders of the same name in HOME.
        "HOME": str(prefix),
        **settings.environment,
    }


def environment(settings: Wine, prefix: Path) -> dict[str, str]:
    """The whole environment of an honest run: this process's own, cleaned, with `variables`."""
    kept = {n: v for n, v in host.environment().items() if not n.startswith(("WINE", "PYTHON"))}
    # Without a display Wine does not try to open one.
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        kept.pop(name, None)
    return kept | variables(settings, prefix)


def make_prefix(
    wine: Path, settings: Wine, prefix: Path, dlls: Path, zig: Path, job: Job
) -> list[str]:
    """Make a Wine prefix (an empty Windows), whole or not at all.

    Args:
        dlls: the folder of those that take the place of Wine's own in System32.
        zig: the compiler, for what Wine lacks.

    Returns:
        the DLLs, without ".dll", that are native or missing in it.

    Raises:
        BuildError: Wine cannot make one.
    """
    with made_whole(prefix) as temporary:
        env = environment(settings, temporary)
        run = partial(
            process.run,
            log=job.log, cwd=temporary, env=env, timeout=PREFIX_TIMEOUT, line=job.line,
            end_rest=partial(stop, wine, env),
        )  # fmt: skip
        try:
            run([wine, "wineboot", "--init"])
            folder = temporary / "drive_c" / "windows" / "system32"
            if not (folder / "kernel32.dll").is_file():
                raise BuildError(
                    f"Wine made no prefix; see the log. Is wine64 installed? ({INSTALL_HINT})",
                    log=job.log,
                )
            native = system32.not_in_windows(folder) + system32.put(dlls, folder)
            system32.make_bcryptprimitives(zig, folder, job)
            overrides = "".join(f'"{name}"="native"\n' for name in native)
            services = "".join(map(_disabled, settings.disabled_services))
            (temporary / SETTINGS).write_text(
                REGISTRY + overrides + services, encoding="utf-8", newline="\r\n"
            )
            run([wine, "regedit", "/S", SETTINGS])
        finally:
            stop(wine, env, wait=True)
    return native


def _disabled(service: str) -> str:
    """What regedit takes to switch a service off: SERVICE_DISABLED of winsvc.h is 4.

    MountMgr is what ntdll/unix/file.c of Wine asks for FileFsVolumeInformation, which os.stat wants
    of every file (get_mountmgr_fs_info): an open, a call and a close, each with a switch of
    processes and back.
    """
    key = rf"HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\{service}"
    return f'\n[{key}]\n"Start"=dword:00000004\n'


def keep_server(wine: Path, env: Mapping[str, str], seconds: int | None = None) -> None:
    """Start a prefix's server and services, and keep them between programs.

    Args:
        seconds: after the last program, then they end by themselves; None: until `stop`.
    """
    server = shutil.which("wineserver") or _beside(wine)
    if server is None:
        return
    # No pipes: the services would keep those of the first program open for as long as they live.
    persistent = "--persistent" if seconds is None else f"--persistent={seconds}"
    for command in ([server, persistent], [str(wine), "cmd", "/c", "exit"]):
        subprocess.run(
            command,
            env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=PREFIX_TIMEOUT, check=False,
        )  # fmt: skip


def stop(wine: Path, env: Mapping[str, str], *, wait: bool = False) -> None:
    """End every Windows process of a prefix; with `wait`, let them end by themselves first."""
    server = shutil.which("wineserver") or _beside(wine)
    if server is None:
        return
    for option in ["--wait", "--kill"] if wait else ["--kill"]:
        try:
            subprocess.run(
                [server, option], env=dict(env), capture_output=True, timeout=30, check=False
            )
        except subprocess.TimeoutExpired:
            continue


def _beside(wine: Path) -> str | None:
    """wineserver where Debian and others keep it off PATH."""
    candidates = [
        wine.resolve().with_name("wineserver"),
        *Path("/usr/lib/wine").glob("wineserver*"),
    ]
    return next((str(path) for path in candidates if os.access(path, os.X_OK)), None)
