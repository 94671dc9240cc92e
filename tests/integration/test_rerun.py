"""What is run again after a change: what depends on it, and nothing else.

Runs end at verify:closure; whether the slow checks would run again is asked of doit.
"""

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]

FROM_WHEEL = ["wheel:ffcv", "install:ffcv", "dlls", "verify:closure"]
SLOW = {"verify:import", "verify:roundtrip"}


@pytest.fixture(autouse=True)
def _settled(built):
    """Before and after a test nothing but the slow checks is stale."""
    built.doit("verify:closure")
    yield
    built.restore()
    built.doit("verify:closure")


def test_a_second_run_executes_nothing(clone, first_run):
    run = clone.doit()
    assert run.executed == []
    assert "0 of " in run.output


def test_a_changed_patch(built):
    [patch, *_] = sorted((built.folder / "patches" / "ffcv-1.0.2").glob("*.patch"))
    patch.write_text("Changed.\n" + patch.read_text(encoding="utf-8"), encoding="utf-8")
    assert built.doit("verify:closure").executed == ["source:ffcv", *FROM_WHEEL]
    assert built.stale("verify") >= SLOW


def test_a_changed_cmake_flag_of_a_library(built):
    # Of the two that are built from source, the one that is built in a minute.
    def change(config):
        defines = config["libraries"]["libjpeg-turbo"]["recipes"]["cmake"]["defines"]
        defines["CMAKE_PROJECT_NAME_COMMENT"] = "x"

    built.change_config(change)
    assert built.doit("verify:closure").executed == ["libs:libjpeg-turbo", *FROM_WHEEL]
    assert built.stale("verify") >= SLOW


def test_a_deleted_staged_header(built):
    header = built.build / "libs" / "opencv" / "include" / "opencv2" / "core.hpp"
    header.unlink()
    assert built.doit("verify:closure").executed == ["libs:opencv"]
    assert header.is_file()


def test_a_deleted_extension_module(built):
    for extension in (built.package, built.build / "wheels" / "ffcv"):
        [file] = extension.glob("*.pyd")
        file.unlink()
    run = built.doit("verify:closure")
    assert run.executed[:2] == ["wheel:ffcv", "install:ffcv"]
    assert set(run.executed) <= set(FROM_WHEEL)


def test_a_deleted_dll_copy(built):
    (built.package / "MSVCR100.dll").unlink()
    assert built.doit("verify:closure").executed == ["dlls"]
    assert (built.package / "MSVCR100.dll").is_file()


def test_a_cleaned_library(built):
    assert "libs/libjpeg-turbo" in built.doit("clean", "--dry-run", "libs:libjpeg-turbo").output
    built.doit("clean", "libs:libjpeg-turbo")
    assert not (built.build / "libs" / "libjpeg-turbo").exists()
    # It comes back from the store as it was, so that what links it does not follow.
    assert built.doit("verify:closure").executed == ["libs:libjpeg-turbo"]


def test_a_library_of_another_name_in_the_way_is_an_error(built):
    intruder = built.package / "pthreadvc2.DLL"
    original = built.package / "pthreadVC2.dll"
    original.unlink()
    intruder.write_bytes(b"another")
    try:
        run = built.doit("dlls")
    finally:
        intruder.unlink()
    assert run.status == 1
    assert "pthreadvc2.DLL" in run.output and "is there already and differs" in run.output
    assert built.doit("dlls").status == 0


def test_offline_with_a_full_cache_is_no_different(built):
    run = built.doit("offline=1", "verify:closure")
    assert run.status == 0
