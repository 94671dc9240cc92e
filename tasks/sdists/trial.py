"""A wheel in a clean Windows Python: imported, loaded, and held to what its recipe expects."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tasks.checks import imports
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.core.recipe import Check, PackageRecipe
from tasks.pythons import windows_python
from tasks.sdists import back_end, environment
from tasks.sdists import check as wheels

# Seconds.
CHECK_TIMEOUT = 600


def tried(
    project: Project, wheel: Path, recipe: PackageRecipe, names: Sequence[str], folder: Path,
    job: Job, say: Callable[[str], None],
) -> tuple[dict[str, str], str | None]:  # fmt: skip
    """Install a wheel into a clean Windows Python, and use it.

    What it imports, and its metadata does not require, is installed and said.

    Args:
        names: the modules to import, and files to load.
        folder: for that Python.

    Returns:
        modules -> "" or why they could not be imported; and what the recipe's check found, "" if
        all is well, None where it was not run.

    Raises:
        BuildError: it cannot be installed, or that Python ended.
    """
    say("installing it into a clean Windows Python, and importing it")
    python = environment.make_python(project, folder, [wheel, *recipe.requires], job)
    site_packages = folder / "Lib" / "site-packages"
    outcome = imported(project, python, names, job)
    wanted = back_end.providers(outcome.values())
    omitted = [name for name in wanted if not (site_packages / name).is_dir()]
    if omitted:
        say(f"it imports what its metadata does not require; with {', '.join(omitted)}:")
        environment.install(project, folder, omitted, job)
        outcome = imported(project, python, names, job)
    if others := _without_runtime(project, outcome, folder, wheel):
        runtime = project.config.build.runtime["msvc"]
        for name, dlls in others.items():
            say(f"{name}, which is another package's, wants {', '.join(dlls)}: Windows does not "
                "bring it")  # fmt: skip
        say(f"with {', '.join(runtime)}:")
        environment.install_with_dlls(project, folder, runtime, job)
        outcome = imported(project, python, names, job)
    if recipe.check is None or any(outcome.values()):
        return outcome, None
    say("checking what it does")
    return outcome, checked(project, python, recipe.check, job)


def imported(project: Project, python: Path, modules: Sequence[str], job: Job) -> dict[str, str]:
    """Import modules in a Windows Python: name -> "" or why it failed."""
    if not modules:
        raise BuildError("the wheel holds no module that could be imported", log=job.log)
    if not windows_python.HERE.available():
        raise BuildError("the wheel is built, and not tried: there is no Wine here to import it in")
    _, lines = windows_python.run(
        project, [Path(imports.__file__), *modules], job,
        timeout=CHECK_TIMEOUT, cwd=python.parent.parent, python=python,
    )  # fmt: skip
    answer = windows_python.last_json(lines)
    if answer is None:
        raise BuildError(
            "the Windows Python ended while it imported the wheel's modules", log=job.log,
            tail=tuple(lines[-5:]),
        )  # fmt: skip
    return {one["module"]: one.get("error", "") for one in answer["imports"]}


def checked(project: Project, python: Path, check: Check, job: Job) -> str:
    """Run a recipe's check in a Windows Python; "" if it prints what it must, or what is wrong."""
    environment.install(project, python.parent, check.requires, job)
    folder = python.parent.parent
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


def _without_runtime(
    project: Project, imported: Mapping[str, str], folder: Path, wheel: Path
) -> dict[str, list[str]]:
    """Modules of other packages that want DLLs of Microsoft's C++ runtime -> those DLLs.

    Most machines have it, so that wheels leave it out; a clean Windows has it not.
    """
    site_packages = folder / "Lib" / "site-packages"
    own = set(wheels.files(wheel))
    patterns = [
        dll
        for profile in project.config.profiles.values()
        if profile.toolchain.kind == "msvc"
        for runtime in profile.toolchain.runtime
        for dll in runtime.dlls
    ]
    found = {}
    for file in wheels.not_loaded(imported.values(), site_packages):
        name = file.relative_to(site_packages).as_posix()
        if name not in own and (dlls := wheels.lacking(file, folder, patterns)):
            found[name] = dlls
    return found
