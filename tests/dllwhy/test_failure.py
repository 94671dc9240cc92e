from pathlib import Path

import pytest

from dllwhy.failure import Failure, failed_file, from_json

FILE = str(Path("package", "module.pyd").absolute())


@pytest.mark.parametrize(
    ("error", "file"),
    [
        (ImportError("DLL load failed while importing module: x", path=FILE), FILE),
        (FileNotFoundError(f"Could not find module '{FILE}' (or one of its dependencies). Try "
                           "using the full path with constructor syntax."), FILE),
        (FileNotFoundError("Could not find module 'a.dll' (or one of its dependencies). Try"),
         "a.dll"),
        (OSError(f'[WinError 126] x. Error loading "{FILE}" or one of its dependencies.'), FILE),
    ],
    ids=["import", "ctypes, a path", "ctypes, a name", "torch"],
)  # fmt: skip
def test_the_file_that_was_not_loaded_is_told(error: Exception, file: str) -> None:
    assert failed_file(error) == (str(error), file)


def test_an_error_that_a_package_raises_from_it_tells_the_same() -> None:
    cause = ImportError("DLL load failed while importing module: x", path=FILE)
    outer, inner = RuntimeError("numpy's advice"), ImportError("numpy's own")
    inner.__cause__ = cause
    outer.__context__ = inner
    assert failed_file(outer) == (str(cause), FILE)


def test_other_errors_tell_nothing() -> None:
    circle = ValueError("a")
    circle.__context__ = circle
    others = (circle, None, ImportError("DLL load failed while importing m: x"), OSError("no"),
              ImportError("cannot import name 'x'", path=FILE))  # fmt: skip
    assert [failed_file(error) for error in others] == [None] * 5


def test_a_failure_is_the_same_after_its_way_through_a_file() -> None:
    failure = Failure("DLL load failed: ü", FILE, "C:\\Python", "C:\\a", (("add", "C:\\a"),))
    assert from_json(failure.to_json()) == failure
