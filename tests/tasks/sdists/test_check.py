"""What is in a finished wheel."""

import zipfile
from pathlib import Path

import pytest
from pe_files import make_dll, make_python

from tasks.sdists import check


def test_packages_come_before_extensions():
    members = ["a/__init__.py", "a/_x.cp311-win_amd64.pyd", "b.py", "_c.abi3.pyd", "a/sub/y.pyd",
               "a-1.dist-info/METADATA", "tests/__init__.py", "a.libs/z.dll",
               "a/tests/_t.pyd", "a/test.pyd"]  # fmt: skip
    assert check.modules(members) == ["a", "b", "_c", "a._x", "a.sub.y", "a.test"]


def test_another_systems_module_is_a_fault(tmp_path):
    wheel = tmp_path / "a-1-cp311-cp311-win_amd64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a.cpython-311-x86_64-linux-gnu.so", b"\x7fELF")
    assert check.faults(wheel, [], tmp_path / "out") == [
        "a.cpython-311-x86_64-linux-gnu.so is for another system"
    ]


def test_a_wheel_for_windows_may_hold_nothing_that_was_compiled(tmp_path):
    wheel = tmp_path / "a-1-cp311-cp311-win_amd64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a.py", "")
    assert not check.compiled(wheel)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("a.PYD", b"")
    assert check.compiled(wheel)


def test_an_extension_that_was_begun_and_is_not_in_the_wheel_is_lost(tmp_path):
    wheel = tmp_path / "a-1-cp311-cp311-win_amd64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/_one.cp311-win_amd64.pyd", b"")
        archive.writestr("a/two.dll", b"")
    log = (
        "running build_ext\nbuilding 'a._one' extension\nbuilding 'two' extension\n"
        "building 'a._three' extension\nerror: no\nbuilding 'a._three' extension\n"
    )
    assert check.lost(log, wheel) == ["a._three"]


@pytest.mark.parametrize(
    ("named", "source", "told"),
    [
        ("0.0.0", "1.1.0", "calls the wheel 0.0.0, and the source is 1.1.0"),
        ("1.1", "1.1.0", ""),
        ("1.1.0+abc", "1.1.0", ""),
        ("1.1.0", "", ""),
        ("1.1.0", "of-an-older-time", ""),
    ],
)
def test_a_wheel_that_calls_itself_another_version_is_told(named, source, told):
    line = check.other_version(Path(f"a-{named}-cp311-cp311-win_amd64.whl"), source)
    assert told in line and bool(told) == bool(line)


def test_the_modules_whose_dlls_are_missing_are_found_by_what_python_says(tmp_path):
    module = tmp_path / "ot" / "lp" / "emd_wrap.cp311-win_amd64.pyd"
    module.parent.mkdir(parents=True)
    make_dll(module, ["MSVCP140.dll", "KERNEL32.dll"])
    make_python(tmp_path)
    error = "ImportError: DLL load failed while importing emd_wrap: Module not found."
    assert check.not_loaded([error, ""], tmp_path) == [module]
    assert check.not_loaded(["ModuleNotFoundError: No module named 'emd_wrap'"], tmp_path) == []
    assert check.lacking(module, tmp_path, ["msvcp140*.dll"]) == ["MSVCP140.dll"]
    assert check.lacking(module, tmp_path, ["vcruntime*.dll"]) == []


def test_a_library_for_ctypes_that_is_called_a_module_is_told_from_modules(tmp_path):
    package = tmp_path / "a"
    package.mkdir()
    make_dll(package / "module.cp311-win_amd64.pyd", ["python311.dll", "KERNEL32.dll"])
    make_dll(package / "stable.pyd", ["python3.dll"])
    make_dll(package / "library.cp311-win_amd64.pyd", ["KERNEL32.dll"])
    assert check.libraries(tmp_path) == {"a.library": "a/library.cp311-win_amd64.pyd"}


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        (b"\0/root/clone/a.c\0", True),
        (b"\0Z:\\root\\clone\\a.c\0", True),
        (b"from Z:/root", True),
        (b"build/root/lib", False),
        (b"build\\root\\lib", False),
        (b"/roots", False),
    ],
)
def test_a_path_of_this_machine_is_a_whole_one(content, holds):
    assert check._holds(content, "/root") == holds
