"""Process Monitor exports for tests, made from real traces of Wine's loader.

There is no Process Monitor here (it needs a Windows kernel). What is real: the processes, the
paths, their order and the answers, as Wine wrote them with WINEDEBUG=+pid,+file,+module. What is
not: that Windows' loader wrote them, and the format, which is that of Sysinternals' documentation
and of published exports (see dllwhy/traces/procmon.py), never that of a run of Process Monitor
here. Two things differ from Windows: Wine goes on with the next import after one that is missing,
and it has no KnownDLLs.
"""

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path, PureWindowsPath

from pe_files import make_dll, make_python
from support import ROOT

TRACES = ROOT / "tests" / "data" / "traces"

WINEDEBUG = "+pid,+file,+module"
HEADER = '"Time of Day","Process Name","PID","Operation","Path","Result","Detail"'

# STATUS_OBJECT_NAME_NOT_FOUND and STATUS_OBJECT_PATH_NOT_FOUND, as Process Monitor writes them.
RESULTS = {"c0000033": "NAME INVALID", "c0000034": "NAME NOT FOUND", "c000003a": "PATH NOT FOUND"}
_OPEN = "Desired Access: Read Data/List Directory, Synchronize, Disposition: Open, Options: "

_PATH = r'L"(?:\\\\\?\?\\\\)?(?P<path>(?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    r"(?P<pid>[0-9a-f]+):[0-9a-f]+:(?:"
    rf"trace:file:NtCreateFile handle=\S+ access=\S+ name={_PATH}|"
    rf"trace:module:map_image_into_view mapping PE file {_PATH.replace('path', 'image')} "
    r"at 0x(?P<start>[0-9a-f]+)-0x(?P<end>[0-9a-f]+)|"
    rf"warn:file:(?P<call>NtCreateFile|NtQueryAttributesFile) {_PATH.replace('path', 'lacking')} "
    r"not found \((?P<status>[0-9a-f]+)\))"
)


def shortened(trace: str, process: str = "python.exe") -> str:
    """Return what `from_wine` reads of a trace: one process, and its modules only."""
    lines = [line for line in trace.splitlines() if _LINE.match(line)]
    image = rf'mapping PE file .*\\{re.escape(process)}"'
    pid = next(line.partition(":")[0] for line in lines if re.search(image, line))
    modules = re.compile(rf'{pid}:.*\.(dll|pyd|exe)"', re.IGNORECASE)
    return "".join(re.sub(r" objattr=.*", "", line) + "\n" for line in lines if modules.match(line))


def from_wine(trace: str, absent: Collection[str] = ()) -> bytes:
    """Return a trace as Process Monitor would export it.

    Args:
        absent: DLLs of Wine's own that it was forbidden to use, in lower case: it opens the file in
            System32, where a clean Windows has none, and goes on.
    """
    rows: list[list[str]] = []
    programs: dict[str, str] = {}
    for line in trace.splitlines():
        if not (match := _LINE.match(line)):
            continue
        pid = match["pid"]
        path = re.sub(r"\\(.)", r"\1", match["path"] or match["image"] or match["lacking"])
        if path.lower().endswith("mscoree.dll"):  # asked for by Wine as every process ends
            continue
        if match["image"]:
            name = PureWindowsPath(path).name
            if name.lower().endswith(".exe"):
                programs.setdefault(pid, name)
            size = int(match["end"], 16) - int(match["start"], 16)
            detail = f"Image Base: 0x{match['start']}, Image Size: 0x{size:x}"
            rows.append([pid, "Load Image", path, "SUCCESS", detail])
        elif match["call"] == "NtQueryAttributesFile":
            rows.append(
                [pid, "QueryOpen", path, RESULTS.get(match["status"], f"0x{match['status']}"), ""]
            )
        elif match["lacking"]:
            if rows[-1][:3] == [pid, "CreateFile", path]:
                rows[-1][3] = RESULTS.get(match["status"], f"0x{match['status']}")
        else:
            file = PureWindowsPath(path)
            there = file.name.lower() not in absent or file.parent.name.lower() != "system32"
            result = "SUCCESS" if there else RESULTS["c0000034"]
            rows.append([pid, "CreateFile", path, result, _OPEN + "Non-Directory File"])
    start = datetime(2024, 11, 9, 18, 17, 25)
    lines = [HEADER]
    for number, (pid, *rest) in enumerate(rows):
        time = f"{start + timedelta(microseconds=number):%I:%M:%S.%f}0 PM".lstrip("0")
        values = (time, programs.get(pid, "unknown.exe"), str(int(pid, 16)), *rest)
        lines.append(",".join(f'"{value}"' for value in values))
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8-sig")


def recorded(name: str, folder: Path) -> Path:
    """An export of `import _libffcv` in one of the states of its folder: nothing, copied, all."""
    trace = (TRACES / f"ffcv-{name}.log").read_text(encoding="utf-8")
    file = folder / f"{name}.csv"
    file.write_bytes(from_wine(trace, absent={"msvcr100.dll"}))
    return file


def export(folder: Path, *rows: str, header: str = HEADER) -> Path:
    """An export of these rows, as Process Monitor writes them."""
    file = folder / "Logfile.CSV"
    file.write_bytes("".join(f"{row}\r\n" for row in (header, *rows)).encode("utf-8-sig"))
    return file


def row(operation: str, path: str, result: str = "SUCCESS", pid: int = 9160) -> str:
    return f'"6:17:25.4395810 PM","python.exe","{pid}","{operation}","{path}","{result}","Detail"'


LOADED = row("Load Image", r"C:\Python311\python311.dll")


COPIED = ("libopencv_core460.dll", "libopencv_imgproc460.dll", "pthreadVC2.dll")


def make_ffcv_python(folder: Path) -> Path:
    """A Windows Python with an extension that imports what FFCV's does, and nothing copied."""
    python = make_python(folder)
    module = python / "Lib" / "site-packages" / "ffcv" / "_libffcv.cp311-win_amd64.pyd"
    make_dll(module, [*COPIED, "python311.dll", "KERNEL32.dll"])
    return python


def copy_dlls(python: Path, *names: str) -> None:
    """Put DLLs beside the extension; pthreadVC2.dll needs MSVCR100.dll."""
    folder = python / "Lib" / "site-packages" / "ffcv"
    for name in names:
        make_dll(folder / name, ["MSVCR100.dll"] if name.startswith("pthread") else ["KERNEL32"])
