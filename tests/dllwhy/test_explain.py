import io
import json
import os
from pathlib import Path

import pytest
from installed_packages import DELVEWHEEL, install
from pe_files import function, make_dll, make_python
from rich.console import Console

from dllwhy.errors import DiagnosisError
from dllwhy.explain import Explanation, as_data, explain
from dllwhy.explain_tree import tree
from dllwhy.flavour import detect_environment


@pytest.fixture
def python(tmp_path: Path) -> Path:
    folder = make_python(tmp_path / "Python311")
    (folder / "Lib" / "site-packages").mkdir(parents=True)
    return folder


@pytest.fixture
def extension(python: Path) -> Path:
    """An extension module like FFCV's, with nothing copied."""
    folder = python / "Lib" / "site-packages" / "ffcv"
    return make_dll(folder / "_libffcv.pyd", ["pthreadVC2.dll", "python311.dll", "KERNEL32.dll"])


def text(explanation: Explanation) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(tree(explanation))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def pthreads(folder: Path) -> Path:
    return make_dll(folder / "pthreadVC2.dll", ["MSVCR100.dll", "KERNEL32.dll"])


def test_with_nothing_copied_the_missing_dll_is_named_with_its_remedy(extension: Path) -> None:
    explanation = explain(str(extension))
    assert explanation.exit_status == 1
    shown = text(explanation)
    assert "_libffcv.pyd does not load: missing pthreadVC2.dll" in shown
    assert "looked in ffcv (folder of the extension module)" in shown
    assert "It is pthreads-win32." in shown
    assert "doit dlls" in shown
    assert len(shown.splitlines()) <= 24  # one screen


def test_a_dll_that_is_on_path_only_is_said_to_be_so(extension: Path, tmp_path: Path) -> None:
    tools = pthreads(tmp_path / "tools").parent
    explanation = explain(str(extension), path=(tools,))
    assert explanation.exit_status == 1
    assert "pthreadVC2.dll is on PATH, but Python does not look there" in text(explanation)
    assert "does not load: missing pthreadVC2.dll" in text(explanation)


def test_the_missing_dll_of_a_copied_dll_is_shown_below_it(extension: Path) -> None:
    pthreads(extension.parent)
    explanation = explain(str(extension))
    shown = text(explanation)
    assert explanation.exit_status == 1
    assert "pthreadVC2.dll: folder of the extension module (ffcv)" in shown
    assert "MSVCR100.dll: missing" in shown
    assert "Visual C++ 2010 runtime, which Windows 10 and 11 do not have" in shown


def test_a_dll_that_is_missing_for_a_forwarder_is_told_as_such(python: Path) -> None:
    folder = python / "DLLs"
    module = make_dll(folder / "m.pyd", ["own.dll"])
    make_dll(folder / "own.dll", forwards={function("own.dll"): "other.value"})
    explanation = explain(str(module))
    assert explanation.exit_status == 1
    assert "other.dll: missing (own.dll forwards own_dll_value to it)" in text(explanation)
    rows = {row["name"]: row for row in as_data(explanation)["modules"][0]["imports"]}
    assert rows["other.dll"]["forwards"] == "own_dll_value"


def test_a_module_that_loads_says_by_which_rule_it_finds_each_dll(extension: Path) -> None:
    pthreads(extension.parent)
    make_dll(extension.parent / "msvcr100.dll")
    explanation = explain(str(extension))
    assert explanation.exit_status == 0
    shown = text(explanation)
    assert "_libffcv.pyd loads" in shown
    assert "loaded already: python311.dll, KERNEL32.dll" in shown
    assert "missing" not in shown


def test_a_32_bit_dll_is_named_as_the_reason(extension: Path) -> None:
    make_dll(extension.parent / "pthreadVC2.dll", machine="x86")
    shown = text(explain(str(extension)))
    assert "_libffcv.pyd does not load: pthreadVC2.dll cannot be used" in shown
    assert "is there, but it is built for x86 (32-bit)" in shown
    assert "missing" not in shown


def test_a_dll_elsewhere_in_the_environment_is_pointed_out(extension: Path) -> None:
    pthreads(extension.parent / "lib")
    shown = text(explain(str(extension)))
    assert "pthreadVC2.dll has that name, but its folder is not searched" in shown


def test_a_dll_elsewhere_for_another_machine_is_not_pointed_out(extension: Path) -> None:
    make_dll(extension.parent / "lib" / "pthreadVC2.dll", machine="x86")
    assert "has that name" not in text(explain(str(extension)))


def test_the_remedy_is_for_the_machine_of_python(tmp_path: Path) -> None:
    root = make_python(tmp_path / "Python311-32", machine="x86")
    module = make_dll(root / "DLLs" / "m.pyd", ["MSVCP140.dll"], machine="x86")
    assert "vc_redist.x86.exe" in text(explain(str(module)))


def test_a_python_that_searches_path_is_not_advised_to_add_folders(tmp_path: Path) -> None:
    root = make_python(tmp_path / "env", conda="3.9.5", version="39")
    module = make_dll(root / "Lib" / "site-packages" / "m.pyd", ["other.dll"])
    make_dll(root / "Lib" / "site-packages" / "other.libs" / "other.dll")
    shown = text(explain(str(module)))
    assert "if its package is imported first, or on PATH" in shown
    assert "add_dll_directory" not in shown


def test_a_folder_that_the_program_adds_can_be_given(extension: Path) -> None:
    folder = pthreads(extension.parent / "lib").parent
    make_dll(folder / "MSVCR100.dll")
    assert explain(str(extension), added=(folder,)).exit_status == 0


def test_what_another_package_loaded_before_is_used(python: Path) -> None:
    environment = detect_environment(python)
    files = {
        "numeric/__init__.py": DELVEWHEEL,
        "numeric/_core.pyd": "blas.dll",
        "numeric.libs/blas.dll": "",
    }
    folder = install(environment, "numeric", files)
    install(environment, "user", {"user/_c.pyd": "blas.dll"})
    assert explain("user", python).exit_status == 1
    explanation = explain("user", python, after=("numeric",))
    assert explanation.exit_status == 0
    (row,) = as_data(explanation)["modules"][0]["imports"]
    assert row["rule"] == "already loaded"
    assert row["found"] == str(folder / "numeric.libs" / "blas.dll")


def test_one_damaged_dll_does_not_hide_the_rest(extension: Path) -> None:
    pthreads(extension.parent).write_text("<html>", encoding="utf-8")
    explanation = explain(str(extension))
    assert explanation.exit_status == 1
    shown = text(explanation)
    assert "pthreadVC2.dll: cannot be used" in shown
    assert "pthreadVC2.dll is there, but it is no Windows DLL (no PE headers)" in shown
    assert "To do: install its package again" in shown
    assert "loaded already: python311.dll, KERNEL32.dll" in shown


def test_a_manifest_that_asks_for_an_assembly_is_told(extension: Path) -> None:
    manifest = (
        "<assembly><dependency><dependentAssembly><assemblyIdentity "
        'name="Microsoft.VC90.CRT" version="9.0.21022.8"/>'
        "</dependentAssembly></dependency></assembly>"
    )
    module = make_dll(extension.parent / "old.pyd", ["msvcr90.dll"], manifest=manifest)
    shown = text(explain(str(module)))
    assert "old.pyd's manifest asks for Microsoft.VC90.CRT 9.0.21022.8" in shown


def test_of_a_package_only_what_fails_is_shown_in_full(python: Path) -> None:
    files = {
        "numeric/__init__.py": DELVEWHEEL,
        "numeric/good.pyd": "blas.dll",
        "numeric/bad.pyd": "blas.dll tbb12.dll",
        "numeric.libs/blas.dll": "",
    }
    install(detect_environment(python), "numeric", files)
    explanation = explain("numeric", python)
    shown = text(explanation)
    assert explanation.exit_status == 1
    assert "1 of 2 modules load" in shown
    assert "numeric.libs: blas.dll" in shown
    assert "numeric/bad.pyd does not load: missing tbb12.dll" in shown.replace("\\", "/")
    assert "good.pyd" not in shown


def test_advice_on_one_dll_is_given_once(python: Path) -> None:
    files = {"p/a.pyd": "tbb12.dll", "p/b.pyd": "tbb12.dll"}
    install(detect_environment(python), "p", files)
    shown = text(explain("p", python))
    assert shown.count("Threading Building Blocks") == 1
    assert "tbb12.dll: missing (see above)" in shown


def test_the_same_places_and_the_same_remedy_are_told_once(python: Path) -> None:
    names = ["libopencv_core460.dll", "libopencv_imgproc460.dll", "pthreadVC2.dll"]
    module = make_dll(python / "DLLs" / "m.pyd", names)
    shown = text(explain(str(module)))
    assert shown.count("looked in") == 1
    assert shown.count("It is OpenCV.") == 2
    assert shown.count("To do: copy it beside the module") == 1
    assert "To do: copy it from the staged prefix" in shown


def test_the_data_for_programs_is_json_and_has_every_import(extension: Path) -> None:
    data = json.loads(json.dumps(as_data(explain(str(extension)))))
    assert data["loads"] is False
    (module,) = data["modules"]
    assert module["missing"] == ["pthreadVC2.dll"]
    rules = {row["name"]: row["rule"] for row in module["imports"]}
    assert rules["pthreadVC2.dll"] == "missing"
    assert rules["python311.dll"] == rules["KERNEL32.dll"] == "already loaded"
    missing = next(row for row in module["imports"] if row["name"] == "pthreadVC2.dll")
    assert missing["provider"] == "pthreads-win32" and missing["tried"]


def test_the_data_for_programs_says_where_else_a_missing_dll_lies(extension: Path) -> None:
    file = pthreads(extension.parent / "lib")
    (module,) = as_data(explain(str(extension)))["modules"]
    rows = {row["name"]: row["elsewhere"] for row in module["imports"]}
    assert rows["pthreadVC2.dll"] == [str(file)]
    assert rows["python311.dll"] == []


def test_the_environment_around_a_file_is_found(extension: Path, python: Path) -> None:
    assert explain(str(extension)).environment.root == python


def test_a_package_is_looked_for_where_it_is_said_to_be_installed(extension: Path) -> None:
    with pytest.raises(DiagnosisError, match="--env FOLDER"):
        explain("ffcv")
    with pytest.raises(DiagnosisError, match="There is no file or folder build/ffcv"):
        explain("build/ffcv")


def test_a_file_that_is_not_there_is_told(python: Path) -> None:
    with pytest.raises(DiagnosisError, match=r"absent\.pyd cannot be read"):
        explain(str(python / "absent.pyd"))


def test_a_file_outside_of_any_environment_is_judged_for_the_callers(
    tmp_path: Path, python: Path
) -> None:
    module = make_dll(tmp_path / "build" / "m.pyd", ["python311.dll"])
    assert explain(str(module), default=python).environment.root == python


def test_a_file_inside_an_environment_is_judged_for_that_one(
    tmp_path: Path, extension: Path, python: Path
) -> None:
    other = make_python(tmp_path / "other")
    assert explain(str(extension), default=other).environment.root == python


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.add_dll_directory(os.environ['NUMERIC_HOME'])\n",
        "import os\nif os.environ.get('NUMERIC'):\n"
        "    os.add_dll_directory(os.path.join(os.path.dirname(__file__), 'lib'))\n",
        "import os\ndef start():\n"
        "    os.add_dll_directory(os.path.join(os.path.dirname(__file__), 'lib'))\n",
    ],
)
def test_what_depends_on_what_is_not_known_cannot_be_told_and_is_not_missing(
    python: Path, source: str
) -> None:
    files = {"p/__init__.py": source, "p/_c.pyd": "own.dll", "p/lib/own.dll": ""}
    site = install(detect_environment(python), "p", files)
    explanation = explain("p", python)
    assert explanation.exit_status == 2
    shown = text(explanation)
    assert "it cannot be told from here where own.dll is" in shown
    assert "because " in shown and "p/__init__.py:" in shown and "--add" in shown
    assert as_data(explanation)["modules"][0]["loads"] is None
    assert explain("p", python, added=(site / "p" / "lib",)).exit_status == 0


def test_a_dll_that_is_nowhere_is_missing_whatever_functions_there_are(python: Path) -> None:
    source = "import os\ndef start(folder):\n    os.add_dll_directory(folder)\n"
    files = {"p/__init__.py": source, "p/_c.pyd": "absent.dll"}
    install(detect_environment(python), "p", files)
    assert explain("p", python).exit_status == 1


def test_a_package_with_dlls_only_is_answered(python: Path) -> None:
    files = {
        "p/__init__.py": "import ctypes\nlib = ctypes.CDLL(__path__[0] + '/own.dll')\n",
        "p/own.dll": "absent.dll",
    }
    install(detect_environment(python), "p", files)
    explanation = explain("p", python)
    assert explanation.exit_status == 1
    shown = text(explanation)
    assert "p has no extension module; its DLLs are loaded by their path" in shown
    assert "own.dll does not load: missing absent.dll" in shown


def test_of_a_package_without_binaries_those_that_it_requires_are_explained(python: Path) -> None:
    environment = detect_environment(python)
    install(environment, "frames", {"frames/__init__.py": ""}, ("frames-runtime-32",))
    site = install(environment, "frames_runtime_32", {"_frames_runtime/_c.pyd": ""})
    explanation = explain("frames", python)
    assert [c.module for c in explanation.closures] == [site / "_frames_runtime" / "_c.pyd"]
    assert "it requires frames_runtime_32" in text(explanation)


@pytest.mark.parametrize("declared", [False, True])
def test_a_package_that_is_imported_before_is_found_in_the_metadata_or_in_the_sources(
    python: Path, declared: bool
) -> None:
    environment = detect_environment(python)
    files = {
        "numeric/__init__.py": DELVEWHEEL,
        "numeric/_core.pyd": "blas.dll",
        "numeric.libs/blas.dll": "",
    }
    install(environment, "numeric", files)
    source = "" if declared else "def use():\n    import numeric.linalg as la\n"
    install(
        environment, "user", {"user/ops.py": source, "user/_c.pyd": "blas.dll"},
        ("numeric",) if declared else (),
    )  # fmt: skip
    explanation = explain("user", python)
    assert explanation.exit_status == 0
    why = "it is required" if declared else "user/ops.py imports it"
    assert f"with numeric imported before: {why}" in text(explanation)


def test_a_missing_function_is_named_with_windows_error(extension: Path, python: Path) -> None:
    module = make_dll(extension.parent / "m.pyd", ["own.dll"])
    make_dll(python / "other.dll").rename(extension.parent / "own.dll")
    explanation = explain(str(module))
    assert explanation.exit_status == 1
    shown = text(explanation)
    assert f"m.pyd does not load: own.dll lacks {function('own.dll')} (WinError 127)" in shown
    (data,) = as_data(explanation)["modules"]
    assert data["lacking"][0]["error"] == 127


def test_a_clash_with_what_was_imported_before_is_told_for_a_package_of_many_modules(
    python: Path,
) -> None:
    environment = detect_environment(python)
    install(environment, "a", {"a/_a.pyd": "same.dll", "a/same.dll": ""})
    site = install(environment, "b", {"b/_b.pyd": "same.dll", "b/_c.pyd": "same.dll"})
    make_dll(site / "b" / "same.dll", exports=["newer"])
    shown = text(explain("b", python, after=("a",)))
    assert "2 of 2 modules load" in shown
    assert "a different file of that name was loaded earlier by _a.pyd" in shown


def test_modules_for_another_python_are_passed_over_with_a_word(python: Path) -> None:
    files = {"p/_c.cp311-win_amd64.pyd": "", "p/_c.cp312-win_amd64.pyd": "python312.dll"}
    install(detect_environment(python), "p", files)
    explanation = explain("p", python)
    assert explanation.exit_status == 0
    assert "passed over, as this Python does: _c.cp312-win_amd64.pyd" in text(explanation)


def test_a_package_for_another_python_only_does_not_load(python: Path) -> None:
    install(detect_environment(python), "p", {"p/_c.cp312-win_amd64.pyd": "python312.dll"})
    explanation = explain("p", python)
    assert explanation.exit_status == 1
    assert "its name is that of a module for another Python" in text(explanation)


def test_a_good_copy_behind_a_damaged_one_is_not_reached(extension: Path, python: Path) -> None:
    pthreads(extension.parent).write_text("<html>", encoding="utf-8")
    make_dll(python / "pthreadVC2.dll")
    shown = text(explain(str(extension)))
    assert "it is not reached: the search ends at the damaged file" in shown
    assert "not searched" not in shown


def test_damaged_records_are_read_as_far_as_they_go(python: Path) -> None:
    site = install(detect_environment(python), "p", {"p/_c.pyd": ""})
    info = site / "p-1.0.dist-info"
    (info / "METADATA").write_bytes(b"\xff\xfe\x00Name\n\n")
    assert explain("p", python).exit_status == 0
    (info / "RECORD").write_bytes(b"\xff\x00/\x00,,\np/_c.pyd,,\n")
    assert explain("p", python).exit_status == 0


def test_what_is_called_like_a_module_and_is_none_is_never_opened(python: Path) -> None:
    site = install(detect_environment(python), "p", {"p/_c.pyd": ""})
    (site / "p" / "folder.pyd").mkdir()
    (site / "p" / "folder.dll").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(site / "p" / "pipe.pyd")
    assert [c.module.name for c in explain("p", python).closures] == ["_c.pyd"]
