"""What the full run made is what it should be."""

import csv
import hashlib
import json
import zipfile
from base64 import urlsafe_b64encode
from pathlib import PurePosixPath

import pytest
from packaging.utils import parse_wheel_filename

from dllwhy import pe

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]


def test_the_full_run_succeeds_and_its_summary_has_every_stage(first_run):
    assert first_run.status == 0, first_run.output
    summary = first_run.output[first_run.output.index("stage  ") :]
    rows = [line.split()[0] for line in summary.splitlines() if line.strip()]
    for stage in (
        "prereqs", "fetch", "extract", "toolchain", "env:python", "env:packages", "env:wine",
        "libs:opencv", "libs:libjpeg-turbo", "libs:pthreads", "libs:msvcr100", "source:ffcv",
        "wheel:ffcv", "install:ffcv", "install:fastxtend", "dlls", "verify:closure",
        "verify:import", "verify:roundtrip",
    ):  # fmt: skip
        assert stage in rows
    assert first_run.last_line.startswith("To use it: build/zig-cp311/python ")


def test_the_extension_is_one_for_this_windows_python(built):
    [extension] = built.package.glob("*.pyd")
    assert extension.name == "_libffcv.cp311-win_amd64.pyd"
    parsed = pe.read_pe(extension)
    assert parsed.machine == "x64"
    imports = {name.lower() for name in parsed.imports}
    assert {"python311.dll", "libopencv_core460.dll", "pthreadvc2.dll"} <= imports
    assert {"PyInit__libffcv", "imdecode", "resize"} <= pe.exports(extension)


def test_the_wheel_is_valid(built):
    [wheel] = (built.build / "wheels" / "ffcv").glob("*.whl")
    name, version, _, tags = parse_wheel_filename(wheel.name)
    assert (name, str(version)) == ("ffcv", "1.0.2")
    assert {str(tag) for tag in tags} == {"cp311-cp311-win_amd64"}
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        assert {PurePosixPath(n).suffix for n in archive.namelist()} <= {".py", ".pyd", ".txt", ""}
        [record] = [n for n in archive.namelist() if n.endswith(".dist-info/RECORD")]
        rows = list(csv.reader(archive.read(record).decode().splitlines()))
        assert {row[0] for row in rows} == set(archive.namelist())
        for path, digest, _ in rows:
            if digest:
                found = hashlib.sha256(archive.read(path)).digest()
                assert digest == "sha256=" + urlsafe_b64encode(found).rstrip(b"=").decode()


def test_every_dll_is_found_by_a_rule_and_msvcr100_is_among_them(built):
    rows = json.loads((built.build / "verify" / "closure.json").read_text(encoding="utf-8"))
    found = {row["import"].lower(): row for row in rows}
    assert found["msvcr100.dll"]["rule"] == "folder of the extension module"
    assert found["msvcr100.dll"]["importer"] == "pthreadVC2.dll"
    assert all(row["rule"] != "missing" for row in rows)


def test_the_windows_python_imported_what_people_import(built):
    outcome = json.loads((built.build / "verify" / "import.json").read_text(encoding="utf-8"))
    assert outcome["platform"] == "win32"
    assert [(r["module"], r["status"]) for r in outcome["imports"]] == [
        ("ffcv", "passed"),
        ("fastxtend", "passed"),
        ("fastxtend.ffcv.all", "passed"),
        ("fastxtend.vision.all", "passed"),
    ]


def test_every_check_of_the_round_trip_passed(built):
    outcome = json.loads((built.build / "verify" / "roundtrip.json").read_text(encoding="utf-8"))
    assert len(outcome["checks"]) >= 5
    assert {check["status"] for check in outcome["checks"]} == {"passed"}


def test_the_launcher_passes_output_and_exit_status_on(built):
    done = built.python("import sys; print(sys.platform); print('è', file=sys.stderr); sys.exit(7)")
    assert (done.stdout.strip(), done.returncode) == ("win32", 7)


def test_wine_does_not_hide_a_dll_that_is_missing(built):
    dll = built.package / "MSVCR100.dll"
    hidden = dll.with_suffix(".hidden")
    load = (
        "import sys, importlib.machinery as m, importlib.util as u, pathlib;"
        "f = str(next(pathlib.Path(sys.prefix, 'Lib/site-packages/ffcv').glob('*.pyd')));"
        "s = u.spec_from_file_location('_libffcv', f); u.module_from_spec(s); print('LOADED')"
    )
    assert "LOADED" in built.python(load).stdout
    dll.rename(hidden)
    try:
        done = built.python(load)
    finally:
        hidden.rename(dll)
    assert "DLL load failed while importing _libffcv" in done.stderr


def test_the_model_of_the_loader_agrees_with_what_wines_loader_did(built):
    run = built.doit("trace", "--json", "--import", "ffcv._libffcv")
    assert run.status == 0
    loaded = {one["name"]: one for one in json.loads(run.output)}
    assert loaded["msvcr100.dll"]["real"].endswith("site-packages/ffcv/msvcr100.dll")
    assert all(one["agrees"] for one in loaded.values())


def test_a_look_at_a_file_asks_no_service_of_wine(built):
    done = built.python(
        "import os, pathlib, shutil; file = os.path.realpath('C:/windows/system32/kernel32.dll');"
        "print(file, os.stat(file).st_dev, pathlib.Path('Z:/').is_dir(), "
        "shutil.disk_usage('C:/')[0] > 0)"
    )
    assert done.stdout.strip() == r"C:\windows\system32\kernel32.dll 0 True True"
