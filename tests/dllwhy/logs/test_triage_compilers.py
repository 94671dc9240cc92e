"""What cl.exe and link.exe say of builds that were broken on purpose, and of CUDA."""

from pathlib import Path

import pytest

from dllwhy.logs.triage import Finding, triage

# Printed by cl.exe 19.44, link.exe 14.44, rc.exe and mt.exe of Windows SDK 10.0.26100, CMake and
# setuptools, each of a small source or call that was wrong in one way; folders are renamed.
LOGS = Path(__file__).resolve().parents[2] / "data" / "logs" / "msvc"

# log -> ids of all causes, and a word that the first remedy must have
CAUSES = {
    "arm-intrinsics": (["arm-header"], "_M_X64"),
    "attribute": (["unknown-type"], "clang-cl"),
    "bad-manifest-embedded": (["manifest-file"], "XML"),
    "bad-resource": (["resource-corrupt"], "-O res"),
    "blocks-nested": (["nesting-limit"], "switch"),
    "builtin": (["gnu-c"], "clang-cl"),
    "c11": (["c11"], "/std:c11"),
    "cmake-debug-zi": (["pdb-server"], "/Z7"),
    "cmake-gcc-flags": (["gcc-options"], "MSVC"),
    "cmake-link-lib": (["missing-library"], "LIB"),
    "cmake-no-include": (["no-include-path"], "vcvars64.bat"),
    "cmake-no-lib": (["windows-library"], "vcvars64.bat"),
    "cmake-rc-fails": (["resource-file"], "own folder"),
    "concepts": (["cpp-standard"], "/std:c++20"),
    "corrupt": (["not-a-library"], "import library"),
    "cpp-names": (["undefined-symbol"], "libopencv"),
    "cpp17": (["cpp-standard"], "/std:c++17"),
    "debug-release": (["debug-release", "debug-release"], "Release"),
    "def-file-missing": (["missing-object"], "above"),
    "default-library-missing": (["missing-library"], "LIB"),
    "deprecated-sdl": (["deprecated-function"], "_CRT_SECURE_NO_WARNINGS"),
    "designated-initializers": (["cpp-standard"], "/std:c++20"),
    "dll-instead-of-lib": (["not-a-library"], "import library"),
    "duplicate": (["duplicate-symbol"], "/MD"),
    "error-cpp17": (["cpp-standard"], "/std:c++17"),
    "export-missing": (["init-function"], "PyMODINIT_FUNC"),
    "gcc-options": (["gcc-options"], "MSVC"),
    "headers-missing": (["missing-header"] * 4, "WSL"),
    "hpp-c-linkage": (["cpp-header-in-c"], ".cpp"),
    "inline-asm": (["gnu-c"], "inline assembler"),
    "library-missing": (["missing-library"], "LIB"),
    "link-options": (["link-option"], "/LIBPATH"),
    "m-pi": (["math-constant"], "/D_USE_MATH_DEFINES"),
    "machine": (["machine"], "vcvars64.bat"),
    "macro-clash": (["windows-macros"], "NOMINMAX"),
    "min-max": (["windows-macros"], "NOMINMAX"),
    "mingw": (["mingw-object"], "compile that library"),
    "mt-bad-manifest": (["manifest-file"], "XML"),
    "mt-no-output": (["manifest-file"], "XML"),
    "newer-stl": (["newer-stl"], "update the Build Tools"),
    "no-backend": (["compiler-parts"], "repair"),
    "no-cvtres": (["resource-converter"], "beside link.exe"),
    "no-entry-point": (["entry-point"], "/DLL"),
    "no-frontend": (["compiler-parts"], "repair"),
    "no-include-path": (["no-include-path"], "vcvars64.bat"),
    "no-lib-variable": (["windows-library", "windows-library"], "vcvars64.bat"),
    "no-linker": (["compiler-parts"], "repair"),
    "no-messages": (["compiler-parts"], "repair"),
    "no-msvc-headers": (["missing-header"], "INCLUDE"),
    "no-msvc-lib": (["windows-library"], "vcvars64.bat"),
    "no-output-folder": (["output-file"], "260"),
    "no-rc": (["resource-compiler"], "Windows SDK"),
    "no-shared-headers": (["missing-header"], "INCLUDE"),
    "no-source": (["compiler-option"], "quotes"),
    "no-ucrt-headers": (["missing-header"], "INCLUDE"),
    "no-ucrt-lib": (["windows-library"], "vcvars64.bat"),
    "no-um-headers": (["missing-header"], "INCLUDE"),
    "numeric-argument": (["gcc-options"], "MSVC"),
    "object-missing": (["missing-object"], "above"),
    "old-runtime": (["old-runtime"], "2015"),
    "openmp": (["openmp"], "/openmp:llvm"),
    "option-conflict": (["option-conflict"] * 3, "CXXFLAGS"),
    "output-is-folder": (["library-locked"], "Python"),
    "output-is-input": (["output-is-input"], "/OUT"),
    "posix-functions": (["posix-name"], "_stricmp"),
    "pyinit": (["init-function"], "PyMODINIT_FUNC"),
    "python-api": (["cython-too-old", "python-internals", "python-lvalue"], "newer release"),
    "python-h": (["python-header"], "include and libs"),
    "python-lib": (["python-library"], "exactly the same version"),
    "rc-no-header": (["resource-include"], "winres.h"),
    "rc-no-icon": (["resource-file"], "own folder"),
    "rc-no-windows-h": (["resource-include"], "winres.h"),
    "rc-syntax": (["resource-script"], "windres"),
    "resource-twice": (["resource-twice"], "/MANIFEST:NO"),
    "runtime": (["runtime-mismatch"], "/MD"),
    "setuptools-cpp20": (["cpp-standard"], "/std:c++20"),
    "setuptools-include": (["missing-header"], "INCLUDE"),
    "setuptools-no-cl": (["program-unnamed"], "where NAME"),
    "setuptools-no-init": (["init-function"], "PyMODINIT_FUNC"),
    "setuptools-no-search": (["msvc-missing"], "DISTUTILS_USE_SDK"),
    "setuptools-source-missing": (["missing-source"], "submodules"),
    "setuptools-wrong-python-lib": (["python-library"], "libs"),
    "source-missing": (["missing-source", "missing-source"], "Cython"),
    "ssize-t": (["unknown-type"], "MSVC"),
    "static-assert-c": (["cpp-standard"], "/std:c++20"),
    "stl-cuda": (["cuda-stl"], "-vcvars_ver"),
    "stl-version": (["msvc-stl"], "INCLUDE"),
    "string-too-long": (["string-limit"], "xxd"),
    "string-view": (["cpp-standard"], "/std:c++17"),
    "timespec": (["timespec"], "HAVE_STRUCT_TIMESPEC"),
    "unresolved": (["undefined-symbol"], "ws2_32.lib"),
    "vla": (["c99-vla"], "std::vector"),
    "warnings-as-errors": (["warnings-as-errors"], "/WX-"),
    "x86": (["x86-compiler"], "x64 Native Tools"),
    "x86-library": (["machine"], "vcvars64.bat"),
}


def log(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


def test_every_log_of_microsofts_compiler_has_an_expectation() -> None:
    assert {path.stem for path in LOGS.glob("*.log")} == CAUSES.keys()


@pytest.mark.parametrize("name", CAUSES)
def test_a_broken_build_has_its_causes_and_remedy(name: str) -> None:
    findings = triage(log(name))
    causes, word = CAUSES[name]
    assert sorted({f.id for f in findings}) == sorted(set(causes))
    assert len(findings) == len(causes)
    assert word in findings[0].remedy
    assert all(finding.understood for finding in findings)


def one(text: str, prefixes: tuple[Path, ...] = ()) -> Finding:
    [finding] = triage(text, prefixes)
    return finding


def test_cuda_that_does_not_know_this_visual_studio_is_not_a_program_that_failed() -> None:
    finding = one(
        "building 'demo._gpu' extension\n"
        "C:\\CUDA\\v11.8\\include\\crt/host_config.h(153): fatal error C1189: #error:  -- "
        "unsupported Microsoft Visual Studio version! Only the versions between 2017 and 2022 "
        "(inclusive) are supported! The nvcc flag '-allow-unsupported-compiler' can be used to "
        "override this version check\nkernel.cu\n"
        "error: command 'C:\\\\CUDA\\\\v11.8\\\\bin\\\\nvcc.exe' failed with exit code 2\n"
    )
    assert finding.id == "cuda-host-compiler"
    assert "-vcvars_ver=" in finding.remedy and "-allow-unsupported-compiler" in finding.remedy
    assert finding.consequences == (4,)


@pytest.mark.parametrize("library", ["python311.lib", "python3.lib"])
def test_the_library_of_another_python_is_never_offered(tmp_path: Path, library: str) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / library).write_bytes(b"!<arch>\n")
    finding = one(
        "link.exe /LIBPATH:C:\\app\\python_embeded\\libs /OUT:build\\lib.win-amd64-cpython-313\\"
        "demo\\_fast.cp313-win_amd64.pyd\n"
        "LINK : fatal error LNK1104: cannot open file 'python313.lib'",
        (tmp_path,),
    )
    assert finding.id == "python-library"
    assert library not in " ".join([finding.remedy, *finding.facts])
    assert "libs and include" in finding.remedy


def test_a_wrapped_line_of_a_runtime_mismatch_is_read_whole() -> None:
    first = (
        "libdemo.lib(codec.obj) : error LNK2038: mismatch detected for 'RuntimeLibrary': "
        "value 'MT_StaticRelease' doesn't match value 'MD_DynamicRelease' in module.obj"
    )
    finding = one(
        f"{first[:120]}\n{first[120:]}\nLINK : fatal error LNK1319: 1 mismatches detected"
    )
    assert finding.id == "runtime-mismatch"
    assert "MD_DynamicRelease" in finding.cause


def test_names_of_x86_mean_the_wrong_prompt_and_no_missing_library() -> None:
    finding = one(
        "fast.obj : error LNK2001: unresolved external symbol __imp__PyModule_Create2\n"
        "fast.obj : error LNK2001: unresolved external symbol __imp__PyLong_FromLong\n"
        "build\\temp.win32-cpython-311\\Release\\fast.cp311-win_amd64.lib : fatal error LNK1120: "
        "2 unresolved externals\n"
    )
    assert finding.id == "x86-compiler"
    assert "pythonXY.lib" not in finding.remedy and "x64 Native Tools" in finding.remedy


def test_what_mingw_compiled_is_never_answered_with_a_dll_of_a_c_runtime(tmp_path: Path) -> None:
    finding = one(log("mingw"), (tmp_path,))
    assert "MSVCR" not in finding.remedy.upper().replace("MSVCRT", "")
    assert not finding.facts


def test_many_names_of_one_cause_are_told_once() -> None:
    text = "\n".join(
        f"libbig.a(big.o) : error LNK2019: unresolved external symbol {name} referenced in f"
        for name in ("___chkstk_ms", "_Unwind_Resume", "__gxx_personality_seh0")
    )
    assert "_Unwind_Resume" in one(text).cause


def test_a_library_is_told_with_where_to_get_it() -> None:
    finding = one(
        "demo.c(3): fatal error C1083: Cannot open include file: 'cholmod.h': No such file"
    )
    assert finding.facts == ("cholmod.h: SuiteSparse",)
    assert "conda install -c conda-forge suitesparse" in finding.remedy
    assert "vcpkg install suitesparse:x64-windows" in finding.remedy


def test_what_no_library_is_known_of_gets_the_usual_remedy_too() -> None:
    finding = one(log("unresolved"))
    assert "deflate: zlib" in finding.facts
    assert "advapi32.lib" in finding.remedy
    assert "for the rest: name its import library" in finding.remedy


def test_what_is_staged_and_what_is_not_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    symbols = b"deflate\0"
    member = (1).to_bytes(4, "big") + bytes(4) + symbols
    header = b"/".ljust(48) + str(len(member)).encode().ljust(10) + b"`\n"
    (tmp_path / "lib" / "zlib.lib").write_bytes(b"!<arch>\n" + header + member)
    finding = one(log("unresolved"), (tmp_path,))
    assert f"{tmp_path / 'lib' / 'zlib.lib'} has deflate" in finding.facts
    assert f"link {tmp_path / 'lib' / 'zlib.lib'}" in finding.remedy
    assert "inet_ntop, GetUserNameA, ours: link ws2_32.lib" in finding.remedy
    assert not any(fact.startswith("deflate: ") for fact in finding.facts)
