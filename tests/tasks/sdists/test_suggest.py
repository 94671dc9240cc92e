"""What a recipe could say to mend a build that failed, told from real logs."""

import pytest
import yaml
from support import ROOT

from dllwhy.logs import triage
from tasks.core.recipe import PackageRecipe
from tasks.sdists import suggest

LOGS = ROOT / "tests" / "data" / "logs"


def lines(log, tree, **given):
    return suggest.as_yaml(suggest.suggestions(log, tree, **given))


def said(log, tree, **given):
    """What the lines say together, as a recipe reads it."""
    text = "\n".join(lines(log, tree, **given))
    return PackageRecipe.model_validate(yaml.safe_load(text) or {})


@pytest.mark.parametrize(
    ("log", "key", "value"),
    [
        ("msvc/concepts", "std", "c++20"),
        ("msvc/cpp17", "std", "c++17"),
        ("msvc/error-cpp17", "std", "c++17"),
        ("msvc/setuptools-no-search", "std", None),
        ("msvc/m-pi", "definitions", {"_USE_MATH_DEFINES": ""}),
        ("msvc/min-max", "definitions", {"NOMINMAX": ""}),
        ("msvc/posix-functions", "definitions", {"strcasecmp": "_stricmp"}),
        ("msvc/timespec", "definitions", {"HAVE_STRUCT_TIMESPEC": ""}),
        ("msvc/unresolved", "system_libraries", ("ws2_32", "advapi32")),
        ("made/pip-use-2to3", "build_requires", ("setuptools<58",)),
        ("made/pip-pkg-resources", "build_requires", ("setuptools<81",)),
        ("made/pip-invalid-version", "build_requires", ("setuptools<66",)),
        ("made/pip-license-twice", "build_requires", ("setuptools<77",)),
        ("packages/fasttext-msvc", "std", "c++17"),
        ("packages/fasttext-msvc", "definitions", {"ssize_t": "ptrdiff_t"}),
        ("success-wheel", "definitions", {}),
    ],
)
def test_a_log_says_what_a_recipe_could(log, key, value, tmp_path):
    text = (LOGS / f"{log}.log").read_text(encoding="utf-8", errors="replace")
    assert getattr(said(text, tmp_path), key) == value


@pytest.mark.parametrize(
    ("message", "requirement"),
    [
        ("ModuleNotFoundError: No module named 'yaml'", "PyYAML"),
        ("ModuleNotFoundError: No module named 'setuptools_rust.build'", "setuptools_rust"),
        ("Could not find suitable distribution for Requirement.parse('nose>=1.0')", "nose"),
        ("ERROR Unmet dependencies (checked against C:\\python.exe):\n\tnose>=1.0", "nose"),
        ("x.pyx:3:5: undeclared name not builtin: long", "Cython<3"),
        ("a.c:1:2: error: no member named 'subarray' in 'struct _PyArray_Descr'", "numpy<2"),
    ],
)
def test_a_build_requirement_that_is_missing(message, requirement, tmp_path):
    assert said(message, tmp_path).build_requires == (requirement,)


def test_names_of_windows_h_where_it_is_included_for_another_compiler_only(tmp_path):
    log = "sqltypes.h:114:11: error: unknown type name 'HWND'"
    assert said(log, tmp_path).forced_includes == ("windows.h",)


def test_a_header_that_the_source_has_elsewhere(tmp_path):
    folder = tmp_path / "third_party" / "own" / "include" / "own"
    folder.mkdir(parents=True)
    (folder / "api.h").write_text("")
    for log in (
        "src/a.c:1:10: fatal error: 'own/api.h' file not found",
        "a.c(1): fatal error C1083: Cannot open include file: 'own/api.h': No such file",
    ):
        assert said(log, tmp_path).include == ("third_party/own/include",)


def test_a_file_that_was_left_out_is_named(tmp_path):
    (tmp_path / "iowin32.c").write_text(
        "void fill_win32(int *a);\nvoid fill_win32 (a)\n  int *a;\n{\n}\n"
    )
    log = "ld.lld: error: undefined symbol: fill_win32"
    assert lines(log, tmp_path, compiled="zig cc -c zip.c") == [
        "patches: [0001-sources.patch]  # iowin32.c has fill_win32, and was not compiled: "
        "add it to the sources in setup.py"
    ]
    assert not lines(log, tmp_path, compiled="zig cc -c iowin32.c")


def test_what_the_recipe_says_is_not_suggested_again(tmp_path):
    log = "C1083: x\nundefined symbol: __declspec(dllimport) htons"
    assert said(log, tmp_path).system_libraries == ("ws2_32",)
    recipe = PackageRecipe(system_libraries=("ws2_32",))
    assert not lines(log, tmp_path, recipe=recipe)


def test_one_line_for_a_key_with_every_reason(tmp_path):
    log = "No module named 'nose'\nNo module named 'yaml'\nNo module named 'nose.tools'"
    assert lines(log, tmp_path) == [
        "build_requires: [nose, PyYAML]  # its build imports it, and nothing names it"
    ]


def test_what_an_installed_package_imports(tmp_path):
    errors = ["", "ModuleNotFoundError: No module named 'attr'", "ImportError: DLL load failed"]
    assert suggest.as_yaml(suggest.needed(errors)) == [
        "requires: [attr]  # it imports attr, and its metadata does not require it"
    ]


def test_a_library_that_is_not_in_the_source(tmp_path):
    log = "a.c(1): fatal error C1083: Cannot open include file: 'zlib.h': No such file"
    known = suggest.Libraries(["zlib"], {})
    assert lines(log, tmp_path, libraries=known) == ["libraries: [zlib]  # it has zlib.h"]
    assert lines(log, tmp_path) == [
        "libraries: [zlib]  # it has zlib.h; recipes/libraries/zlib.yaml has to say how it is "
        "built, and is not there"
    ]
    own = suggest.Libraries(["own"], {"odd/name.h": "own"})
    assert said(log.replace("zlib.h", "odd/name.h"), tmp_path, libraries=own).libraries == ("own",)


@pytest.mark.parametrize("name", ["made/pip-pkg-resources", "made/pip-use-2to3"])
def test_a_build_requirement_is_advised_for_the_recipe_and_not_for_pip(name, tmp_path):
    log = (LOGS / f"{name}.log").read_text()
    findings = triage.triage(log)
    assert "pip" in findings[0].remedy.lower()
    [one, *_] = suggest.mended(findings, suggest.suggestions(log, tmp_path))
    assert one.remedy.startswith("the recipe's line build_requires: [setuptools<")
    assert suggest.mended(findings, []) == findings


def test_a_source_that_uses_avx_everywhere_is_for_processors_that_have_it(tmp_path):
    log = (
        "./lap.h:82:11: error: always_inline function '_mm256_andnot_ps' requires target feature "
        "'avx', but would be inlined into function 'f' that is compiled without support for 'avx'\n"
    )
    assert said(log, tmp_path).cpu == "x86-64-v3"
    assert said(log.replace("'avx'", "'avx512f'"), tmp_path).cpu == "x86-64-v4"


def test_an_older_cython_is_suggested_where_no_file_is_missing(tmp_path):
    log = "Cython.Compiler.Errors.CompileError: a/b.pyx\n"
    assert said(log, tmp_path).build_requires == ("Cython<3",)
    assert not said(f"a/b.pyx:4:0: 'a/c.pxd' not found\n{log}", tmp_path).build_requires


def test_what_an_older_cython_made_is_made_anew(tmp_path):
    log = "a/densecrf.cpp:183:12: fatal error: 'longintrepr.h' file not found\n"
    assert said(log, tmp_path).environment == {"CYTHON_FORCE_REGEN": "1"}
    log = (LOGS / "kinds" / "cython-longintrepr.log").read_text()
    assert said(log, tmp_path).environment == {"CYTHON_FORCE_REGEN": "1"}
