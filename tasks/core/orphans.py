"""No program outlives the run that started it, not even one that is ended by kill -9.

POSIX    a watcher, tasks/core/watcher.py, learns of every process group; when the run is gone
         its input ends, and it ends the groups. Until then it holds build/.programs locked,
         so that the next run does not write where one of them still writes.
Windows  a job object: Windows ends what is in it with its last handle, which is ours
         https://learn.microsoft.com/windows/win32/procthread/job-objects
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from tasks.core.errors import BuildError

NAME = ".programs"
PATIENCE_SECONDS = 15.0
_PAUSE_SECONDS = 0.05

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
    # The compiler's mspdbsrv.exe serves other builds as well, and asks to be let out.
    _LIMITS = 0x2000 | 0x0800  # KILL_ON_JOB_CLOSE, BREAKAWAY_OK

    class _BasicLimits(ctypes.Structure):
        """JOBOBJECT_BASIC_LIMIT_INFORMATION"""

        _fields_ = (
            ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
            ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        )

    class _ExtendedLimits(ctypes.Structure):
        """JOBOBJECT_EXTENDED_LIMIT_INFORMATION"""

        _fields_ = (
            ("BasicLimitInformation", _BasicLimits),
            ("IoInfo", ctypes.c_ulonglong * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        )

    _kernel32 = ctypes.WinDLL("kernel32")
    _kernel32.CreateJobObjectW.restype = wintypes.HANDLE
    _kernel32.SetInformationJobObject.argtypes = (
        wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD,
    )  # fmt: skip
    _kernel32.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    _job = 0

    def watch(build: Path) -> None:
        """Have what is started from now on end with this process."""
        global _job
        _job = _kernel32.CreateJobObjectW(None, None) or 0
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _LIMITS
        _kernel32.SetInformationJobObject(
            _job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
        )

    def started(process: "subprocess.Popen[bytes]") -> None:
        """A program has been started."""
        if _job:
            _kernel32.AssignProcessToJobObject(_job, int(process._handle))  # type: ignore[attr-defined]

    def ended(process: "subprocess.Popen[bytes]") -> None:
        """A program has ended."""

else:
    import fcntl

    _pipe: IO[bytes] | None = None

    def watch(build: Path) -> None:
        """Have what is started from now on end with this process.

        Raises:
            BuildError: programs of a run that was killed still run.
            OSError: the lock file cannot be made.
        """
        global _pipe
        lock = os.open(build / NAME, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _acquire(lock, build)
            process = subprocess.Popen(
                # -I -S: nothing but the standard library; it starts in some milliseconds.
                [sys.executable, "-I", "-S", Path(__file__).with_name("watcher.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                pass_fds=(lock,),  # locked until both ends are closed
                start_new_session=True,
            )
        finally:
            os.close(lock)
        _pipe = process.stdin
        process.returncode = 0  # nobody waits for it: it is there to be last

    def _acquire(lock: int, build: Path) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    raise BuildError(
                        f"programs of a run that was killed are still at work in {build}; wait "
                        "for them to end, or end them"
                    ) from None
            time.sleep(_PAUSE_SECONDS)

    def started(process: "subprocess.Popen[bytes]") -> None:
        """A program has been started, in a process group of its own."""
        _tell(f"+{process.pid}\n")

    def ended(process: "subprocess.Popen[bytes]") -> None:
        """A program has ended."""
        _tell(f"-{process.pid}\n")

    def _tell(line: str) -> None:
        if _pipe is not None:
            with contextlib.suppress(OSError):  # somebody has ended the watcher
                os.write(_pipe.fileno(), line.encode())
