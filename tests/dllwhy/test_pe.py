import os
import struct
from pathlib import Path

import pytest
from pe_files import function, make_dll
from support import ROOT

from dllwhy import pe
from dllwhy.errors import DiagnosisError

MANIFEST = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <dependency><dependentAssembly>
    <assemblyIdentity type="win32" name="Microsoft.VC90.CRT" version="9.0.21022.8"/>
  </dependentAssembly></dependency>
</assembly>
"""


def test_imports_are_read_as_spelled_and_in_order(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "a.dll", ["Zeta.dll", "KERNEL32.dll", "alpha.DLL"])
    read = pe.read_pe(dll)
    assert read.imports == ("Zeta.dll", "KERNEL32.dll", "alpha.DLL")
    assert read.delay_imports == ()
    assert read.is_dll


def test_delay_imports_are_told_apart_from_imports(tmp_path: Path) -> None:
    read = pe.read_pe(make_dll(tmp_path / "a.dll", ["now.dll"], delay=["later.dll"]))
    assert (read.imports, read.delay_imports) == (("now.dll",), ("later.dll",))


@pytest.mark.parametrize("machine", ["x64", "x86", "arm64"])
def test_the_machine_is_read_from_the_header(tmp_path: Path, machine: str) -> None:
    assert pe.read_pe(make_dll(tmp_path / "a.dll", machine=machine)).machine == machine


def test_a_launcher_of_pip_is_an_executable_with_its_linker_version() -> None:
    distlib = pytest.importorskip("pip._vendor.distlib", reason="pip brings real .exe files")
    read = pe.read_pe(Path(distlib.__file__).with_name("t64.exe"))
    assert (read.machine, read.is_dll, read.linker_version) == ("x64", False, (10, 0))
    assert "KERNEL32.dll" in read.imports
    assert pe.signer(read.path) is None


def test_exports_and_imported_functions_are_named(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "a.dll", ["B-1.dll"], exports=["extra"])
    assert pe.exports(dll) >= {function("a.dll"), "extra"}
    assert pe.imported_symbols(dll) == {"b-1.dll": {function("B-1.dll")}}
    assert pe.forwarders(dll) == {}
    forwarding = make_dll(tmp_path / "c.dll", forwards={"there": "other.here"})
    assert pe.exports(forwarding) == {function("c.dll"), "there"}
    assert pe.forwarders(forwarding) == {"there": "other.here"}


def test_version_and_manifest_come_from_the_resources(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "a.dll", manifest=MANIFEST, version="14.38.33130.0")
    assert pe.version_info(dll) == "14.38.33130.0"
    assert "Microsoft.VC90.CRT" in (pe.manifest(dll) or "")
    plain = make_dll(tmp_path / "b.dll")
    assert (pe.version_info(plain), pe.manifest(plain)) == (None, None)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"MZ" + b"\0" * 100])
def test_a_file_that_is_no_pe_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "download.dll"
    file.write_bytes(content)
    with pytest.raises(DiagnosisError, match=r"download\.dll is not a Windows executable or DLL"):
        pe.read_pe(file)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DiagnosisError, match=r"absent\.dll cannot be read: "):
        pe.read_pe(tmp_path / "absent.dll")


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "a.dll", ["one.dll"])
    assert pe.read_pe(dll).imports == ("one.dll",)
    other = make_dll(tmp_path / "other" / "a.dll", ["two.dll"])
    other.replace(dll)
    assert pe.read_pe(dll).imports == ("two.dll",)


def signed_file() -> Path:
    """A python.exe of python.org: of a build in this clone."""
    found = sorted(ROOT.glob("build/*/**/python.exe"))
    for path in found:
        if path.stat().st_size > 50_000:
            return path
    pytest.skip("no Windows Python here: doit env:python unpacks one")


def test_the_signer_of_a_signed_file_is_named() -> None:
    assert pe.signer(signed_file()) == "Python Software Foundation"


def test_a_signed_file_that_was_altered_is_refused(tmp_path: Path) -> None:
    data = bytearray(signed_file().read_bytes())
    data[5000] ^= 1
    file = tmp_path / "python.exe"
    file.write_bytes(data)
    with pytest.raises(DiagnosisError, match="changed after it was signed"):
        pe.signer(file)


def test_a_truncated_dll_is_damaged_though_its_headers_are_whole(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "a.dll", ["b.dll"], exports=["extra"])
    dll.write_bytes(dll.read_bytes()[:-512])
    with pytest.raises(DiagnosisError, match=r"is damaged: its section .* that was cut off"):
        pe.read_pe(dll)


def test_a_file_without_an_optional_header_is_damaged(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "a.dll")
    data = bytearray(dll.read_bytes())
    (header,) = struct.unpack_from("<I", data, 0x3C)
    struct.pack_into("<H", data, header + 20, 0)
    dll.write_bytes(data)
    with pytest.raises(DiagnosisError, match="is damaged: it has no optional header"):
        pe.read_pe(dll)


def test_an_import_table_outside_of_the_file_is_damage(tmp_path: Path) -> None:
    dll = make_dll(tmp_path / "a.dll", ["b.dll"])
    data = bytearray(dll.read_bytes())
    (header,) = struct.unpack_from("<I", data, 0x3C)
    struct.pack_into("<I", data, header + 24 + 112 + 8, 0x7FFFF000)
    dll.write_bytes(data)
    with pytest.raises(DiagnosisError, match="its import table lies outside of the file"):
        pe.read_pe(dll)


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "x.dll").mkdir()
    with pytest.raises(DiagnosisError, match=r"x\.dll is no file"):
        pe.read_pe(tmp_path / "x.dll")
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes among the files of this system")
    os.mkfifo(tmp_path / "x.pyd")
    with pytest.raises(DiagnosisError, match=r"x\.pyd is no file"):
        pe.read_pe(tmp_path / "x.pyd")
