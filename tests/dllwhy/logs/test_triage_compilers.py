"""What cl.exe and link.exe say of builds that were broken on purpose, and of CUDA."""

from pathlib import Path

import pytest

from dllwhy.logs.triage import Finding, triage

# Printed by cl.exe 19.44 and link.exe 14.44, each by a small source that was wrong in one way.
LOGS = Path(__file__).resolve().parents[2] / "data" / "logs" / "msvc"

# log -> ids of all causes, and a word that the first remedy must have
CAUSES = {
    "attribute": (["unknown-type"], "clang-cl"),
    "builtin": (["gnu-c"], "clang-cl"),
    "c11": (["c11"], "/std:c11"),
    "corrupt": (["not-a-library"], "import library"),
    "cpp-names": (["undefined-symbol"], "libopencv"),
    "cpp17": (["cpp-standard"], "/std:c++17"),
    "debug-release": (["debug-release", "debug-release"], "Release"),
    "designated-initializers": (["cpp-standard"], "/std:c++20"),
    "duplicate": (["duplicate-symbol"], "/MD"),
    "error-cpp17": (["cpp-standard"], "/std:c++17"),
    "gcc-options": (["gcc-options"], "MSVC"),
    "headers-missing": (["missing-header"] * 4, "WSL"),
    "inline-asm": (["gnu-c"], "inline assembler"),
    "link-options": (["link-option"], "/LIBPATH"),
    "m-pi": (["math-constant"], "/D_USE_MATH_DEFINES"),
    "machine": (["machine"], "vcvars64.bat"),
    "mingw": (["mingw-object"], "compile that library"),
    "newer-stl": (["newer-stl"], "update the Build Tools"),
    "no-include-path": (["no-include-path"], "vcvars64.bat"),
    "no-lib-variable": (["windows-library", "windows-library"], "vcvars64.bat"),
    "no-rc": (["resource-compiler"], "Windows SDK"),
    "no-source": (["compiler-option"], "quotes"),
    "old-runtime": (["old-runtime"], "2015"),
    "openmp": (["openmp"], "/openmp:llvm"),
    "option-conflict": (["option-conflict"] * 3, "CXXFLAGS"),
    "pyinit": (["init-function"], "PyMODINIT_FUNC"),
    "python-api": (["cython-too-old", "python-internals", "python-lvalue"], "newer release"),
    "python-h": (["python-header"], "include and libs"),
    "python-lib": (["python-library"], "exactly the same version"),
    "runtime": (["runtime-mismatch"], "/MD"),
    "source-missing": (["missing-source", "missing-source"], "Cython"),
    "ssize-t": (["unknown-type"], "MSVC"),
    "stl-cuda": (["cuda-stl"], "-vcvars_ver"),
    "stl-version": (["msvc-stl"], "INCLUDE"),
    "string-view": (["cpp-standard"], "/std:c++17"),
    "unresolved": (["undefined-symbol"], "ws2_32.lib"),
    "vla": (["c99-vla"], "std::vector"),
    "x86": (["x86-compiler"], "x64 Native Tools"),
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
