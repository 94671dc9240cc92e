"""build - a Windows wheel of any package, with nothing prepared.

    doit build --package NAME | NAME==VERSION | FILE | FOLDER   (several times for several)
               [--python 3.12 | all] [--compiler zig] [--requires REQUIREMENT]
               [--recipe FILE] [--table FILE.md]

It prints what it does; the last lines say for each package where its wheel is, or what to do. The
exit status is 1 where a package could not be built, went on without its compiled part, or its wheel
could not be imported.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from doit import get_initial_workdir

import dllwhy
from dllwhy import answers
from dllwhy.errors import DiagnosisError
from tasks import recipe_libraries
from tasks.core import arguments, display
from tasks.core import recipe as recipe_file
from tasks.core.config import Build, Package, PortableEnvironment
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.core.recipe import PackageRecipe
from tasks.pythons import windows_python
from tasks.sdists import check, compiling, make, records, source, suggest
from tasks.sdists.make import Outcome
from tasks.sdists.source import Source
from tasks.tool import option, tool

# Compiler -> the other one, and for which sources.
_OTHERS = {
    "zig": ("msvc", "Microsoft's compiler, where the sources take Windows for that"),
    "msvc": ("zig", "zig's, where the sources are written for gcc or clang"),
}

# dllwhy's findings with which every compiler stops.
_OF_NO_COMPILER = {"git-missing", "download", "not-for-windows"}

PACKAGE = option(
    "package", "a name, NAME==VERSION, an sdist's file or a source's folder; several times for "
    "several", kind=list,
)  # fmt: skip
PYTHON = option("python", "the Python version to build for, or all (default: config.yaml's)")
COMPILER = option("compiler", "zig or msvc (default: the profile's)")
REQUIRES = option(
    "requires", "a build requirement that the package omits, or a narrower version of one; may be "
    "given several times", kind=list,
)  # fmt: skip
TABLE = option("table", "a Markdown file, in which the table of what was built is made anew")
RECIPE = option("recipe", "a recipe's file, for one package (default: recipes/NAME.yaml, if there)")


def build(
    project: Project,
    package: list[str],
    python: str,
    compiler: str,
    requires: list[str],
    recipe: str,
    table: str,
) -> bool:
    """Build packages one after the other; returns whether all wheels could be imported."""
    asked = [name for given in package for name in given.split(",") if name]
    if table:
        base = Path(get_initial_workdir() or "")
        succeeded = not asked or build(project, package, python, compiler, requires, recipe, "")
        records.write_table(base / table, records.read(_records(project)))
        return succeeded
    if not asked:
        raise BuildError("say what to build: doit build --package NAME[==VERSION] | FILE | FOLDER")
    if recipe and len(asked) > 1:
        raise BuildError("--recipe is for one package; name one, or lay recipes/NAME.yaml down")
    given = Path(get_initial_workdir() or "", recipe).expanduser() if recipe else None
    kinds = {
        name: profile.toolchain.kind
        for name, profile in project.config.profiles.items()
        if isinstance(profile.environment, PortableEnvironment)
    }
    if compiler and compiler not in kinds.values():
        raise BuildError(f'--compiler: there is no "{compiler}"; it may be zig or msvc')
    versions = list(project.profile.environment.pythons)
    if python and python not in (*versions, "all"):
        raise BuildError(
            f'--python: there is no "{python}"; it may be {", ".join(versions)} or all'
        )
    if python or compiler:
        wanted = versions if python == "all" else [python or project.target.version]
        profile = next((n for n, kind in kinds.items() if kind == compiler), project.profile_name)
        done = [_run_of_its_own(project, profile, v, asked, requires, given) for v in wanted]
        return all(done)
    outcomes = {}
    for name in asked:
        with display.screen.at_work(f"build:{Path(name).name}"):
            outcomes[name] = _one(project, name, requires, given)
    if len(outcomes) > 1:
        _say("")
        for name, outcome in outcomes.items():
            _say(f"{name}: {outcome.wheel.name if outcome else 'failed, see above'}")
    return all(outcome and _succeeded(outcome) for outcome in outcomes.values())


def _records(project: Project) -> Path:
    return project.root / "wheelhouse" / "builds"


def _succeeded(outcome: Outcome) -> bool:
    return not (outcome.gave_up or outcome.lost or outcome.wrong or any(outcome.imported.values()))


def _run_of_its_own(
    project: Project, profile: str, version: str, asked: list[str], requires: list[str],
    recipe: Path | None,
) -> bool:  # fmt: skip
    """Build for a Python or with a compiler that was named, in the build folder of that profile."""
    base = Path(get_initial_workdir() or "")
    words = []
    for name in asked:
        words += ["--package", str(source.local_path(name, base) or name)]
    for requirement in requires:
        words += ["--requires", requirement]
    if recipe:
        words += ["--recipe", str(recipe)]
    accepted = ["accept_msvc_licence=yes"] if project.accept_msvc_licence else []
    settings = [f"profile={profile}", f"python={version}", *accepted]
    command = [sys.executable, "-m", "tasks", *settings, "build"]
    return subprocess.run([*command, *words], cwd=project.root, check=False).returncode == 0


def _say(line: str) -> None:
    print(line, flush=True)


def _recipe(project: Project, asked: str, given: Path | None) -> tuple[PackageRecipe, Path | None]:
    """The recipe of what a user named, and its file; an empty one where there is none.

    Raises:
        ConfigError: it cannot be used.
    """
    name = source.normal(asked.partition("==")[0].strip())
    file = given or project.root / recipe_file.FOLDER / f"{name}.yaml"
    if given or (source.is_name(asked) and file.is_file()):
        return recipe_file.load(file), file
    configured = project.config.packages.get(name) if source.is_name(asked) else None
    if configured and configured.compiled:
        return _as_recipe(project, configured, configured.compiled), project.root / "config.yaml"
    return PackageRecipe(), None


def _as_recipe(project: Project, package: Package, build: Build) -> PackageRecipe:
    """What config.yaml says of a package, in a recipe's words."""
    also = project.config.verify.dist.also
    # One of which nothing is linked is there for the DLLs of the others.
    libraries = [
        name for name in project.profile.libraries
        if name in build.libraries or not project.recipe(name).link
    ]  # fmt: skip
    places = [s.pypi for s in project.config.artifacts[package.artifact].sources if s.pypi]
    return PackageRecipe(
        version=places[0].partition("==")[2] if places else None,
        patches=tuple(patch for patch, on in build.patches.items() if on),
        libraries=tuple(libraries),
        definitions=build.definitions,
        requires=(*(package.about.requires if package.about else ()), *also),
    )


def _one(project: Project, name: str, requires: list[str], given: Path | None) -> Outcome | None:
    """Build one package, and say how it went; None if it failed."""
    title = f"build:{Path(name).name}"
    started = Job(title, project.log(f"build-{Path(name).name}"),
                  partial(display.screen.progress, title), partial(display.screen.line, title),
                  _say)  # fmt: skip
    started.log.unlink(missing_ok=True)
    recipe, file, found = PackageRecipe(), None, None
    try:
        recipe, file = _recipe(project, name, given)
        wanted = f"{name}=={recipe.version}" if recipe.version and source.is_bare(name) else name
        found = source.find(wanted, project, Path(get_initial_workdir() or ""), started)
        job = Job(started.name, project.log(f"build-{found.name}"), started.progress,
                  started.line, _say)  # fmt: skip
        job.log.unlink(missing_ok=True)
        _say(f"{found.title} from {found.path.name}")
        if found.sha256:
            _say(f"  sha256 {found.sha256}")
        if file:
            _say(f"  with the recipe {project.shown(file)}")
        if recipe.sha256 and found.sha256 and found.sha256 != recipe.sha256:
            raise BuildError(
                f"{found.path.name} has sha256 {found.sha256}, and the recipe wants "
                f"{recipe.sha256}; it is another version or another file. Correct the recipe"
            )
        if found.wheels:
            _say(f"  the index has a Windows wheel for Python {project.target.version} already: "
                 f"{found.wheels[0]}")  # fmt: skip
        source.record_hash(project, found)
        patches = [file.parent / patch for patch in recipe.patches] if file else []

        def say(line: str) -> None:
            _say(f"  {line}")

        linked = recipe_libraries.have(project, recipe.libraries, str(file and file.name), say)
        outcome = make.make(project, found, recipe, patches, linked, requires, job, say)
    except DiagnosisError as error:
        _say(f"  failed: {error.message}")
        return None
    except BuildError as error:
        _say(f"  failed: {error.message}")
        if error.log:
            for line in error.tail:
                _say(f"    {line}")
            _explained(project, found, recipe, file, error.log)
        if found and found.sha256:
            log = error.log.read_text(encoding="utf-8", errors="replace") if error.log else ""
            _write_down(project, found, recipe, None, records.reason(error.message, log))
        return None
    if found.sha256:
        _write_down(project, found, recipe, outcome)
    _result(project, found.title, outcome, job)
    _lines(project, found, file, suggest.needed(outcome.imported.values()))
    if outcome.gave_up or outcome.lost:
        _explained(project, found, recipe, file, job.log)
    return outcome


def _write_down(
    project: Project, found: Source, recipe: PackageRecipe, outcome: Outcome | None, why: str = ""
) -> None:
    kind = project.profile.toolchain.kind
    records.write(
        _records(project), found, recipe, project.target.version, kind, outcome, why
    )  # fmt: skip


def _explained(
    project: Project, found: Source | None, recipe: PackageRecipe, file: Path | None, log: Path
) -> None:
    """What a log means, and what a recipe could say to mend it."""
    from dllwhy.logs import triage

    text = log.read_text(encoding="utf-8", errors="replace")
    suggested, calls = [], ""
    if found:
        folder = make.folder_of(project, found)
        called = folder / compiling.CALLS
        calls = called.read_text(encoding="utf-8") if called.is_file() else ""
        libraries = suggest.Libraries(
            recipe_libraries.known(project), recipe_libraries.by_header(project)
        )
        tree = source.top_of(folder / make.TREE)
        suggested = suggest.suggestions(text, tree, calls, recipe, libraries)
    # What config.yaml could say is for the packages of the graph; these have recipes.
    findings = triage.triage(text, here=False)
    answers.show(answers.told(suggest.mended(findings, suggested)))
    _say(f"  the whole log: {project.shown(log)}")
    if found:
        _say(f"  its tree and what was made of it: {project.shown(folder)}")
        _lines(project, found, file, suggested)
        # Where no compiler was asked, or the cause is none of it, another one is no help.
        other = not any(one.id in _OF_NO_COMPILER for one in findings)
        if other and (calls or re.search(r"cl\.exe|Visual C", text)):
            _other_compiler(project, found)


def _other_compiler(project: Project, found: Source) -> None:
    """How to try it with the other compiler: many sources are right for one of the two only."""
    other, why = _OTHERS[project.profile.toolchain.kind]
    asked = f"{found.name}=={found.version}" if found.sha256 and found.version else found.path
    accepting = ""
    if other == "msvc" and not project.accept_msvc_licence:
        accepting = "accept_msvc_licence=yes "
        why += "; by that setting you accept Microsoft's licence for it"
    _say(f"  or with {why}:")
    _say(f"    doit {accepting}build --package {asked} --compiler {other}")


def _lines(
    project: Project, found: Source, file: Path | None, suggested: list[suggest.Suggestion]
) -> None:
    """Lines for a recipe, and where they go."""
    if suggested:
        place = file or project.root / recipe_file.FOLDER / f"{source.normal(found.name)}.yaml"
        what = "added to it" if file else "laid down there"
        _say(f"  {project.shown(place)} could mend it; lines that may be {what}:")
        for line in suggest.as_yaml(suggested):
            _say(f"    {line}")


def _result(project: Project, title: str, outcome: Outcome, job: Job) -> None:
    """What was imported, and where the wheel is."""
    failed = {name: why for name, why in outcome.imported.items() if why}
    for name, why in failed.items():
        _say(f"  import {name} failed: {why}")
    site_packages = outcome.environment / "Lib" / "site-packages"
    for module in check.not_loaded(failed.values(), site_packages)[:1]:
        answers.show(answers.explained(dllwhy.explain_load(module, outcome.environment)))
    if outcome.gave_up:
        _say("  the compiler was called, and nothing that it compiled is in the wheel: the build "
             f"went on without its compiled part. Why is in {project.shown(job.log)}")  # fmt: skip
    if outcome.lost:
        _say(f"  the build went on without {', '.join(outcome.lost)}, which it began to compile: "
             f"the wheel has it not. Why is in {project.shown(job.log)}")  # fmt: skip
    if outcome.wrong is not None:
        _say(f"  {outcome.wrong or 'it does what the recipe expects'}")
    count = len(outcome.imported) - len(failed)
    size = outcome.wheel.stat().st_size / 1e6
    _say(
        f"  {count} of {len(outcome.imported)} modules imported under "
        f"{'Wine' if windows_python.HERE.needs_wine else 'Windows'}: "
        f"{', '.join(name for name in outcome.imported if name not in failed)}"
    )
    _say(
        f"{title}: {project.shown(outcome.wheel)}, {size:.1f} MB, {outcome.seconds:.0f} s "
        f"(the back end {outcome.build_seconds:.0f} s)"
    )


def create(project: Project) -> Iterator[dict[str, Any]]:
    """build."""
    made = tool(
        project, "build", "a Windows wheel of any package: --package NAME", build,
        PACKAGE, PYTHON, COMPILER, REQUIRES, RECIPE, TABLE,
    )  # fmt: skip
    # The Python and the compiler of these settings would be prepared for nothing.
    if arguments.any_given(["--python", "--compiler"]):
        yield made
        return
    environment = project.profile.environment
    needs = ["toolchain"]
    if isinstance(environment, PortableEnvironment):
        needs.append(f"extract:{environment.pythons[project.target.version].artifact}")
    if windows_python.HERE.needs_wine:
        needs.append("env:wine")
    yield {**made, "task_dep": needs}
