from pathlib import Path

import pytest
from pe_files import make_dll, make_python

from dllwhy.flavour import detect_environment
from dllwhy.loader import Rule, closure

MANIFEST = """<assembly xmlns="urn:schemas-microsoft-com:asm.v1"><dependency><dependentAssembly>
<assemblyIdentity type="win32" name="{name}" version="9.0.21022.8" processorArchitecture="amd64"/>
</dependentAssembly></dependency></assembly>"""
ASSEMBLY = '<assembly><assemblyIdentity name="x"/><file name="msvcr90.dll"/></assembly>'
CRT = "Microsoft.VC90.CRT"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return make_python(tmp_path / "Python311")


def module(python: Path, name: str = CRT) -> Path:
    manifest = MANIFEST.format(name=name)
    return make_dll(python / "DLLs" / "m.pyd", ["msvcr90.dll"], manifest=manifest)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("folder", ["DLLs", f"DLLs/{CRT}"])
def test_a_private_assembly_beside_the_module_is_found(python: Path, folder: str) -> None:
    write(python / folder / f"{CRT}.manifest", ASSEMBLY)
    runtime = make_dll(python / folder / "msvcr90.dll")
    result = closure(module(python), detect_environment(python))
    assert result.loads
    assert [(r.rule, r.found) for r in result.resolutions] == [(Rule.ASSEMBLY, runtime)]


def test_an_assembly_that_is_nowhere_is_error_14001_even_if_the_dll_is_there(python: Path) -> None:
    make_dll(python / "DLLs" / "msvcr90.dll")
    (missing,) = closure(module(python), detect_environment(python)).missing
    assert missing.name == CRT
    assert missing.problem and "error 14001" in missing.problem


def test_an_assembly_of_a_real_windows_is_found_in_winsxs(python: Path) -> None:
    windows = python.parent / "Windows"
    name = "amd64_microsoft.vc90.crt_1fc8b3b9a1e18e3b_9.0.30729.9635_none_08e2c157a83ed5da"
    write(windows / "WinSxS" / "Manifests" / f"{name}.manifest", ASSEMBLY)
    runtime = make_dll(windows / "WinSxS" / name / "msvcr90.dll")
    (windows / "System32").mkdir()
    environment = detect_environment(python, system32=windows / "System32")
    (found,) = closure(module(python), environment).resolutions
    assert (found.rule, found.found) == (Rule.ASSEMBLY, runtime)


def test_windows_own_assemblies_are_always_there(python: Path) -> None:
    make_dll(python / "DLLs" / "msvcr90.dll")
    common = module(python, "Microsoft.Windows.Common-Controls")
    assert closure(common, detect_environment(python)).loads
