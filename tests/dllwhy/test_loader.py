import io
import shutil
from pathlib import Path

import pytest
from pe_files import function, make_dll, make_python
from rich.console import Console

from dllwhy import loader
from dllwhy.errors import DiagnosisError
from dllwhy.explain import explain
from dllwhy.explain_tree import tree
from dllwhy.loader import Closure, Resolution, Rule, closure, detect_environment
from dllwhy.staged import needed_from


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_python(tmp_path_factory.mktemp("python") / "Python311")


@pytest.fixture
def python(tmp_path: Path, installed: Path) -> Path:
    return Path(shutil.copytree(installed, tmp_path / "Python311"))


@pytest.fixture
def package(python: Path) -> Path:
    folder = python / "Lib" / "site-packages" / "package"
    folder.mkdir(parents=True)
    return folder


def of(result: Closure, name: str) -> Resolution:
    return next(r for r in result.resolutions if r.name == name)


def test_each_import_is_found_by_the_first_rule_that_holds(python: Path, package: Path) -> None:
    own = make_dll(package / "own.dll")
    beside_python = make_dll(python / "beside.dll")
    added = make_dll(python / "added" / "extra.dll")
    module = make_dll(
        package / "m.pyd",
        ["own.dll", "beside.dll", "extra.dll", "python311.dll", "KERNEL32.dll", "dbghelp.dll",
         "api-ms-win-crt-heap-l1-1-0.dll"],
    )  # fmt: skip
    environment = detect_environment(python, added_directories=(added.parent,))
    result = closure(module, environment)
    assert [(r.name, r.rule, r.found) for r in result.resolutions] == [
        ("own.dll", Rule.MODULE_FOLDER, own),
        ("beside.dll", Rule.PYTHON_FOLDER, beside_python),
        ("extra.dll", Rule.ADDED, added),
        ("python311.dll", Rule.LOADED, python / "python311.dll"),
        ("KERNEL32.dll", Rule.LOADED, None),
        ("dbghelp.dll", Rule.SYSTEM, None),
        ("api-ms-win-crt-heap-l1-1-0.dll", Rule.API_SET, None),
    ]
    assert result.loads
    assert result.files == (own, beside_python, added)


def test_the_places_that_were_tried_are_told_in_order(python: Path, package: Path) -> None:
    environment = detect_environment(python, added_directories=(python / "added",))
    result = closure(make_dll(package / "m.pyd", ["absent.dll"]), environment)
    assert [(place.rule, place.folder) for place in of(result, "absent.dll").tried] == [
        (Rule.MODULE_FOLDER, package),
        (Rule.PYTHON_FOLDER, python),
        (Rule.ADDED, python / "added"),
        (Rule.SYSTEM, None),
    ]
    assert [r.name for r in result.missing] == ["absent.dll"]
    assert not result.loads


def test_imports_of_imports_are_looked_up_beside_the_module_not_beside_the_importer(
    python: Path, package: Path
) -> None:
    added = python / "added"
    make_dll(added / "first.dll", ["second.dll"])
    make_dll(package / "second.dll")
    make_dll(added / "second.dll")
    environment = detect_environment(python, added_directories=(added,))
    result = closure(make_dll(package / "m.pyd", ["first.dll"]), environment)
    second = of(result, "second.dll")
    assert second.importer == added / "first.dll"
    assert second.found == package / "second.dll"


def test_a_module_in_a_subfolder_does_not_see_the_dlls_of_its_package(
    python: Path, package: Path
) -> None:
    make_dll(package / "own.dll")
    module = make_dll(package / "sub" / "m.pyd", ["own.dll"])
    assert not closure(module, detect_environment(python)).loads


def test_case_does_not_matter(python: Path, package: Path) -> None:
    found = make_dll(package / "PthreadVC2.DLL")
    result = closure(make_dll(package / "m.pyd", ["pthreadvc2.dll"]), detect_environment(python))
    assert result.files == (found,)


def test_a_dll_on_path_only_is_missing_and_said_to_be_there(python: Path, package: Path) -> None:
    tools = python.parent / "tools"
    make_dll(tools / "own.dll")
    environment = detect_environment(python, path=(tools,))
    result = closure(make_dll(package / "m.pyd", ["own.dll"]), environment)
    (missing,) = result.missing
    assert missing.problem and "own.dll is on PATH, but Python does not look" in missing.problem


def test_a_dll_on_path_that_would_not_help_is_said_to_be_for_another_machine(
    python: Path, package: Path
) -> None:
    first, second = python.parent / "first", python.parent / "second"
    make_dll(first / "own.dll", machine="x86")
    module = make_dll(package / "m.pyd", ["own.dll"])
    (missing,) = closure(module, detect_environment(python, path=(first, second))).missing
    assert missing.problem and missing.problem.endswith(
        "Python does not look there; besides, it is built for x86 (32-bit)"
    )
    right = make_dll(second / "own.dll")
    (missing,) = closure(module, detect_environment(python, path=(first, second))).missing
    assert missing.problem == f"{right} is on PATH, but Python does not look there"


def test_an_early_conda_finds_a_dll_on_path(tmp_path: Path) -> None:
    make_python(tmp_path / "env", conda="3.9.5", version="39")
    tool = make_dll(tmp_path / "tools" / "own.dll")
    module = make_dll(tmp_path / "env" / "Lib" / "m.pyd", ["own.dll"])
    environment = detect_environment(
        tmp_path / "env", path=(tool.parent,), added_directories=(tmp_path / "elsewhere",)
    )
    result = closure(module, environment)
    assert of(result, "own.dll").rule is Rule.PATH
    assert not [place for r in result.resolutions for place in r.tried if place.rule is Rule.ADDED]


def test_an_early_conda_starts_with_the_runtime_beside_python_exe(tmp_path: Path) -> None:
    root = make_python(tmp_path / "env", conda="3.9.5", version="39")
    module = make_dll(root / "Lib" / "m.pyd", ["python39.dll", "VCRUNTIME140.dll"])
    result = closure(module, detect_environment(root))
    assert of(result, "python39.dll").found == root / "python39.dll"
    assert of(result, "VCRUNTIME140.dll").found == root / "vcruntime140.dll"
    assert result.loads


def test_what_python_exe_needs_to_start_may_lie_on_path(tmp_path: Path) -> None:
    root = make_python(tmp_path / "env")
    tools = tmp_path / "tools"
    tools.mkdir()
    runtime = shutil.move(root / "vcruntime140.dll", tools)
    environment = detect_environment(root, path=(tools,), added_directories=(tmp_path / "added",))
    make_dll(tmp_path / "added" / "vcruntime140.dll")
    module = make_dll(root / "Lib" / "m.pyd", ["VCRUNTIME140.dll"])
    assert of(closure(module, environment), "VCRUNTIME140.dll").found == Path(runtime)


def test_conda_finds_dlls_in_library_bin(tmp_path: Path) -> None:
    make_python(tmp_path / "env", conda="3.11.8")
    found = make_dll(tmp_path / "env" / "Library" / "bin" / "own.dll")
    module = make_dll(tmp_path / "env" / "Lib" / "site-packages" / "m.pyd", ["own.dll"])
    result = closure(module, detect_environment(tmp_path / "env"))
    assert (of(result, "own.dll").rule, result.files) == (Rule.ADDED, (found,))


def test_a_file_for_another_machine_is_passed_over(python: Path, package: Path) -> None:
    make_dll(package / "own.dll", machine="x86")
    environment = detect_environment(python)
    module = make_dll(package / "m.pyd", ["own.dll"])
    (missing,) = closure(module, environment).missing
    assert missing.problem and missing.problem.endswith("but it is built for x86 (32-bit)")
    right = make_dll(python / "own.dll")
    assert closure(module, environment).files == (right,)


@pytest.mark.parametrize("machine", ["x86", "arm64"])
def test_a_module_for_another_machine_cannot_be_loaded(
    python: Path, package: Path, machine: str
) -> None:
    result = closure(make_dll(package / "m.pyd", machine=machine), detect_environment(python))
    assert result.problem == f"it is built for {machine}, but this Python for x64"
    assert not result.loads


def test_a_copy_of_a_known_dll_is_ignored(python: Path, package: Path) -> None:
    make_dll(package / "ucrtbase.dll")
    make_dll(package / "dbghelp.dll")
    module = make_dll(package / "m.pyd", ["ucrtbase.dll", "dbghelp.dll"])
    result = closure(module, detect_environment(python))
    assert (of(result, "ucrtbase.dll").rule, of(result, "ucrtbase.dll").found) == (Rule.KNOWN, None)
    assert of(result, "dbghelp.dll").found == package / "dbghelp.dll"


def test_a_copy_of_an_api_set_is_ignored(python: Path, package: Path) -> None:
    make_dll(package / "api-ms-win-crt-heap-l1-1-0.dll")
    module = make_dll(package / "m.pyd", ["api-ms-win-crt-heap-l1-1-0.dll"])
    assert closure(module, detect_environment(python)).files == ()


def test_the_runtime_beside_python_wins_over_the_one_beside_the_module(
    python: Path, package: Path
) -> None:
    make_dll(package / "vcruntime140.dll", exports=["newer"])
    module = make_dll(package / "m.pyd", ["VCRUNTIME140.dll"])
    resolution = of(closure(module, detect_environment(python)), "VCRUNTIME140.dll")
    assert (resolution.rule, resolution.found) == (Rule.LOADED, python / "vcruntime140.dll")
    assert resolution.problem and "loaded earlier by python311.dll" in resolution.problem


def test_an_equal_copy_of_a_loaded_dll_is_no_clash(python: Path, package: Path) -> None:
    shutil.copy(python / "vcruntime140.dll", package)
    module = make_dll(package / "m.pyd", ["VCRUNTIME140.dll"])
    resolution = of(closure(module, detect_environment(python)), "VCRUNTIME140.dll")
    assert resolution.problem is None


def test_what_one_module_loaded_the_next_one_gets(python: Path, package: Path) -> None:
    other = package.with_name("other")
    make_dll(package / "own.dll", exports=["first"])
    make_dll(other / "own.dll", exports=["second"])
    environment = detect_environment(python)
    first = closure(make_dll(package / "a.pyd", ["own.dll"]), environment)
    second = make_dll(other / "b.pyd", ["own.dll"])
    after = of(closure(second, environment, loaded=first.loaded), "own.dll")
    assert (after.rule, after.found) == (Rule.LOADED, package / "own.dll")
    assert after.problem and "loaded earlier by a.pyd" in after.problem
    alone = of(closure(second, environment), "own.dll")
    assert (alone.rule, alone.found) == (Rule.MODULE_FOLDER, other / "own.dll")


def test_a_load_that_fails_leaves_nothing_behind(python: Path, package: Path) -> None:
    make_dll(package / "own.dll")
    environment = detect_environment(python)
    failed = closure(make_dll(package / "m.pyd", ["own.dll", "absent.dll"]), environment)
    assert "own.dll" not in failed.loaded


def test_dlls_that_import_each_other_come_to_an_end(python: Path, package: Path) -> None:
    make_dll(package / "a.dll", ["b.dll"])
    make_dll(package / "b.dll", ["a.dll"])
    result = closure(make_dll(package / "m.pyd", ["a.dll"]), detect_environment(python))
    assert {file.name for file in result.files} == {"a.dll", "b.dll"}


def test_a_dll_that_an_imported_function_is_forwarded_to_is_loaded(
    python: Path, package: Path
) -> None:
    forwards = {function("own.dll"): "other.value", "unused": "absent.value"}
    own = make_dll(package / "own.dll", forwards=forwards)
    module = make_dll(package / "m.pyd", ["own.dll"])
    result = closure(module, detect_environment(python))
    (missing,) = result.missing
    assert (missing.name, missing.importer) == ("other.dll", own)
    assert missing.forwards == function("own.dll")
    other = make_dll(package / "other.dll", ["needed.dll"], exports=["value"])
    needed = make_dll(package / "needed.dll")
    result = closure(module, detect_environment(python))
    assert result.loads
    assert result.files == (own, other, needed)


def test_a_forwarder_may_name_its_dll_with_dots_as_conda_forges_libblas_does(
    python: Path, package: Path
) -> None:
    own = make_dll(
        package / "libblas.dll", forwards={function("libblas.dll"): "mkl_rt.2.dll.value"}
    )
    module = make_dll(package / "m.pyd", ["libblas.dll"])
    (missing,) = closure(module, detect_environment(python)).missing
    assert missing.name == "mkl_rt.2.dll"
    target = make_dll(package / "mkl_rt.2.dll", exports=["value"])
    assert closure(module, detect_environment(python)).files == (own, target)


def test_a_forwarder_of_a_forwarder_is_followed(python: Path, package: Path) -> None:
    make_dll(package / "a.dll", forwards={function("a.dll"): "b.there"})
    make_dll(package / "b.dll", forwards={"there": "c.there", "back": "a.back"})
    module = make_dll(package / "m.pyd", ["a.dll"])
    assert [r.name for r in closure(module, detect_environment(python)).missing] == ["c.dll"]


def test_forwarders_that_go_round_in_circles_come_to_an_end(python: Path, package: Path) -> None:
    make_dll(package / "a.dll", forwards={function("a.dll"): "b.there"})
    make_dll(package / "b.dll", forwards={"there": f"a.{function('a.dll')}"})
    module = make_dll(package / "m.pyd", ["a.dll"])
    result = closure(module, detect_environment(python))
    assert {file.name for file in result.files} == {"a.dll", "b.dll"}


def test_a_forwarder_into_windows_itself_is_never_missing(python: Path, package: Path) -> None:
    module = make_dll(package / "m.pyd", ["a.dll", "b.dll"])
    make_dll(package / "a.dll", forwards={function("a.dll"): "NTDLL.RtlAllocateHeap"})
    make_dll(
        package / "b.dll", forwards={function("b.dll"): "api-ms-win-core-heap-l1-1-0.HeapAlloc"}
    )
    assert closure(module, detect_environment(python)).loads


def test_a_missing_target_of_a_forwarder_is_told_once(python: Path, package: Path) -> None:
    make_dll(package / "own.dll", forwards={function("own.dll"): "other.value"})
    make_dll(package / "between.dll", ["own.dll"])
    module = make_dll(package / "m.pyd", ["own.dll", "between.dll"])
    assert len(closure(module, detect_environment(python)).missing) == 1


def test_a_delay_loaded_dll_is_looked_for_on_path_and_not_beside_the_module(
    python: Path, package: Path
) -> None:
    make_dll(package / "later.dll")
    on_path = make_dll(python.parent / "tools" / "tool.dll")
    module = make_dll(package / "m.pyd", delay=["later.dll", "tool.dll"])
    environment = detect_environment(python, path=(on_path.parent,))
    result = closure(module, environment)
    assert of(result, "later.dll").rule is Rule.MISSING
    assert (of(result, "tool.dll").rule, of(result, "tool.dll").found) == (Rule.PATH, on_path)
    assert result.loads and result.files == ()


def test_a_delay_loaded_dll_that_the_import_loads_anyway_is_used(
    python: Path, package: Path
) -> None:
    make_dll(package / "later.dll")
    make_dll(package / "first.dll", delay=["later.dll"])
    make_dll(package / "second.dll", ["later.dll"])
    module = make_dll(package / "m.pyd", ["first.dll", "second.dll"])
    delayed = [r for r in closure(module, detect_environment(python)).resolutions if r.delay]
    assert [r.rule for r in delayed] == [Rule.LOADED]


def test_media_foundation_is_missing_on_windows_n(python: Path, package: Path) -> None:
    module = make_dll(package / "m.pyd", ["MFPlat.DLL"])
    assert closure(module, detect_environment(python)).loads
    assert not closure(module, detect_environment(python, windows="N")).loads


def test_a_real_system32_takes_the_place_of_the_list(python: Path, package: Path) -> None:
    system32 = python.parent / "System32"
    make_dll(system32 / "mine.dll")
    module = make_dll(package / "m.pyd", ["mine.dll", "glu32.dll"])
    result = closure(module, detect_environment(python, system32=system32))
    assert of(result, "mine.dll").rule is Rule.SYSTEM
    assert [r.name for r in result.missing] == ["glu32.dll"]


def test_a_venv_takes_the_dlls_of_its_base(tmp_path: Path, python: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "Lib" / "site-packages").mkdir(parents=True)
    text = f"home = {python}\nversion = 3.11.9\n"
    (venv / "pyvenv.cfg").write_text(text, encoding="utf-8")
    make_dll(venv / "Scripts" / "own.dll")
    module = make_dll(venv / "Lib" / "site-packages" / "m.pyd", ["python3.dll", "own.dll"])
    result = closure(module, detect_environment(venv))
    assert of(result, "python3.dll").found == python / "python3.dll"
    assert [r.name for r in result.missing] == ["own.dll"]


def test_a_venv_whose_base_is_out_of_reach_is_trusted_to_have_the_runtime(tmp_path: Path) -> None:
    text = "home = C:\\Python311\nversion = 3.11.9\n"
    (tmp_path / "pyvenv.cfg").write_text(text, encoding="utf-8")
    module = make_dll(tmp_path / "m.pyd", ["python311.dll", "VCRUNTIME140.dll", "MSVCP140.dll"])
    result = closure(module, detect_environment(tmp_path))
    assert [r.name for r in result.missing] == ["MSVCP140.dll"]


def test_python3_dll_is_loaded_before_the_first_module(python: Path) -> None:
    assert loader.startup(detect_environment(python))["python3.dll"].path == python / "python3.dll"


def test_the_search_ends_at_a_dll_that_is_no_pe_file(python: Path, package: Path) -> None:
    (package / "own.dll").write_text("<html>", encoding="utf-8")
    make_dll(python / "own.dll")
    module = make_dll(package / "m.pyd", ["own.dll"])
    (missing,) = closure(module, detect_environment(python)).missing
    assert missing.importer == module and len(missing.tried) == 1
    assert missing.problem and "is there, but it is no Windows DLL (no PE" in missing.problem


def test_a_folder_that_is_called_like_a_dll_is_passed_over(python: Path, package: Path) -> None:
    (package / "own.dll").mkdir()
    module = make_dll(package / "m.pyd", ["own.dll"])
    (missing,) = closure(module, detect_environment(python)).missing
    assert missing.problem and missing.problem.endswith("is there, but it is a folder")
    right = make_dll(python / "own.dll")
    assert closure(module, detect_environment(python)).files == (right,)


def test_a_truncated_dll_ends_the_search_as_damaged(python: Path, package: Path) -> None:
    own = make_dll(package / "own.dll")
    own.write_bytes(own.read_bytes()[:-512])
    make_dll(python / "own.dll")
    module = make_dll(package / "m.pyd", ["own.dll"])
    (missing,) = closure(module, detect_environment(python)).missing
    assert len(missing.tried) == 1
    assert missing.problem and "own.dll is there, but it is damaged: its section" in missing.problem


def test_a_dot_at_the_end_of_a_name_means_a_file_without_extension(
    python: Path, package: Path
) -> None:
    plain = make_dll(package / "tool")
    module = make_dll(package / "m.pyd", ["tool."])
    assert closure(module, detect_environment(python)).files == (plain,)
    assert not closure(make_dll(package / "n.pyd", ["tool"]), detect_environment(python)).loads


def test_a_chain_of_1200_dlls_comes_to_an_end(python: Path, package: Path) -> None:
    """Made from one DLL whose import and name are of the same length as all the others'."""
    first = make_dll(package / "d0000.dll", ["d0001.dll"])
    data = first.read_bytes()
    own, other = function("d0000.dll").encode(), function("d0001.dll").encode()
    assert own in data and other in data
    for number in range(1, 1200):
        here, there = f"d{number:04}".encode(), f"d{number + 1:04}".encode()
        made = data.replace(b"d0001", b"@@@@@").replace(b"d0000", here).replace(b"@@@@@", there)
        (package / f"d{number:04}.dll").write_bytes(made)
    module = make_dll(package / "m.pyd", ["d0000.dll"])
    result = closure(module, detect_environment(python))
    assert [r.name for r in result.missing] == ["d1200.dll"]
    assert len(result.files) == 1200
    console = Console(file=io.StringIO(), width=200)
    console.print(tree(explain(str(module), python)))
    assert "d1200.dll: missing" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def staged(tmp_path: Path) -> tuple[Path, Path]:
    make_dll(tmp_path / "opencv" / "opencv_world460.dll", ["MSVCP140.dll", "VCRUNTIME140.dll"])
    make_dll(tmp_path / "pthreads" / "pthreadVC2.dll", ["MSVCR100.dll"])
    return tmp_path / "opencv", tmp_path / "pthreads"


def test_the_transitive_closure_is_taken_from_the_staged_folders(
    python: Path, package: Path, staged: tuple[Path, Path]
) -> None:
    make_dll(python / "msvcp140.dll")
    make_dll(staged[1] / "msvcr100.dll")
    module = make_dll(package / "m.pyd", ["opencv_world460.dll", "pthreadVC2.dll"])
    needed = needed_from(module, staged, detect_environment(python))
    assert [path.relative_to(staged[0].parent).as_posix() for path in needed] == [
        "opencv/opencv_world460.dll",
        "pthreads/pthreadVC2.dll",
        "pthreads/msvcr100.dll",
    ]
    assert not closure(module, detect_environment(python)).loads
    for path in needed:
        shutil.copy(path, package)
    assert closure(module, detect_environment(python)).loads
    assert needed_from(module, staged, detect_environment(python)) == needed


def test_a_dll_that_is_nowhere_is_told_with_who_needs_it_and_who_brings_it(
    python: Path, package: Path, staged: tuple[Path, Path]
) -> None:
    make_dll(python / "msvcp140.dll")
    module = make_dll(package / "m.pyd", ["pthreadVC2.dll", "opencv_world460.dll"])
    with pytest.raises(DiagnosisError) as raised:
        needed_from(module, staged, detect_environment(python))
    message = str(raised.value)
    assert message.startswith("MSVCR100.dll, which pthreadVC2.dll needs, is neither in")
    assert "Visual C++ 2010" in message


def test_delay_loaded_dlls_are_copied_where_they_are_staged(
    python: Path, package: Path, tmp_path: Path
) -> None:
    plugin = make_dll(tmp_path / "staged" / "plugin.dll", ["helper.dll"])
    helper = make_dll(tmp_path / "staged" / "helper.dll")
    module = make_dll(package / "m.pyd", delay=["plugin.dll", "nowhere.dll"])
    assert needed_from(module, [helper.parent], detect_environment(python)) == [plugin, helper]


def test_the_targets_of_forwarders_are_copied_too(python: Path, package: Path) -> None:
    staged = python.parent / "staged"
    cblas = make_dll(staged / "libcblas.dll", forwards={function("libcblas.dll"): "blas.value"})
    blas = make_dll(staged / "blas.dll", exports=["value"])
    module = make_dll(package / "m.pyd", ["libcblas.dll"])
    assert needed_from(module, [staged], detect_environment(python)) == [cblas, blas]


def test_what_a_folder_for_copies_has_already_is_staged_again(tmp_path: Path) -> None:
    make_python(tmp_path / "env", conda="3.11.8")
    library = tmp_path / "env" / "Library" / "bin"
    own = make_dll(library / "own.dll", ["jpeg8.dll"])
    make_dll(library / "jpeg8.dll")
    staged = tmp_path / "staged"
    staged.mkdir()
    shutil.copy(own, staged)
    module = make_dll(tmp_path / "env" / "Lib" / "m.pyd", ["own.dll"])
    environment = detect_environment(tmp_path / "env")
    assert needed_from(module, [staged], environment, destination=library) == [staged / "own.dll"]
    assert needed_from(module, [staged], environment) == []
