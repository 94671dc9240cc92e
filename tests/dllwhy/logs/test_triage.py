"""The logs in data/logs are real output, made by breaking this project's own build.

Shortened only by lines about package indexes, and by the end of clang-timespec.log; folders of
the machine are replaced: the clone's by /home/me/ffcv-on-windows, scratch folders by
/home/me/broken. How each was made:

seed-*               the logs and the message in the articles that this project started from
zig-missing-*        wheel:ffcv's environment without one -I
zig-wrong-*, *-file-missing*   a wrong name in a .pc file, or in LDCXXSHARED
lld-undefined-*      a library dropped from LDCXXSHARED and its .pc file
lld-machine-32       turbojpeg.lib made by zig for x86; lld-machine-32-object: an object for x86
lld-no-init          a .def file that exports an init function which the source does not have
lld-library-missing  -l with a name that is nowhere, for ELF: zig's own linker has another message
lld-msvc-library-missing   a C++ function that no library has, in a link for -msvc by lld-link
lld-msvc-abi         an object by zig -target x86_64-windows-msvc, linked for -gnu
lld-no-shared        LDCXXSHARED without -shared
lld-not-an-object, zig-elf-library   a web page, an ELF object given to the linker
clang-timespec       pthreads-win32's pthread.h compiled by zig for Linux
host-gcc, compiler-missing     CC and the others unset, or naming no program
no-pkg-config-file, pip-*, uv-*   FFCV built by build, pip and uv without .pc files or libraries;
                     an index that refuses connections; uv --offline with an empty cache
cmake-*              OpenCV or libjpeg-turbo configured without one of this project's settings
                     (cmake-policy-opencv: for WindowsStore, which asks for CMake 3.1), from the
                     message on; cmake-download-fetchcontent: a project that fetches zlib by itself
cmake-compiler-variable, cmake-no-make, cmake-no-generator   a project in C configured with a CC
                     that is not there; without make; with Visual Studio's generator on Linux
zig-unsupported-option    libjpeg-turbo's shared library
uv-hash, pip-hash    a wheel whose hash is not that of the requirements file
wine-setup-py-*, wine-pip-*, wine-msvc-*   FFCV's setup.py, as it is and patched, in the Windows
                     Python under Wine (Wine words WinError texts in its own way)
wine-import-*, wine-ctypes-*, wine-127-*, wine-193-*, wine-forward-127   the extension module
                     without its DLLs, a 32-bit DLL, a web page as a DLL, a function missing
wine-no-init, wine-python-tag   a DLL that is no extension module; one tagged for another Python
success-*            builds that succeed
"""

from pathlib import Path

import pytest
from pe_files import make_prefix
from support import ROOT

from dllwhy.errors import DiagnosisError
from dllwhy.logs.patterns import load
from dllwhy.logs.triage import as_data, render, triage

LOGS = ROOT / "tests" / "data" / "logs"

# log: id, category, a word of the remedy
EXPECTED = {
    "clang-timespec": ("timespec", "compiler", "HAVE_STRUCT_TIMESPEC"),
    "cmake-compiler-variable": ("cmake-program", "setup.py and pip", "CMAKE_C_COMPILER="),
    "cmake-download-fetchcontent": ("download", "setup.py and pip", "HTTPS_PROXY"),
    "cmake-download-opencv": ("download", "setup.py and pip", "WITH_FFMPEG=OFF"),
    "cmake-find-package": ("cmake-package", "setup.py and pip", "OpenCV_DIR"),
    "cmake-folder-missing": ("cmake-folder", "setup.py and pip", "WITH_...=OFF"),
    "cmake-nasm-missing": ("cmake-program", "setup.py and pip", "nasm"),
    "cmake-no-compiler": ("cmake-program", "setup.py and pip", "PATH"),
    "cmake-no-generator": ("cmake-generator", "setup.py and pip", "CMAKE_GENERATOR"),
    "cmake-no-make": ("cmake-program", "setup.py and pip", "CMAKE_MAKE_PROGRAM"),
    "cmake-no-simd": ("no-simd", "setup.py and pip", "nasm"),
    "cmake-no-ninja": ("cmake-program", "setup.py and pip", "CMAKE_MAKE_PROGRAM"),
    "cmake-policy-opencv": ("cmake-policy", "setup.py and pip", "CMAKE_POLICY_VERSION_MINIMUM=3.5"),
    "cmake-prefix-not-absolute": ("cmake-prefix", "setup.py and pip", "CMAKE_INSTALL_PREFIX"),
    "compiler-missing": ("compiler-missing", "setup.py and pip", "doit toolchain"),
    "host-gcc": ("missing-header", "compiler", "-I"),
    "lld-import-library-file-missing": ("missing-library", "linker", "libs"),
    "lld-library-missing": ("missing-library", "linker", "LDSHARED"),
    "lld-machine-32": ("undefined-symbol", "linker", "import library"),
    "lld-machine-32-object": ("machine", "linker", "vcvars64.bat"),
    "lld-msvc-abi": ("cpp-abi", "linker", "from source"),
    "lld-msvc-library-missing": ("cpp-abi", "linker", "name the import library in LINK"),
    "lld-no-init": ("init-function", "linker", "PyMODINIT_FUNC"),
    "lld-no-shared": ("not-a-dll", "linker", "-shared"),
    "lld-not-an-object": ("not-a-library", "linker", "download it again"),
    "lld-undefined-opencv": ("undefined-symbol", "linker", "import library"),
    "lld-undefined-pthread": ("undefined-symbol", "linker", "import library"),
    "lld-undefined-turbojpeg": ("undefined-symbol", "linker", "import library"),
    "no-pkg-config-file": ("required-package", "setup.py and pip", "PKG_CONFIG_LIBDIR"),
    "pip-hash": ("hash", "setup.py and pip", "fetch it again"),
    "pip-link-error": ("undefined-symbol", "linker", "import library"),
    "pip-no-pkg-config": ("required-package", "setup.py and pip", "PKG_CONFIG_LIBDIR"),
    "pip-refused": ("download", "setup.py and pip", "HTTPS_PROXY"),
    "seed-dll": ("dll-missing", "DLL load", "doit explain"),
    "seed-linker": ("undefined-symbol", "linker", "LINK"),
    "seed-msvc": ("msvc-missing", "setup.py and pip", "DISTUTILS_USE_SDK=1"),
    "seed-pip": ("required-package", "setup.py and pip", "INCLUDE, LIB and LINK"),
    "uv-hash": ("hash", "setup.py and pip", "fetch it again"),
    "uv-compile-error": ("missing-header", "compiler", "-I"),
    "uv-no-pkg-config": ("required-package", "setup.py and pip", "PKG_CONFIG_LIBDIR"),
    "uv-offline": ("offline", "setup.py and pip", "offline=0"),
    "uv-refused": ("download", "setup.py and pip", "HTTPS_PROXY"),
    "wine-127-ctypes": ("dll-procedure", "DLL load", "dllwhy audit"),
    "wine-193-ctypes": ("dll-machine", "DLL load", "64-bit"),
    "wine-193-html": ("dll-machine", "DLL load", "dllwhy FILE_OR_PACKAGE"),
    "wine-193-import": ("dll-machine", "DLL load", "64-bit"),
    "wine-ctypes-126": ("dll-missing", "DLL load", "dllwhy FILE_OR_PACKAGE"),
    "wine-ctypes-function": ("dll-procedure", "DLL load", "dllwhy audit"),
    "wine-ctypes-missing-file": ("dll-missing", "DLL load", "dllwhy FILE_OR_PACKAGE"),
    "wine-forward-127": ("dll-procedure", "DLL load", "dllwhy audit"),
    "wine-import-no-dll": ("dll-missing", "DLL load", "MSVCR100.dll"),
    "wine-msvc-missing": ("msvc-missing", "setup.py and pip", "DISTUTILS_USE_SDK=1"),
    "wine-msvc-sdk": ("program-unnamed", "setup.py and pip", "vcvars64.bat"),
    "wine-no-init": ("dll-init", "DLL load", "build the module again"),
    "wine-pip-msvc-missing": ("msvc-missing", "setup.py and pip", "Build Tools"),
    "wine-pip-unpatched": ("required-package", "setup.py and pip", "patched"),
    "wine-python-tag": ("no-module", "setup.py and pip", "cpXY"),
    "wine-setup-py-no-dlls": ("required-package", "setup.py and pip", "patched"),
    "wine-setup-py-unpatched": ("required-package", "setup.py and pip", "patched"),
    "zig-elf-library": ("not-a-library", "linker", "first bytes"),
    "zig-library-file-missing-opencv": ("missing-library", "linker", "LDSHARED"),
    "zig-missing-opencv-header": ("missing-header", "compiler", "-I"),
    "zig-missing-turbojpeg-h": ("missing-header", "compiler", "-I"),
    "zig-unsupported-option": ("linker-option", "linker", "static library"),
    "zig-wrong-library-name": ("missing-library", "linker", "libNAME.a"),
}

# Not logs: cl, link and rc run on Windows only. Message texts as Microsoft documents them.
# https://learn.microsoft.com/cpp/error-messages/tool-errors/linker-tools-errors-and-warnings
# https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-
DOCUMENTED = [
    ("fatal error C1083: Cannot open include file: 'pthread.h': No such file or directory",
     "missing-header"),
    ("pthread.h(320): error C2011: 'timespec': 'struct' type redefinition", "timespec"),
    ("LINK : fatal error LNK1104: cannot open file 'opencv_world460.lib'", "missing-library"),
    ("LINK : fatal error LNK1104: cannot open file 'build\\_libffcv.pyd'", "library-locked"),
    ("LINK : fatal error LNK1181: cannot open input file 'turbojpeg.lib'", "missing-library"),
    ("a.obj : error LNK2019: unresolved external symbol tjFree referenced in function imdecode",
     "undefined-symbol"),
    ("a.lib(a.obj) : fatal error LNK1112: module machine type 'x86' conflicts with target machine "
     "type 'x64'", "machine"),
    ("a.obj : error LNK2038: mismatch detected for '_ITERATOR_DEBUG_LEVEL': value '2' doesn't "
     "match value '0' in b.obj", "debug-release"),
    ("LINK : fatal error LNK1158: cannot run 'cvtres.exe'", "resource-converter"),
    ("a.pyd : fatal error LNK1120: 5 unresolved externals", "unresolved-count"),
    ("fatal error C1047: The object or library file 'a.lib' was created with an older compiler "
     "than other objects; rebuild old objects and libraries", "whole-program"),
    ("fatal error LNK1257: code generation failed", "whole-program"),
    ("LINK : fatal error LNK1158: cannot run 'rc.exe'", "resource-compiler"),
    ("OSError: [WinError 126] The specified module could not be found", "dll-missing"),
    ("OSError: [WinError 127] The specified procedure could not be found", "dll-procedure"),
    ("OSError: [WinError 193] %1 is not a valid Win32 application", "dll-machine"),
]  # fmt: skip


# The same programs, worded as in logs that people published in issues of pytorch, numpy, vcpkg,
# conan, systeminformer, setuptools, pybullet, pyradiomics, instant-ngp and others: older and newer
# versions, Visual Studio's list of errors, and other languages.
PUBLISHED = [
    ('error: Microsoft Visual C++ 14.0 is required. Get it with "Build Tools for Visual Studio": '
     "https://visualstudio.microsoft.com/downloads/", "msvc-missing"),
    ("cywinpty.c(629): fatal error C1083: Cannot open include file: 'winpty.h': No such file or "
     "directory", "missing-header"),
    ("d:/x.cpp(3): fatal error C1083: 无法打开包括文件: “turbojpeg.h”: No such file or directory",
     "missing-header"),
    ("C:\\VC\\include\\pthread.h(320): error C2011: “timespec”:“struct”类型重定义", "timespec"),
    ("c1: fatal error C1083: Cannot open source file: 'examples/pybullet/pybullet.c': No such file "
     "or directory", "missing-source"),
    ("c1: fatal error C1083: 无法打开源文件: “radiomics/src/_cmatrices.c”: No such file or "
     "directory", "missing-source"),
    ("LINK : error LNK2001: unresolved external symbol PyInit_bar", "init-function"),
    ("ld.exe: Cannot export PyInit_jep: symbol not defined", "init-function"),
    ("Packet.lib : warning LNK4272: library machine type 'x86' conflicts with target machine type "
     "'x64'", "machine"),
    ("C:\\openssl\\lib\\libssl.lib : warning LNK4272: el tipo de máquina de biblioteca 'x86' está "
     "en conflicto con el tipo de máquina de destino 'x64'", "machine"),
    ("libClp.lib(ClpLsqr.obj) : error LNK2038: mismatch detected for 'RuntimeLibrary': value "
     "'MT_StaticRelease' doesn't match value 'MD_DynamicRelease' in a.obj", "runtime-mismatch"),
    ('sail-c++.lib(image.obj) : error LNK2038: обнаружено несоответствие для "RuntimeLibrary": '
     'значение "MT_StaticRelease" не соответствует значению "MD_DynamicRelease" в main.obj',
     "runtime-mismatch"),
    ("CMake Error at CMakeLists.txt:2 (PROJECT):\n  Generator\n\n    Visual Studio 17 2022\n\n"
     "  could not find any instance of Visual Studio.\n", "cmake-generator"),
    ("  Generator\n\n    Visual Studio 16 2019\n\n  could not find specified instance of Visual "
     "Studio:\n\n    E:/visual 3\n", "cmake-generator"),
    ("    hp, ht, pid, tid = _winapi.CreateProcess(executable, args,\n"
     "FileNotFoundError: [WinError 2] The system cannot find the file specified\n",
     "program-unnamed"),
    ("'cl.exe' is not recognized as an internal or external command,\noperable program or batch "
     "file.", "compiler-missing"),
    ("LINK : fatal error LNK1181: 无法打开输入文件“hello_shared.dll.lib”", "missing-library"),
    ("LINK : fatal error LNK1104: 无法打开文件“D:\\Code\\Lib\\NDGLibd.lib”", "missing-library"),
    ("LINK : fatal error LNK1104: cannot open file 'PYME\\LUT\\lut.cp37-win_amd64.pyd'",
     "library-locked"),
    ("fatal error LNK1104: cannot open file nana_v140_Debug_x86.obj", "missing-library"),
    ("LNK1104\tcannot open file 'nlopt.lib'\tcopter_viewer", "missing-library"),
    ("Error\tLNK2019\tunresolved external symbol DoublyLinkedListInsert referenced in function f",
     "undefined-symbol"),
    ('错误\tLNK2019\t无法解析的外部符号 "__declspec(dllimport) int __cdecl _wopen(int)" '
     "(__imp_?_wopen@@YAHPB_WHH@Z)\uff0c函数 _fl_open 中引用了该符号", "undefined-symbol"),
    ("a.obj : fatal error LNK1112: module machine type 'X86' conflicts with target machine type "
     "'x64'", "machine"),
    ("LINK : fatal error C1047: The object or library file 'phlib.lib' was created by a different "
     "version of the compiler than other objects like 'about.obj'; rebuild all objects and "
     "libraries with the same compiler", "whole-program"),
    ("LINK : fatal error LNK1158: cannot run 'rc.exe' [D:\\build\\binding.vcxproj]",
     "resource-compiler"),
    ('RC Pass 1: command "rc /fo CMakeFiles\\a.dir/manifest.res CMakeFiles\\a.dir/manifest.rc" '
     "failed (exit code 0) with the following output:\n    no such file or directory",
     "resource-compiler"),
    ('  FFMPEG: Download failed: 5;"Couldn\'t resolve proxy name"', "download"),
    ("ImportError: DLL load failed: The specified module could not be found.", "dll-missing"),
    ("ImportError: DLL load failed while importing _ext: 找不到指定的模块。", "dll-missing"),
    ("ImportError: DLL load failed while importing cv2: Le module spécifié est introuvable.",
     "dll-missing"),
    ("ImportError: DLL load failed: 操作系统无法运行 %1。", "dll-procedure"),
    ("OSError: [WinError 126] Le module spécifié est introuvable", "dll-missing"),
    ('OSError: [WinError 1114] A dynamic link library (DLL) initialization routine failed. Error '
     'loading "C:\\torch\\lib\\c10.dll" or one of its dependencies.', "dll-start"),
]  # fmt: skip


def log(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_prefix(tmp_path_factory.mktemp("prefix"))


def test_every_log_has_an_expectation() -> None:
    names = {path.stem for path in LOGS.glob("*.log")}
    assert names == EXPECTED.keys() | {"success-wheel", "success-cmake"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_log_has_its_cause_category_and_remedy(name: str) -> None:
    findings = triage(log(name))
    identifier, category, word = EXPECTED[name]
    assert [f.id for f in findings] == [identifier]
    assert findings[0].category == category
    assert word in findings[0].remedy or word in findings[0].cause
    line = log(name).splitlines()[findings[0].line_number - 1]
    assert findings[0].line.removesuffix("...") in line


@pytest.mark.parametrize(("text", "identifier"), DOCUMENTED)
def test_a_message_documented_by_microsoft_is_known(text: str, identifier: str) -> None:
    assert [finding.id for finding in triage(text)] == [identifier]


@pytest.mark.parametrize(("text", "identifier"), PUBLISHED)
def test_a_message_in_words_that_people_published_is_known(text: str, identifier: str) -> None:
    assert [finding.id for finding in triage(text)] == [identifier]


def test_names_are_read_in_other_languages_too() -> None:
    messages = {
        "LINK : fatal error LNK1181: 无法打开输入文件“turbojpeg.lib”": "turbojpeg.lib",
        "x.cpp(3): fatal error C1083: 无法打开包括文件: “turbojpeg.h”: No such file": "turbojpeg.h",
        "LINK : fatal error LNK1104: impossible d'ouvrir le fichier 'jpeg.lib'": "jpeg.lib",
        "a.obj : error LNK2001: 无法解析的外部符号 tjFree": "tjFree",
        'Loader.obj : error LNK2019: Verweis auf nicht aufgelöstes externes Symbol "tjFree" in '
        'Funktion ""bool __cdecl f(void)" (?f@@YA_NXZ)".': "tjFree",
        'a.obj : error LNK2019 : Verweis auf nicht aufgelöstes externes Symbol ""public: void '
        '__cdecl A::b(void)" (?b@A@@QEAAXXZ)" in Funktion "main".': "?b@A@@QEAAXXZ",
        "a.obj : error LNK2019: símbolo externo tjFree sin resolver al que se hace referencia en "
        "la función main": "tjFree",
        "zlib-ng.lib(a.obj) : error LNK2001: simbolo esterno tjFree non risolto": "tjFree",
        "a.obj : error LNK2019: symbole externe non résolu tjFree référencé dans f": "tjFree",
        "a.obj : error LNK2019: ссылка на неразрешенный внешний символ tjFree в функции "
        '"void __cdecl f(void)" (?f@@YAXXZ)': "tjFree",
    }
    for message, name in messages.items():
        [finding] = triage(message)
        assert finding.cause.endswith(name) or f" {name}:" in finding.cause


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LINK : fatal error LNK1181: 无法打开输入文件“turbojpeg.lib”", "turbojpeg.lib"),
        ("LINK : fatal error LNK1104: 无法打开文件“_libffcv.pyd”", "_libffcv.pyd"),
        ("x.cpp(3): fatal error C1083: 无法打开包括文件: “turbojpeg.h”: No such", "turbojpeg.h"),
        ("pthread.h(320): error C2011: “timespec”:“struct”类型重定义", "timespec"),
    ],
)
def test_names_are_read_where_the_code_page_is_unknown(text: str, name: str) -> None:
    [finding] = triage(text.encode("gbk").decode("utf-8", errors="replace"))
    assert name in finding.cause


@pytest.mark.parametrize("name", ["success-wheel", "success-cmake"])
def test_a_successful_build_has_no_findings(name: str) -> None:
    assert triage(log(name)) == []


def test_the_symbol_that_is_missing_is_named_and_not_the_function_that_wants_it() -> None:
    [finding] = triage(
        "a.obj : error LNK2019: unresolved external symbol tjFree referenced in function "
        '"int __cdecl decode(void)" (?decode@@YAHXZ)'
    )
    assert finding.cause.endswith(": tjFree")


def test_a_sentence_in_an_unknown_language_is_no_symbol() -> None:
    [finding] = triage("a.obj : error LNK2019: tjFree 확인할 수 없는 외부 기호")
    assert finding.id == "undefined-symbol"
    assert finding.cause.endswith("another ABI or machine")


def test_symbols_that_a_library_for_another_machine_does_not_give_are_its_consequences() -> None:
    library = (
        "C:\\x86\\pthreadVC2.lib : warning LNK4272: library machine type 'x86' conflicts with "
    )
    [finding] = triage(
        f"{library}target machine type 'x64'\n"
        "a.obj : error LNK2001: unresolved external symbol __imp_pthread_create\n"
        "a.pyd : fatal error LNK1120: 1 unresolved externals\n"
    )
    assert finding.id == "machine"
    assert finding.consequences == (2, 3)


def test_what_a_message_explains_is_known() -> None:
    patterns = load()
    assert {name for p in patterns for name in p.explains} <= {p.id for p in patterns}


def test_a_forced_include_that_is_missing_is_a_header() -> None:
    [finding] = triage("c1xx: fatal error C1083: Cannot open include file: 'a.h': No such file")
    assert finding.id == "missing-header"


def test_file_names_are_known_in_any_case() -> None:
    [finding] = triage("LINK : fatal error LNK1104: cannot open file 'MSVCRT.lib'")
    assert finding.id == "windows-library"


@pytest.mark.parametrize(
    "text",
    [
        "'vswhere.exe' is not recognized as an internal or external command,",
        "FileNotFoundError: [WinError 2] The system cannot find the file specified: 'notes.txt'",
    ],
)
def test_not_everything_that_is_missing_is_a_program_of_the_build(text: str) -> None:
    assert "compiler-missing" not in [finding.id for finding in triage(text)]


def test_only_uvs_own_words_mean_that_the_network_is_off() -> None:
    assert triage("warning: foo was not found in the cache, downloading") == []


def test_consequences_are_folded_into_their_cause() -> None:
    [finding] = triage(log("seed-linker"))
    assert finding.consequences == (6, 7)
    assert "what follows from it: line 6, 7" in "\n".join(render([finding]))


def test_a_consequence_alone_is_told() -> None:
    assert [f.id for f in triage("error: metadata-generation-failed\n")] == ["metadata"]


def test_unresolved_symbols_name_the_import_library_that_has_them(prefix: Path) -> None:
    [finding] = triage(log("seed-linker"), [prefix])
    library = prefix / "lib" / "turbojpeg.lib"
    assert finding.facts[0] == f"{library} has tjTransform, tjFree"
    assert finding.facts[1].endswith(": libjpeg-turbo")  # the three that this library lacks
    assert str(library) in finding.remedy


def test_a_cpp_symbol_in_words_is_found_by_its_mangled_name(prefix: Path) -> None:
    [finding] = triage(log("lld-undefined-opencv"), [prefix])
    fact = finding.facts[0]
    assert "cv::Mat::~Mat()" in fact and "cv::resize(" in fact and "cv::Mat::Mat(" not in fact


def test_without_a_prefix_the_usual_owner_of_a_symbol_is_named() -> None:
    [finding] = triage(log("lld-undefined-pthread"))
    assert "pthreadVC2.lib" in finding.facts[0]


def test_a_missing_header_names_the_folder_that_has_it(prefix: Path) -> None:
    [finding] = triage(log("host-gcc"), [prefix])
    assert str(prefix / "include" / "opencv4") in finding.remedy


def test_a_library_of_another_version_is_pointed_out(prefix: Path) -> None:
    [finding] = triage(log("zig-wrong-library-name"), [prefix])
    assert str(prefix / "lib" / "turbojpeg.lib") in finding.remedy


def test_windows_line_ends_and_colours_change_nothing() -> None:
    coloured = log("zig-missing-turbojpeg-h").replace("fatal error:", "\x1b[31mfatal error:\x1b[0m")
    assert triage(coloured.replace("\n", "\r\n")) == triage(log("zig-missing-turbojpeg-h"))


def test_a_log_of_megabytes_is_read_to_its_end() -> None:
    line = "[1/9] Building CXX object modules/core/CMakeFiles/opencv_core.dir/src/matrix.cpp.obj\n"
    [finding] = triage(line * 40_000 + log("lld-undefined-turbojpeg"))
    assert finding.line_number == 40_024


def test_findings_are_data_for_programs() -> None:
    [data] = as_data(triage(log("seed-pip")))
    assert data["id"] == "required-package" and isinstance(data["facts"], list)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("pattern: '('", "pattern"),
        ("cause: 'no {group}'", "no group group"),
        ("examples: [other]", "own example"),
        ("examples: []", "examples"),
        ("category: weather", "category"),
        ("nonsense: 1", "nonsense"),
    ],
)
def test_a_defective_pattern_is_one_line(tmp_path: Path, change: str, message: str) -> None:
    entry = {"id": "x", "category": "linker", "pattern": "LNK", "cause": "c", "remedy": "r",
             "examples": "[LNK]"}  # fmt: skip
    key, _, value = change.partition(": ")
    lines = [f"{k}: {v}" for k, v in (entry | {key: value}).items()]
    path = tmp_path / "10-one.yaml"
    path.write_text("- " + "\n  ".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DiagnosisError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in caught.value.message


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    entry = "- {{id: {0}, category: linker, pattern: {0}, cause: c, remedy: r, examples: [{0}]}}\n"
    for name in ("20-b", "10-a", "30-c"):
        (tmp_path / f"{name}.yaml").write_text(entry.format(name), encoding="utf-8")
    assert [pattern.id for pattern in load(tmp_path)] == ["10-a", "20-b", "30-c"]
    (tmp_path / "40-d.yaml").write_text(entry.format("10-a"), encoding="utf-8")
    with pytest.raises(DiagnosisError, match="two patterns of the id 10-a"):
        load(tmp_path)
    with pytest.raises(DiagnosisError, match="no patterns"):
        load(tmp_path / "absent")


EXAMPLES = [(pattern.id, example) for pattern in load() for example in pattern.examples]


@pytest.mark.parametrize(("identifier", "example"), EXAMPLES)
def test_an_example_alone_is_understood_as_its_own_entry(identifier: str, example: str) -> None:
    assert triage(example)[0].id == identifier
