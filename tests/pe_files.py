"""Makes real DLLs and extension modules, with the import tables that a test wants.

zig's compiler and linker do it without any runtime library: a few hundredths of a second each.
"""

import re
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from support import under_wine, zig_environment, zig_program

RESIZE = "_ZN2cv6resizeERKNS_11_InputArrayE"
TARGETS = {"x64": ("x86_64", "i386:x86-64"), "x86": ("x86", "i386"), "arm64": ("aarch64", "arm64")}


def make_dll(
    path: Path,
    imports: Sequence[str] = (),
    *,
    delay: Sequence[str] = (),
    exports: Sequence[str] = (),
    forwards: Mapping[str, str] | None = None,
    machine: str = "x64",
    manifest: str = "",
    version: str = "",
    linker_version: tuple[int, int] = (14, 0),
    by_ordinal: int = 0,
) -> Path:
    """Make a DLL at `path` that imports one function of each DLL in `imports` and `delay`.

    The function's name is the DLL's, with letters and digits only, and "_value"; every DLL that
    is made here exports its own. The same arguments give the same bytes.

    Args:
        exports: names of further functions that it exports.
        forwards: functions that it exports by pointing into another DLL: {"f": "other.g"}. Its
            own function may be among them.
        manifest: a side-by-side manifest to put inside.
        version: a file version, "14.38.33130.0", to put inside.
        linker_version: what the header says of the linker.
        by_ordinal: import the functions by this number instead of by their name.
    """
    pytest.importorskip("ziglang", reason="zig makes the PE files of this test")
    data = bytearray(
        _build(
            path.name,
            tuple(imports),
            tuple(delay),
            tuple(exports),
            tuple((forwards or {}).items()),
            machine,
            manifest,
            version,
            by_ordinal,
        )
    )
    (header,) = struct.unpack_from("<I", data, 0x3C)
    struct.pack_into("<BB", data, header + 4 + 20 + 2, *linker_version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@cache
def _build(
    name: str,
    imports: tuple[str, ...],
    delay: tuple[str, ...],
    exports: tuple[str, ...],
    forwards: tuple[tuple[str, str], ...],
    machine: str,
    manifest: str,
    version: str,
    by_ordinal: int,
) -> bytes:
    cpu, dlltool_machine = TARGETS[machine]
    used = [*imports, *delay]
    lines = [f"__declspec(dllimport) int {function(dll)}(void);" for dll in used]
    calls = " + ".join(f"{function(dll)}()" for dll in used) or "1"
    for exported in (*({function(name)} - dict(forwards).keys()), *exports):
        lines.append(f"__declspec(dllexport) int {exported}(void) {{ return {calls}; }}")
    lines.append("void *__delayLoadHelper2(void *a, void *b) { return 0; }")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        inputs = ["dll.obj"]
        (folder / "dll.c").write_text("\n".join(lines), encoding="utf-8")
        zig(folder, "cc", "-target", f"{cpu}-windows-gnu", "-O1", "-c", "dll.c", "-o", "dll.obj")
        for dll in used:
            number = f" @{by_ordinal} NONAME" if by_ordinal else ""
            text = f'LIBRARY "{dll}"\nEXPORTS\n {function(dll)}{number}\n'
            (folder / f"{dll}.def").write_text(text, encoding="utf-8")
            zig(folder, "dlltool", "-m", dlltool_machine, "-d", f"{dll}.def", "-l", f"{dll}.lib")
            inputs.append(f"{dll}.lib")
        resources = [_resource(24, 2, manifest.encode())] if manifest else []
        if version:
            resources.append(_resource(16, 1, _version_info(version)))
        if resources:
            # A .res file opens with an empty entry.
            (folder / "dll.res").write_bytes(_resource(0, 0, b"") + b"".join(resources))
            inputs.append("dll.res")
        options = ["/lldmingw", "/dll", "/noentry", *(f"/delayload:{dll}" for dll in delay)]
        options += [f"/export:{forward}={target}" for forward, target in forwards]
        zig(folder, "lld-link", *options, f"/out:{name}", "/implib:own.implib", *inputs)
        return (folder / name).read_bytes()


def _resource(kind: int, number: int, data: bytes) -> bytes:
    """Return an entry of a .res file.

    https://learn.microsoft.com/windows/win32/menurc/resourceheader
    """
    name = struct.pack("<HHHH", 0xFFFF, kind, 0xFFFF, number)
    header = struct.pack("<II", len(data), 32) + name + struct.pack("<IHHII", 0, 0, 0, 0, 0)
    return header + data + bytes(-len(data) % 4)


def _version_info(version: str) -> bytes:
    """Return a VS_VERSIONINFO structure with nothing but a file version."""
    a, b, c, d = map(int, version.split("."))
    key = "VS_VERSION_INFO\0".encode("utf-16-le") + bytes(2)
    fixed = struct.pack("<IIHHHH36x", 0xFEEF04BD, 0x10000, b, a, d, c)
    return struct.pack("<HHH", 6 + len(key) + len(fixed), len(fixed), 0) + key + fixed


def function(name: str) -> str:
    """Return the name of the function that the DLL `name` exports."""
    return re.sub(r"\W", "_", name.lower()) + "_value"


def make_python(
    folder: Path, *, version: str = "311", machine: str = "x64", conda: str = ""
) -> Path:
    """Make what counts of an installed Python: python.exe, its DLLs and the VC runtime.

    Args:
        conda: the whole version ("3.9.5") of a conda Python; otherwise it is python.org's.
    """
    make_dll(folder / "vcruntime140.dll", ["KERNEL32.dll"], machine=machine)
    python_dll = f"python{version}.dll"
    make_dll(folder / python_dll, ["vcruntime140.dll", "KERNEL32.dll"], machine=machine)
    make_dll(folder / "python3.dll", machine=machine)
    make_dll(folder / "python.exe", [python_dll, "VCRUNTIME140.dll"], machine=machine)
    if conda:
        (folder / "conda-meta").mkdir()
        (folder / "conda-meta" / f"python-{conda}-h12345_0.json").touch()
    return folder


def zig(folder: Path, *arguments: str) -> None:
    """Run zig in `folder`."""
    if under_wine():
        pytest.skip("zig for Windows starts under Wine 8, but cannot compile there")
    pytest.importorskip("ziglang")
    command = [str(zig_program()), *arguments]
    result = subprocess.run(
        command, cwd=folder, env=zig_environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


def make_prefix(folder: Path) -> Path:
    """Make a prefix with headers and a real import library."""
    for name in ("include/opencv4/opencv2/opencv.hpp", "include/turbojpeg.h"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "lib").mkdir()
    names = ["tjTransform", "tjFree", "_ZN2cv3MatD1Ev", RESIZE]
    definition = "LIBRARY some.dll\nEXPORTS\n" + "\n".join(names) + "\n"
    (folder / "some.def").write_text(definition, encoding="utf-8")
    zig(folder, "dlltool", "-m", "i386:x86-64", "-d", "some.def", "-l", "lib/turbojpeg.lib")
    return folder
