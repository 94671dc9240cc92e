"""The build of a package that nobody prepared: its own back end, in the Windows Python.

    source -> tree; build requirements --uv--> a Windows Python of the build's own
    back end in it (back_end.py), compiler = gcc.exe, which hands its work to the host's zig;
                                  or cl.exe of the toolchain
      -> wheel --delvewheel--> repaired -> a clean Windows Python --> imported

The build sees Windows, because it runs there: sys.platform, sysconfig, getwindowsversion and the
headers are the target's. The Python that runs doit is not asked for anything.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks.archives.patch import apply_patch
from tasks.checks import back_end as back_end_script
from tasks.checks import cl_call, imports
from tasks.compilers import toolchain as toolchains
from tasks.compilers.build_environment import LinkedLibrary
from tasks.compilers.toolchain import Toolchain
from tasks.compilers.zig import zig_program
from tasks.core import host, manifest
from tasks.core.config import PortableEnvironment
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.core.recipe import Check, PackageRecipe
from tasks.handover import server
from tasks.handover.words import NOT_FOR_WHEELS, Call
from tasks.pythons import portable, windows_python
from tasks.sdists import back_end, check, headers, instructions, scripts, source, spelling
from tasks.sdists.source import Source
from tasks.wheels import repair

# Seconds. A setup.py may compile its library whatever it is asked, also what the build wants.
TIMEOUT = 3600
CHECK_TIMEOUT = 600

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
_NO_VISUAL_STUDIO = {"VSINSTALLDIR": "none"}


# The source, in the folder of a package's build.
TREE = "tree"
# There as well: the compiler's calls, and what cl.exe was not given.
CALLS = "compiler.log"
_LEFT_OUT = "left-out.txt"


@dataclass
class Outcome:
    """What a build came to.

    Args:
        wheel: where it is.
        back_end: what built it.
        imported: modules -> "" or why they could not be imported.
        environment: the Windows Python that it is installed in.
        gave_up: the compiler was called, and nothing that it compiled is in the wheel: some
            builds go on without their compiled part when it fails.
        lost: extension modules that it began to compile, and the wheel has not.
        wrong: what the recipe's check found; "" if all is well, None where there is none.
        seconds: the whole of it, and the back end's part.
    """

    wheel: Path
    back_end: str
    imported: dict[str, str] = field(default_factory=dict)
    environment: Path = Path()
    gave_up: bool = False
    lost: list[str] = field(default_factory=list)
    wrong: str | None = None
    seconds: float = 0.0
    build_seconds: float = 0.0


def folder_of(project: Project, asked: Source) -> Path:
    """Where the build of a package is done."""
    return project.build / "packages" / asked.name


def _python(project: Project, folder: Path, packages: Sequence[str | Path], job: Job) -> Path:
    """A Windows Python of its own with packages in it; returns its python.exe."""
    environment = project.profile.environment
    if not isinstance(environment, PortableEnvironment):
        raise BuildError(
            f"doit build makes no Python of the kind that the profile {project.profile_name} has; "
            "run doit profile=zig build"
        )
    portable.lay_down(project, environment.pythons[project.target.version].artifact, folder)
    _install_with_dlls(project, folder, packages, job)
    return folder / "python.exe"


def _install(project: Project, python: Path, packages: Sequence[str | Path], job: Job) -> None:
    site_packages = python / "Lib" / "site-packages"
    constraints = python.with_name("constraints.txt")
    constraints.write_text("\n".join(project.config.build.constraints) + "\n", encoding="utf-8")
    if not packages:
        return
    portable.install_for_windows(
        packages, site_packages, project.target, project.cache, project.offline, job,
        constraints=constraints,
    )  # fmt: skip
    launcher = project.source_tree(f"python-{project.target.version}").joinpath(
        "Lib", "site-packages", "pip", "_vendor", "distlib", "t64.exe"
    )
    scripts.write_launchers(
        site_packages,
        launcher,
        windows_python.HERE.path(python / "python.exe"),
        python / "Scripts",
    )


def _install_with_dlls(
    project: Project, python: Path, packages: Sequence[str | Path], job: Job
) -> None:
    """The same, where packages may bring DLLs for the folder of python.exe."""
    _install(project, python, packages, job)
    own = {path.name for path in python.iterdir()}
    portable.place_runtime(python / "Lib" / "site-packages", python, own)


def _ask(
    project: Project, python: Path, tree: Path, what: str, backend: back_end.BackEnd,
    out: Path, variables: Mapping[str, str], timeout: float, job: Job,
) -> dict[str, Any]:  # fmt: skip
    """Call a hook of the back end; what it answers."""
    script = Path(back_end_script.__file__)
    finished, lines = windows_python.run(
        project,
        [script, what, backend.name, json.dumps(list(backend.path)), out],
        job, timeout=timeout, cwd=tree, variables=variables, python=python,
    )  # fmt: skip
    answer = windows_python.last_json(lines)
    if finished.status or answer is None:
        raise BuildError(
            f"{backend.name} failed" if what == "wheel"
            else f"{backend.name} could not say what the build wants",
            log=job.log, tail=finished.tail,
        )  # fmt: skip
    return answer


@contextmanager
def _compiler(
    project: Project, compiler: Toolchain, recipe: PackageRecipe,
    libraries: Sequence[LinkedLibrary], tree: Path, folder: Path, left_out: dict[str, str],
    job: Job,
) -> Iterator[tuple[dict[str, str], list[str | Path]]]:  # fmt: skip
    """The variables of a compiler in the Windows Python, and the folders for PATH."""
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
def _telling(left_out: Mapping[str, str], say: Callable[[str], None]) -> Iterator[None]:
    """Say what a compiler was not given, also where the build fails: it may be for want of that."""
    try:
        yield
    finally:
        for word, why in left_out.items():
            say(f"left out of compiler calls: {word} ({why})")


def make(
    project: Project,
    asked: Source,
    recipe: PackageRecipe,
    patches: Sequence[Path],
    libraries: Sequence[LinkedLibrary],
    requires: Sequence[str],
    job: Job,
    say: Callable[[str], None],
) -> Outcome:
    """Build, repair, install and import one package.

    Args:
        recipe: what the package's build cannot know by itself.
        patches: the recipe's, as files.
        libraries: the recipe's, in their prefixes.
        requires: build requirements that the user adds.
        say: called with a line for the user at each step.

    Raises:
        BuildError: a step failed; its log has the rest.
    """
    started = time.monotonic()
    folder = folder_of(project, asked)
    remove_tree(folder)
    folder.mkdir(parents=True)
    tree = source.unpack(asked, folder / TREE, job)
    for patch in patches:
        changed = apply_patch(patch, tree)
        say(f"{patch.name} changes {', '.join(changed)}")
    backend = back_end.read(tree, (*recipe.build_requires, *requires))
    if by := back_end.rust(backend):
        _refuse_rust(asked, by)
    for requirement, why in backend.added.items():
        say(f"build requirement added: {requirement} ({why})")
    named = [*backend.requires, *backend.added]
    say(f"{backend.name} with {', '.join(named)}, in Windows Python {project.target.version}")
    compiler = toolchains.load(project.toolchain_file)
    runtime = project.config.build.runtime.get(compiler.kind, ())
    python = _python(project, folder / "build-python", [*named, *runtime], job)
    start = f"{windows_python.WITHOUT_COPYFILE2}\n" if windows_python.HERE.needs_wine else ""
    if compiler.kind == "msvc":
        files = [windows_python.HERE.path(folder / name) for name in (CALLS, _LEFT_OUT)]
        call = f"install({NOT_FOR_WHEELS!r}, *{files!r})\n"
        start += Path(cl_call.__file__).read_text(encoding="utf-8") + call
    own = python.parent / "Lib" / "site-packages" / "sitecustomize.py"
    own.write_text(start, encoding="utf-8")
    left_out: dict[str, str] = {}
    with (
        _telling(left_out, say),
        _compiler(project, compiler, recipe, libraries, tree, folder, left_out, job) as (
            variables,
            path,
        ),
    ):
        site_packages = python.parent / "Lib" / "site-packages"
        folders = [
            *path, python.parent, python.parent / "Scripts", site_packages / "bin",
            site_packages / "cmake" / "data" / "bin",
        ]  # fmt: skip
        env = {**variables, **recipe.environment, **windows_python.HERE.with_path(folders)}
        if backend.name == "mesonpy" and compiler.kind == "zig":
            env |= _NO_VISUAL_STUDIO
        out = folder / "out"
        out.mkdir()
        try:
            answer = _ask(project, python, tree, "requires", backend, out, env, TIMEOUT, job)
        except BuildError:
            if backend.name != back_end.LEGACY:
                raise
            # Some are right as a program only: __builtins__ is a dict under PEP 517.
            say("its setup.py fails under PEP 517; it is run as a program: setup.py bdist_wheel")
            backend = replace(backend, name=back_end.AS_PROGRAM)
            answer = {"requires": []}
        missing = [r for r in answer["requires"] if r not in named]
        if missing:
            say(f"it also wants {', '.join(missing)}")
            _install(project, python.parent, missing, job)
        say(f"compiling with {compiler.kind} {compiler.version}")
        began = time.monotonic()
        answer = _ask(project, python, tree, "wheel", backend, out, env, TIMEOUT, job)
        build_seconds = time.monotonic() - began
    wheel = out / answer["wheel"]
    outcome = Outcome(wheel, backend.name, build_seconds=build_seconds)
    if told := check.other_version(wheel, asked.version):
        say(told)
    pure = check.refuse_pure(wheel, asked.title)
    if not pure:
        bins = [library.prefix / "bin" for library in libraries]
        wheel = repair.repaired(wheel, [python.parent, *bins], folder / "repaired", job)
        found = check.faults(wheel, [project.root, Path.home()], folder / "looked-at")
        level = recipe.cpu or instructions.baseline(project.config.compiler_flags)
        for line in check.beyond(folder / "looked-at", level, compiler.kind):
            say(line)
        if found:
            raise BuildError("the wheel is not fit for others: " + "; ".join(found), log=job.log)
    else:
        say("nothing in it is compiled: the wheel is for every system")
        if asked.compiled:
            say(f"warning: {asked.compiled} of the index has a compiled part: its build left that "
                "out here. See whether a variable or a library switches it on")  # fmt: skip
    outcome.gave_up = (folder / CALLS).is_file() and not check.compiled(wheel)
    log = job.log.read_text(encoding="utf-8", errors="replace")
    outcome.lost = [] if outcome.gave_up else check.lost(log, wheel)
    say("installing it into a clean Windows Python, and importing it")
    outcome.environment = folder / "python"
    clean = _python(project, outcome.environment, [wheel, *recipe.requires], job)
    # What is no module, though it is called one, is loaded, and not imported.
    loaded = {} if pure else check.libraries(folder / "looked-at")
    names = [loaded.get(name, name) for name in check.modules(check.files(wheel))]
    outcome.imported = imported(project, clean, names, folder, job)
    there = outcome.environment / "Lib" / "site-packages"
    wanted = back_end.providers(outcome.imported.values())
    omitted = [name for name in wanted if not (there / name).is_dir()]
    if omitted:
        say(f"it imports what its metadata does not require; with {', '.join(omitted)}:")
        _install(project, outcome.environment, omitted, job)
        outcome.imported = imported(project, clean, names, folder, job)
    if others := _without_runtime(project, outcome, wheel):
        runtime = project.config.build.runtime["msvc"]
        for name, dlls in others.items():
            say(f"{name}, which is another package's, wants {', '.join(dlls)}: Windows does not "
                "bring it")  # fmt: skip
        say(f"with {', '.join(runtime)}:")
        _install_with_dlls(project, outcome.environment, runtime, job)
        outcome.imported = imported(project, clean, names, folder, job)
    if recipe.check and not any(outcome.imported.values()):
        say("checking what it does")
        outcome.wrong = checked(project, clean, recipe.check, folder, job)
    outcome.wheel = source.keep_wheel(wheel, project.root / "wheelhouse")
    outcome.seconds = time.monotonic() - started
    shutil.rmtree(folder / "build-python", ignore_errors=True)
    return outcome


def _without_runtime(project: Project, outcome: Outcome, wheel: Path) -> dict[str, list[str]]:
    """Modules of other packages that want DLLs of Microsoft's C++ runtime -> those DLLs.

    Most machines have it, so that wheels leave it out; a clean Windows has it not.
    """
    site_packages = outcome.environment / "Lib" / "site-packages"
    own = set(check.files(wheel))
    patterns = [
        dll
        for profile in project.config.profiles.values()
        if profile.toolchain.kind == "msvc"
        for runtime in profile.toolchain.runtime
        for dll in runtime.dlls
    ]
    found = {}
    for file in check.not_loaded(outcome.imported.values(), site_packages):
        name = file.relative_to(site_packages).as_posix()
        if name not in own and (dlls := check.lacking(file, outcome.environment, patterns)):
            found[name] = dlls
    return found


def imported(
    project: Project, python: Path, modules: Sequence[str], folder: Path, job: Job
) -> dict[str, str]:
    """Import modules in a Windows Python: name -> "" or why it failed."""
    if not modules:
        raise BuildError("the wheel holds no module that could be imported", log=job.log)
    if not windows_python.HERE.available():
        raise BuildError("the wheel is built, and not tried: there is no Wine here to import it in")
    _, lines = windows_python.run(
        project, [Path(imports.__file__), *modules], job,
        timeout=CHECK_TIMEOUT, cwd=folder, python=python,
    )  # fmt: skip
    answer = windows_python.last_json(lines)
    if answer is None:
        raise BuildError(
            "the Windows Python ended while it imported the wheel's modules", log=job.log,
            tail=tuple(lines[-5:]),
        )  # fmt: skip
    return {one["module"]: one.get("error", "") for one in answer["imports"]}


def checked(project: Project, python: Path, check: Check, folder: Path, job: Job) -> str:
    """Run a recipe's check in a Windows Python; "" if it prints what it must, or what is wrong."""
    _install(project, python.parent, check.requires, job)
    script = folder / "check.py"
    script.write_text(check.code, encoding="utf-8")
    finished, lines = windows_python.run(
        project, [script], job, timeout=check.timeout_seconds, cwd=folder, python=python,
        variables={"PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    printed = "\n".join(lines).strip()
    if finished.status:
        return f"its check ended with status {finished.status}: {' / '.join(finished.tail[-2:])}"
    expected = check.expected.strip()
    return "" if printed == expected else f"its check printed {printed!r}, expected {expected!r}"


def _refuse_rust(asked: Source, by: str) -> None:
    """Say that Rust is missing, where it is: what compiles it would download one and try.

    Raises:
        BuildError: always but on a Windows that has it.
    """
    if not windows_python.HERE.needs_wine and host.program("cargo"):
        return
    instead = (
        f"take its wheel from the index, {asked.wheels[0]}"
        if asked.wheels
        else "take a version that has a wheel for this Python, or build it on a Windows with Rust "
        "(https://rustup.rs)"
    )
    raise BuildError(
        f"it is written in Rust ({by} compiles it), and no Rust for Windows is here; {instead}"
    )


def record_hash(project: Project, asked: Source) -> None:
    """Write down the sha256 of a source; later ones of the same version are held to it.

    Raises:
        BuildError: it is another file than last time, or what was written down is damaged.
    """
    if not asked.sha256:
        return
    path = project.root / "wheelhouse" / "sources.json"
    known: dict[str, str] = {}
    if path.is_file():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BuildError(
                f"{project.shown(path)} is damaged ({error}); mend it, or remove it to have the "
                "hashes written down anew"
            ) from error
    before = known.get(asked.path.name)
    if before and before != asked.sha256:
        raise BuildError(
            f"{asked.path.name} has sha256 {asked.sha256}, and had {before} when it was built "
            f"before ({project.shown(path)}); it is another file of the same name. Find out why; "
            "remove that line to trust the new one"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_json(path, {**known, asked.path.name: asked.sha256})
