import shutil
from pathlib import Path

import pytest
from pe_files import function, make_dll, make_python

from dllwhy.flavour import detect_environment
from dllwhy.functions import Lacking
from dllwhy.loader import closure


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return make_python(tmp_path / "Python311")


def lacking(module: Path, python: Path, **options: Path) -> tuple[Lacking, ...]:
    result = closure(module, detect_environment(python, **options))  # type: ignore[arg-type]
    assert result.loads is not bool(result.lacking)
    return result.lacking


def test_a_function_that_the_dll_found_lacks_ends_the_load(python: Path) -> None:
    module = make_dll(python / "DLLs" / "m.pyd", ["own.dll"])
    assert lacking(make_dll(python / "DLLs" / "own.dll"), python) == ()
    shutil.copy(make_dll(python / "other.dll"), python / "DLLs" / "own.dll")
    (lack,) = lacking(module, python)
    assert (lack.dll.name, lack.functions, lack.error) == ("own.dll", (function("own.dll"),), 127)


def test_an_ordinal_that_the_dll_found_lacks_ends_the_load(python: Path) -> None:
    module = make_dll(python / "DLLs" / "m.pyd", ["own.dll"], by_ordinal=7)
    make_dll(python / "DLLs" / "own.dll")
    (lack,) = lacking(module, python)
    assert (lack.title, lack.error) == ("ordinal 7", 182)
    assert lacking(make_dll(python / "DLLs" / "n.pyd", ["own.dll"], by_ordinal=1), python) == ()


def test_a_forwarder_whose_target_lacks_the_function_ends_the_load(python: Path) -> None:
    module = make_dll(python / "DLLs" / "m.pyd", ["own.dll"])
    make_dll(python / "DLLs" / "own.dll", forwards={function("own.dll"): "other.gone"})
    target = make_dll(python / "DLLs" / "other.dll")
    (lack,) = lacking(module, python)
    assert (lack.dll, lack.functions) == (target, ("gone",))


def test_windows_own_dlls_are_looked_at_where_a_system32_is_given(python: Path) -> None:
    module = make_dll(python / "DLLs" / "m.pyd", ["dbghelp.dll"])
    assert lacking(module, python) == ()  # of a fresh Windows only the names are known
    system32 = python.parent / "System32"
    shutil.copy(make_dll(python / "other.dll"), make_dll(system32 / "dbghelp.dll"))
    (lack,) = lacking(module, python, system32=system32)
    assert lack.dll == system32 / "dbghelp.dll"


def test_another_packages_dll_that_is_loaded_already_may_lack_a_function(python: Path) -> None:
    environment = detect_environment(python)
    make_dll(python / "a" / "own.dll", exports=["new"])
    make_dll(python / "b" / "own.dll")
    shutil.copy(make_dll(python / "other.dll"), python / "a" / "own.dll")
    first = make_dll(python / "a" / "a.dll")
    loaded = dict(closure(python / "a" / "own.dll", environment).loaded)
    module = make_dll(python / "b" / "m.pyd", ["own.dll"])
    assert first and closure(module, environment).loads
    (lack,) = closure(module, environment, loaded=loaded).lacking
    assert lack.dll == python / "a" / "own.dll"
