import io
import json
from pathlib import Path

import pytest
from installed_packages import DELVEWHEEL, install, make_venv
from pe_files import function, make_dll, make_python
from rich.console import Console

from dllwhy.audit import Finding, as_data, audit, table
from dllwhy.flavour import detect_environment


@pytest.fixture
def python(tmp_path: Path) -> Path:
    folder = make_python(tmp_path / "Python311")
    (folder / "Lib" / "site-packages").mkdir(parents=True)
    return folder


@pytest.fixture
def package(python: Path) -> Path:
    return python / "Lib" / "site-packages" / "package"


def findings(python: Path, kind: str) -> list[Finding]:
    return [finding for finding in audit(detect_environment(python)) if finding.kind == kind]


def test_a_sound_environment_has_unsigned_files_as_its_only_findings(
    python: Path, package: Path
) -> None:
    make_dll(package / "own.dll")
    make_dll(package / "m.pyd", ["own.dll", "python311.dll", "VCRUNTIME140.dll"])
    assert {finding.kind for finding in audit(detect_environment(python))} == {"signature"}


def test_files_that_should_be_signed_and_are_not_are_named(python: Path) -> None:
    found = {f.file.name: f.message for f in findings(python, "signature")}
    assert set(found) == {"python3.dll", "python311.dll", "vcruntime140.dll"}
    assert "by Python Software Foundation" in found["python311.dll"]
    assert "by Microsoft Corporation" in found["vcruntime140.dll"]


def test_an_import_that_cannot_resolve_is_serious_and_told_once(
    python: Path, package: Path
) -> None:
    own = make_dll(package / "own.dll", ["MSVCR100.dll"])
    make_dll(package / "a.pyd", ["own.dll"])
    make_dll(package / "b.pyd", ["own.dll"])
    (finding,) = findings(python, "missing")
    assert finding.serious and finding.file == own
    assert "needs MSVCR100.dll" in finding.message
    assert "a.pyd and 1 more cannot load" in finding.message
    assert "Visual C++ 2010" in finding.remedy


def test_a_dll_that_no_module_brings_in_is_looked_at_by_itself(python: Path, package: Path) -> None:
    plugin = make_dll(package / "plugin.dll", ["libpq.dll"])
    (finding,) = findings(python, "missing")
    assert (finding.file, finding.serious) == (plugin, False)


@pytest.mark.parametrize(("name", "serious"), [("m.pyd", True), ("tool.dll", False)])
def test_a_file_for_another_machine_is_named(
    python: Path, package: Path, name: str, serious: bool
) -> None:
    file = make_dll(package / name, machine="x86")
    (finding,) = findings(python, "machine")
    assert (finding.file, finding.serious) == (file, serious)
    assert finding.message == "built for x86, in a Python for x64"


def test_a_file_that_is_no_pe_file_is_damaged(python: Path, package: Path) -> None:
    package.mkdir()
    (package / "own.dll").write_bytes(b"<html>")
    make_dll(package / "m.pyd", ["own.dll"])
    (finding,) = findings(python, "damaged")
    assert finding.serious and finding.file == package / "own.dll"


def test_two_dlls_of_one_name_clash_and_the_first_loaded_wins(python: Path, package: Path) -> None:
    other = package.with_name("other")
    make_dll(package / "own.dll", version="1.0.0.0")
    make_dll(other / "OWN.dll", version="2.0.0.0")
    make_dll(package / "a.pyd", ["own.dll"])
    make_dll(other / "b.pyd", ["own.dll"])
    (finding,) = findings(python, "clash")
    assert "(1.0.0.0)" in finding.message and "(2.0.0.0)" in finding.message
    assert finding.message.endswith("the one that is loaded first wins")


def test_equal_copies_do_not_clash(python: Path, package: Path) -> None:
    other = package.with_name("other")
    own = make_dll(package / "own.dll")
    make_dll(package / "a.pyd", ["own.dll"])
    make_dll(other / "b.pyd", ["own.dll"])
    (other / "own.dll").write_bytes(own.read_bytes())
    assert findings(python, "clash") == []


def test_the_runtime_beside_python_wins_over_a_packages_own(python: Path, package: Path) -> None:
    make_dll(package / "vcruntime140.dll", exports=["newer"])
    make_dll(package / "m.pyd", ["VCRUNTIME140.dll"])
    (finding,) = findings(python, "clash")
    assert finding.message.endswith(f"{python / 'vcruntime140.dll'} always wins")


def test_a_runtime_older_than_the_toolset_of_a_module_is_named(python: Path, package: Path) -> None:
    runtime = make_dll(python / "msvcp140.dll", version="14.29.30133.0")
    make_dll(package / "old.pyd", ["MSVCP140.dll"], linker_version=(14, 29))
    assert findings(python, "runtime") == []
    make_dll(package / "new.pyd", ["MSVCP140.dll"], linker_version=(14, 40))
    (finding,) = findings(python, "runtime")
    assert finding.file == runtime and "vc_redist.x64.exe" in finding.remedy
    assert "14.29.30133.0 is older than the toolset 14.40 that built" in finding.message


def test_a_function_that_a_dll_does_not_have_is_serious(python: Path, package: Path) -> None:
    make_dll(package / "m.pyd", ["own.dll"])
    (make_dll(package / "renamed.dll")).rename(package / "own.dll")
    (finding,) = findings(python, "function")
    assert finding.serious and finding.file == package / "m.pyd"
    assert f"calls {function('own.dll')}" in finding.message


def test_a_function_that_is_forwarded_to_a_dll_without_it_is_serious(
    python: Path, package: Path
) -> None:
    make_dll(package / "m.pyd", ["own.dll"])
    make_dll(package / "own.dll", forwards={function("own.dll"): "other.value"})
    (lacking,) = findings(python, "missing")
    assert lacking.file == package / "own.dll" and "needs other.dll" in lacking.message
    make_dll(package / "other.dll")
    (finding,) = findings(python, "function")
    assert finding.serious and finding.file == package / "m.pyd"
    assert f"calls value, which {package / 'other.dll'} does not export" in finding.message


@pytest.mark.parametrize("sees_base", [False, True])
def test_packages_of_a_venvs_base_count_only_where_the_venv_sees_them(
    tmp_path: Path, python: Path, sees_base: bool
) -> None:
    base = detect_environment(python)
    files = {
        "numeric/__init__.py": DELVEWHEEL,
        "numeric/_core.pyd": "blas.dll",
        "numeric/_broken.pyd": "absent.dll",
        "numeric.libs/blas.dll": "",
    }
    install(base, "numeric", files)
    venv = make_venv(tmp_path / "venv", base, sees_base=sees_base)
    lacking = [f.file.name for f in audit(venv) if f.kind == "missing"]
    assert lacking == (["_broken.pyd"] if sees_base else [])


def test_serious_findings_come_first_and_all_are_shown(python: Path, package: Path) -> None:
    make_dll(package / "m.pyd", ["absent.dll"])
    environment = detect_environment(python)
    found = audit(environment)
    assert [finding.serious for finding in found] == [True, False, False, False]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(found, environment))
    assert "absent.dll" in console.export_text()
    assert json.loads(json.dumps(as_data(found)))[0]["kind"] == "missing"
