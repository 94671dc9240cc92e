"""A compiler in the Windows Python: its variables, and how its calls are answered.

zig   gcc.exe and the like in PATH, which hand their work to the host's zig (tasks.handover)
msvc  cl.exe of the toolchain, whose calls by Python are gone through (tasks.checks.cl_call)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.checks import cl_call
from tasks.compilers.build_environment import LinkedLibrary
from tasks.compilers.toolchain import Toolchain
from tasks.compilers.zig import zig_program
from tasks.core import host
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.core.recipe import PackageRecipe
from tasks.handover import server
from tasks.handover.words import NOT_FOR_WHEELS, Call
from tasks.pythons import windows_python
from tasks.sdists import headers, spelling

# Setuptools' and distutils' choice of the class that calls gcc
# (https://setuptools.pypa.io/en/latest/deprecated/distutils/configfile.html).
_MINGW = "".join(
    f"[{command}]\ncompiler = mingw32\n" for command in ("build", "build_ext", "build_clib")
)


# What Microsoft's compiler or its SDK says, and sources for Windows count on.
AS_MICROSOFT = (
    # Python's pyconfig.h says that the machine has 64 bits to Microsoft's compiler only.
    "-DMS_WIN64",
    # M_PI where a strict C standard is asked for: gcc's words for it are not for Windows' headers.
    "-D_USE_MATH_DEFINES=",
    # winapifamily.h of the Windows SDK; zlib's iowin32.c asks for it.
    "-DWINAPI_FAMILY_ONE_PARTITION(set,part)=((WINAPI_FAMILY & (set)) == (part))",
    # What is a warning to Microsoft's compiler, and an error to clang: {-14} for an unsigned char
    # (C4838), a pointer to another type in C (C4133), `register` in C++17 (C5033).
    "-Wno-c++11-narrowing",
    "-Wno-error=incompatible-pointer-types",
    "-Wno-error=incompatible-function-pointer-types",
    "-Wno-register",
    "-Wno-dynamic-exception-spec",
    # zig makes __DATE__ an error; here it is a date that does not change (host.SOURCE_DATE).
    "-Wno-date-time",
    # What C++17 removed, and is in C++14, Microsoft's standard where none is asked for: the
    # switches of libc++ (https://libcxx.llvm.org/UserDocumentation.html).
    *(
        f"-D_LIBCPP_ENABLE_CXX17_REMOVED_{name}="
        for name in ("AUTO_PTR", "BINDERS", "RANDOM_SHUFFLE", "UNARY_BINARY_FUNCTION")
    ),
)

# CMake 4 refuses files that ask for CMake before 3.5, unless it is told to take them as for 3.5
# (https://cmake.org/cmake/help/latest/envvar/CMAKE_POLICY_VERSION_MINIMUM.html). Visual Studio's
# generators ask for Release when they build, and Ninja has to know it before.
_CMAKE = {
    "CMAKE_GENERATOR": "Ninja",
    "CMAKE_BUILD_TYPE": "Release",
    "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
}

# Debug information in files of its own (/Zi), which CMake's trials ask for, wants a server beside
# the compiler, which Wine cannot start (C1902).
_CMAKE_WITH_MSVC = """\
set(CMAKE_TRY_COMPILE_CONFIGURATION Release)
set(CMAKE_POLICY_DEFAULT_CMP0141 NEW)
set(CMAKE_MSVC_DEBUG_INFORMATION_FORMAT "")
"""

# Meson, where it is told to (--vsenv), looks for Visual Studio unless one is active: mesonbuild,
# utils/vsenv.py.
NO_VISUAL_STUDIO = {"VSINSTALLDIR": "none"}

# In the folder of a package's build: the compiler's calls, and what cl.exe was not given.
CALLS = "compiler.log"
_LEFT_OUT = "left-out.txt"


def at_start(compiler: Toolchain, folder: Path) -> str:
    """What the building Python runs when it starts, as sitecustomize.

    Args:
        folder: of the package's build.
    """
    start = f"{windows_python.WITHOUT_COPYFILE2}\n" if windows_python.HERE.needs_wine else ""
    if compiler.kind == "msvc":
        files = [windows_python.HERE.path(folder / name) for name in (CALLS, _LEFT_OUT)]
        call = f"install({NOT_FOR_WHEELS!r}, *{files!r})\n"
        start += Path(cl_call.__file__).read_text(encoding="utf-8") + call
    return start


@contextmanager
def in_python(
    project: Project, compiler: Toolchain, recipe: PackageRecipe,
    libraries: Sequence[LinkedLibrary], tree: Path, folder: Path, left_out: dict[str, str],
    job: Job,
) -> Iterator[tuple[dict[str, str], list[str | Path]]]:  # fmt: skip
    """Have a compiler in the Windows Python for as long as the context lasts.

    Args:
        libraries: the recipe's, in their prefixes.
        tree: the source.
        folder: of the package's build.
        left_out: filled with words that calls were not given -> why.

    Yields:
        the variables, and the folders for PATH.
    """
    seen = windows_python.HERE.path
    found = ";".join(seen(library.prefix) for library in libraries)
    prefixes = {"CMAKE_PREFIX_PATH": found} if found else {}
    if compiler.kind == "msvc":
        trials = folder / "msvc.cmake"
        trials.write_text(_CMAKE_WITH_MSVC, encoding="ascii")
        variables = {
            **compiler.environment,
            **spelling.for_msvc(recipe, tree, libraries, compiler.environment, seen),
            **prefixes,
            **windows_python.HERE.with_runtime(project),
            "DISTUTILS_USE_SDK": "1",
            "CC": "cl", "CXX": "cl", **_CMAKE,
            "CMAKE_TOOLCHAIN_FILE": seen(trials),
            "VSLANG": "1033",
        }  # fmt: skip
        try:
            yield variables, [*compiler.path]
        finally:
            told = folder / _LEFT_OUT
            text = told.read_text(encoding="utf-8") if told.is_file() else ""
            words = (line.partition("\t") for line in text.splitlines())
            left_out.update((word, why) for word, _, why in words)
        return
    zig = project.cache / "zig" / f"ziglang-{compiler.version}" / zig_program().name
    spellings = folder / "headers"
    system = zig.parent / "lib" / "libc" / "include" / "any-windows-any"
    headers.write_other_spellings(tree, system, spellings)
    headers.write_of_unix(spellings)
    headers.write_drives(spellings, windows_python.HERE.drives(project))
    headers.write_of_microsoft(folder / "headers-first")
    extra = [*AS_MICROSOFT, f"-I{folder / 'headers-first'}", "-idirafter", str(spellings)]

    def note(call: Call, command: str) -> None:
        left_out.update(call.left_out)
        with (folder / CALLS).open("a", encoding="utf-8") as stream:
            stream.write(command + "\n")

    config = folder / "compiler.cfg"
    config.write_text(_MINGW, encoding="ascii")
    programs = folder / "compiler"
    after = spelling.for_gcc(recipe, tree, libraries)
    env = host.environment(host.SOURCE_DATE)
    with server.serving(programs, compiler, zig, env, extra, after, note, job):
        yield {
            **prefixes,
            "CC": "gcc", "CXX": "g++", "AR": "ar", "RC": "windres", "WINDRES": "windres",
            **_CMAKE,
            "DIST_EXTRA_CONFIG": seen(config),
        }, [programs]  # fmt: skip


@contextmanager
def telling(left_out: Mapping[str, str], say: Callable[[str], None]) -> Iterator[None]:
    """Say what a compiler was not given, also where the build fails: it may be for want of that."""
    try:
        yield
    finally:
        for word, why in left_out.items():
            say(f"left out of compiler calls: {word} ({why})")
