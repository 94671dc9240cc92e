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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks.archives.patch import apply_patch
from tasks.checks import back_end as back_end_script
from tasks.compilers import toolchain as toolchains
from tasks.compilers.build_environment import LinkedLibrary
from tasks.compilers.toolchain import Toolchain
from tasks.core import host
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.core.recipe import PackageRecipe
from tasks.pythons import windows_python
from tasks.sdists import back_end, check, compiling, environment, instructions, source, trial
from tasks.sdists.source import Source
from tasks.wheels import repair

# Seconds. A setup.py may compile its library whatever it is asked, also what the build wants.
TIMEOUT = 3600

# In the folder of a package's build: its source, and the modules of its wheel.
TREE = "tree"
LOOKED_AT = "looked-at"


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


def _ask(
    project: Project, python: Path, tree: Path, what: str, backend: back_end.BackEnd,
    out: Path, variables: Mapping[str, str], job: Job,
) -> dict[str, Any]:  # fmt: skip
    """Call a hook of the back end; what it answers."""
    script = Path(back_end_script.__file__)
    finished, lines = windows_python.run(
        project,
        [script, what, backend.name, json.dumps(list(backend.path)), out],
        job, timeout=TIMEOUT, cwd=tree, variables=variables, python=python,
    )  # fmt: skip
    answer = windows_python.last_json(lines)
    if finished.status or answer is None:
        raise BuildError(
            f"{backend.name} failed" if what == "wheel"
            else f"{backend.name} could not say what the build wants",
            log=job.log, tail=finished.tail,
        )  # fmt: skip
    return answer


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
    python = environment.make_python(project, folder / "build-python", [*named, *runtime], job)
    own = python.parent / "Lib" / "site-packages" / "sitecustomize.py"
    own.write_text(compiling.at_start(compiler, folder), encoding="utf-8")
    left_out: dict[str, str] = {}
    with (
        compiling.telling(left_out, say),
        compiling.in_python(project, compiler, recipe, libraries, tree, folder, left_out, job) as (
            variables,
            path,
        ),
    ):
        env = _environment(backend, compiler, recipe, variables, path, python)
        outcome = _build(project, python, tree, backend, named, compiler, folder, env, job, say)
    if told := check.other_version(outcome.wheel, asked.version):
        say(told)
    pure = check.refuse_pure(outcome.wheel, asked.title)
    if pure:
        say("nothing in it is compiled: the wheel is for every system")
        if asked.compiled:
            say(f"warning: {asked.compiled} of the index has a compiled part: its build left that "
                "out here. See whether a variable or a library switches it on")  # fmt: skip
    else:
        bins = [python.parent, *(library.prefix / "bin" for library in libraries)]
        outcome.wheel = repair.repaired(outcome.wheel, bins, folder / "repaired", job)
        _look_at(project, outcome.wheel, recipe, compiler, folder / LOOKED_AT, job, say)
    calls = folder / compiling.CALLS
    outcome.gave_up = calls.is_file() and not check.compiled(outcome.wheel)
    log = job.log.read_text(encoding="utf-8", errors="replace")
    outcome.lost = [] if outcome.gave_up else check.lost(log, outcome.wheel)
    # What is no module, though it is called one, is loaded, and not imported.
    loaded = {} if pure else check.libraries(folder / LOOKED_AT)
    names = [loaded.get(name, name) for name in check.modules(check.files(outcome.wheel))]
    outcome.environment = folder / "python"
    outcome.imported, outcome.wrong = trial.tried(
        project, outcome.wheel, recipe, names, outcome.environment, job, say
    )
    outcome.wheel = source.keep_wheel(outcome.wheel, project.root / "wheelhouse")
    outcome.seconds = time.monotonic() - started
    shutil.rmtree(folder / "build-python", ignore_errors=True)
    return outcome


def _environment(
    backend: back_end.BackEnd, compiler: Toolchain, recipe: PackageRecipe,
    variables: Mapping[str, str], path: Sequence[str | Path], python: Path,
) -> dict[str, str]:  # fmt: skip
    """The variables of a back end, with its own programs in PATH."""
    site_packages = python.parent / "Lib" / "site-packages"
    folders = [
        *path, python.parent, python.parent / "Scripts", site_packages / "bin",
        site_packages / "cmake" / "data" / "bin",
    ]  # fmt: skip
    env = {**variables, **recipe.environment, **windows_python.HERE.with_path(folders)}
    if backend.name == "mesonpy" and compiler.kind == "zig":
        env |= compiling.NO_VISUAL_STUDIO
    return env


def _build(
    project: Project, python: Path, tree: Path, backend: back_end.BackEnd, named: Sequence[str],
    compiler: Toolchain, folder: Path, env: Mapping[str, str], job: Job,
    say: Callable[[str], None],
) -> Outcome:  # fmt: skip
    """Have the back end make its wheel.

    Args:
        named: the requirements that are installed already.
    """
    out = folder / "out"
    out.mkdir()
    try:
        answer = _ask(project, python, tree, "requires", backend, out, env, job)
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
        environment.install(project, python.parent, missing, job)
    say(f"compiling with {compiler.kind} {compiler.version}")
    began = time.monotonic()
    answer = _ask(project, python, tree, "wheel", backend, out, env, job)
    seconds = time.monotonic() - began
    return Outcome(out / answer["wheel"], backend.name, build_seconds=seconds)


def _look_at(
    project: Project, wheel: Path, recipe: PackageRecipe, compiler: Toolchain, folder: Path,
    job: Job, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Hold a wheel to what one for every Windows machine may have.

    Args:
        folder: for its modules, which stay there.
    """
    found = check.faults(wheel, [project.root, Path.home()], folder)
    level = recipe.cpu or instructions.baseline(project.config.compiler_flags)
    for line in check.beyond(folder, level, compiler.kind):
        say(line)
    if found:
        raise BuildError("the wheel is not fit for others: " + "; ".join(found), log=job.log)


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
