"""Makes real DLLs and extension modules, with the import tables that a test wants.

zig's compiler and linker do it without any runtime library: a few hundredths of a second each.
"""

import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

TARGETS = {"x64": ("x86_64", "i386:x86-64"), "x86": ("x86", "i386"), "arm64": ("aarch64", "arm64")}


def make_dll(
    path: Path,
    imports: Sequence[str] = (),
    *,
    delay: Sequence[str] = (),
    exports: Sequence[str] = (),
    machine: str = "x64",
    manifest: str = "",
    version: str = "",
    linker_version: tuple[int, int] = (14, 0),
) -> Path:
    """Make a DLL at `path` that imports one function of each DLL in `imports` and `delay`.

    The function's name is the DLL's, with letters and digits only, and "_value"; every DLL that
    is made here exports its own.

    Args:
        exports: names of further functions that it exports.
        manifest: a side-by-side manifest to put inside.
        version: a file version, "14.38.33130.0", to put inside.
        linker_version: what the header says of the linker.
    """
    pytest.importorskip("ziglang", reason="zig makes the PE files of this test")
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent / f".{path.name}.work"
    folder.mkdir()
    cpu, dlltool_machine = TARGETS[machine]
    used = [*imports, *delay]
    lines = [f"__declspec(dllimport) int {function(name)}(void);" for name in used]
    calls = " + ".join(f"{function(name)}()" for name in used) or "1"
    for name in (function(path.name), *exports):
        lines.append(f"__declspec(dllexport) int {name}(void) {{ return {calls}; }}")
    lines.append("void *__delayLoadHelper2(void *a, void *b) { return 0; }")
    (folder / "dll.c").write_text("\n".join(lines), encoding="utf-8")
    target = f"{cpu}-windows-gnu"
    zig("cc", "-target", target, "-O1", "-c", folder / "dll.c", "-o", folder / "dll.obj")
    inputs: list[str | Path] = [folder / "dll.obj"]
    for name in used:
        definition = folder / f"{name}.def"
        text = f'LIBRARY "{name}"\nEXPORTS\n {function(name)}\n'
        definition.write_text(text, encoding="utf-8")
        zig("dlltool", "-m", dlltool_machine, "-d", definition, "-l", folder / f"{name}.lib")
        inputs.append(folder / f"{name}.lib")
    resources = ""
    if manifest:
        (folder / "dll.manifest").write_text(manifest, encoding="utf-8")
        resources += f'2 24 "{(folder / "dll.manifest").as_posix()}"\n'
    if version:
        resources += f"1 VERSIONINFO FILEVERSION {version.replace('.', ',')}\nBEGIN\nEND\n"
    if resources:
        (folder / "dll.rc").write_text(resources, encoding="utf-8")
        zig("rc", folder / "dll.rc", folder / "dll.res")
        inputs.append(folder / "dll.res")
    output = [f"/out:{path}", f"/implib:{folder / 'own.lib'}"]
    options = ["/lldmingw", "/dll", "/noentry", *(f"/delayload:{name}" for name in delay)]
    zig("lld-link", *options, *output, *inputs)
    _set_linker_version(path, linker_version)
    return path


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


def zig(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "ziglang", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


def _set_linker_version(path: Path, version: tuple[int, int]) -> None:
    data = bytearray(path.read_bytes())
    (header,) = struct.unpack_from("<I", data, 0x3C)
    struct.pack_into("<BB", data, header + 4 + 20 + 2, *version)
    path.write_bytes(data)
