"""verify:* - proof that the result works, each with its outcome as verify/NAME.json.

    closure    static: every import of the extension, and by which rule Windows finds it
    import     `import ffcv, fastxtend` and what people import of them, in the Windows Python
    roundtrip  a dataset written, read back in every way, and trained on
    defects    the tests of our patches, one file for each

A check whose tool is missing says "not run", never "passed".
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import dlls
from tasks.core import manifest
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import windows_python, wine
from tasks.source import source_folder
from tasks.stage import stage

if TYPE_CHECKING:
    from dllwhy.loader import Resolution

CHECKS = Path(__file__).parent / "checks"


def report_file(project: Project, name: str) -> Path:
    """Where the outcome of a check is."""
    return project.build / "verify" / f"{name}.json"


def _write_report(project: Project, name: str, data: Any) -> Path:
    path = report_file(project, name)
    manifest.write_json(path, data)
    return path


def check_closure(project: Project, job: Job) -> Made:
    """Resolve every import of the built extensions as Windows' loader would.

    Raises:
        BuildError: imports are missing; names them and the places that were looked into.
    """
    from dllwhy import loader

    environment = loader.detect_environment(project.environment)
    found: list[Resolution] = []
    for extension in dlls.extensions(project):
        closure = loader.closure(extension, environment)
        if closure.problem:
            raise BuildError(f"{extension.name}: {closure.problem}")
        found += closure.resolutions
    report = _write_report(project, "closure", [_row(resolution) for resolution in found])
    missing = [r for r in found if r.rule is loader.Rule.MISSING and not r.delay]
    if missing:
        first = missing[0]
        places = ", ".join(str(place.folder or place.rule.value) for place in first.tried)
        names = ", ".join(f"{r.name} (for {r.importer.name})" for r in missing)
        raise BuildError(
            f"Windows would not find {names}; looked for {first.name} in {places}. Import would "
            'end with "DLL load failed". Run doit dlls; if that is no help, see '
            f"{project.shown(report)}"
        )
    rules = Counter(resolution.rule.value for resolution in found)
    counts = ", ".join(f"{count} by {rule}" for rule, count in rules.items())
    return Made(f"{len(found)} imports found: {counts}", where=report)


def _row(resolution: "Resolution") -> dict[str, Any]:
    """A resolution as data."""
    return {
        "import": resolution.name,
        "importer": resolution.importer.name,
        "rule": resolution.rule.value,
        "file": str(resolution.found) if resolution.found else None,
        "tried": [str(place.folder or place.rule.value) for place in resolution.tried],
        "delay": resolution.delay,
    }


def check_imports(project: Project, job: Job) -> Made:
    """Import what people import, in the Windows Python.

    Raises:
        BuildError: an import failed.
    """
    if not windows_python.HERE.available():
        return not_run()
    check = project.config.verify.import_
    finished, lines = windows_python.run(
        project,
        [CHECKS / "imports.py", *check.modules],
        job,
        timeout=check.timeout_seconds,
        cwd=project.build,
    )
    outcome = windows_python.last_json(lines)
    if outcome is None:
        raise BuildError(
            f"the Windows Python ended with status {finished.status} before it could import "
            f"anything; the environment may be damaged: doit clean env, then doit",
            log=job.log,
            tail=finished.tail,
        )
    report = _write_report(project, "import", outcome)
    failed = [result for result in outcome["imports"] if result["status"] != "passed"]
    if failed or finished.status:
        what = "; ".join(f"import {r['module']}: {r['error']}" for r in failed)
        raise BuildError(
            f"{what or f'exit status {finished.status}'}. If a DLL could not be loaded, "
            "run doit verify:closure, which names it",
            log=job.log,
            tail=finished.tail,
        )
    seconds = sum(result["seconds"] for result in outcome["imports"])
    start = windows_python.HERE.launcher(project)
    return Made(
        f"imported {', '.join(check.modules)} in Windows Python "
        f"{outcome['python'].split()[0]} in {seconds:.0f} s",
        where=report,
        details={"use": f'To use it: {project.shown(start)} -c "import ffcv; print(ffcv)"'},
    )


def check_roundtrip(project: Project, job: Job) -> Made:
    """Write a dataset, read it back in every way, and train on it, in the Windows Python.

    Raises:
        BuildError: a check failed; names it and what is wrong, most likely.
    """
    if not windows_python.HERE.available():
        return not_run()
    folder = project.build / "verify" / "roundtrip"
    remove_tree(folder)
    outcome = round_trip(project, folder, job)
    report = _write_report(project, "roundtrip", outcome)
    shutil.rmtree(folder, ignore_errors=True)
    problem = failure_of_round_trip(outcome)
    if problem:
        raise BuildError(problem, log=job.log)
    versions = ", ".join(f"{name} {version}" for name, version in outcome["versions"].items())
    return Made(f"{len(outcome['checks'])} checks passed ({versions})", where=report)


def round_trip(
    project: Project,
    folder: Path,
    job: Job,
    *,
    checks: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run the round trip in the Windows Python.

    Args:
        folder: for its datasets.
        checks: names; those that they need run as well. All if empty.
        variables: environment variables to add.

    Returns:
        what checks/roundtrip.py prints, and its exit status as "status".

    Raises:
        BuildError: it came to no outcome.
    """
    seconds = project.config.verify.roundtrip.timeout_seconds
    folder.mkdir(parents=True, exist_ok=True)
    finished, lines = windows_python.run(
        project,
        [CHECKS / "roundtrip.py", folder, str(seconds), *checks],
        job,
        timeout=seconds + 120,
        cwd=folder,
        variables=variables,
    )
    outcome = windows_python.last_json(lines)
    if outcome is None:
        raise BuildError(
            f"the Windows Python ended with status {finished.status} and without an outcome; "
            "run doit verify:import first",
            log=job.log,
            tail=finished.tail,
        )
    return {**outcome, "status": finished.status}


def failure_of_round_trip(outcome: Mapping[str, Any]) -> str | None:
    """What is wrong after a round trip: None, or a line for people."""
    failed = [check for check in outcome["checks"] if check["status"] == "failed"]
    if not failed and not outcome["status"]:
        return None
    what = "; ".join(f"{check['name']}: {check['detail']}" for check in failed)
    return (
        f"{what or 'exit status {}'.format(outcome['status'])}. Is every patch of config.yaml, "
        "packages.ffcv.build.patches switched on?"
    )


def check_defects(project: Project, job: Job) -> Made:
    """Run the tests of the patches in the Windows Python.

    Raises:
        BuildError: a test failed.
    """
    if not windows_python.HERE.available():
        return not_run()
    check = project.config.verify.defects
    # A copy, so that tests of other things are not collected with them.
    folder = project.build / "verify" / "defects"
    windows_python.lay_tests(project.root / check.tests, folder / "tests")
    finished, _ = windows_python.run(
        project,
        ["-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", folder, folder / "tests"],
        job,
        timeout=check.timeout_seconds,
        cwd=folder,
        variables={
            "FFCV_SOURCE": windows_python.HERE.path(
                source_folder(project, project.config.verify.upstream.package)
            )
        },
    )
    last = finished.tail[-1].strip("= ") if finished.tail else ""
    if finished.status:
        raise BuildError(f"pytest: {last}", log=job.log, tail=finished.tail)
    shutil.rmtree(folder, ignore_errors=True)
    return Made(last, where=job.log)


def not_run() -> Made:
    """The outcome of a check that needs Wine where there is none."""
    return Made(f"wine not found; {wine.INSTALL_HINT}, then run doit again", status="not run")


def create(project: Project) -> Iterator[dict[str, Any]]:
    """verify:closure, verify:import, verify:roundtrip and verify:defects."""
    yield {"basename": "verify", "name": None, "doc": "prove that the result works"}
    installs = [f"install:{name}" for name in project.profile.packages]
    runnable = windows_python.needed_to_run(project)
    checks = project.config.verify
    yield stage(
        project,
        "verify:closure",
        "find every DLL as Windows' loader would (static)",
        partial(check_closure, project),
        settings={},
        needs=["env:python", *installs, "dlls"],
        targets=[report_file(project, "closure")],
        owns=[report_file(project, "closure")],
    )
    yield stage(
        project,
        "verify:import",
        "import the packages in the Windows Python",
        partial(check_imports, project),
        settings=checks.import_,
        needs=runnable,
        files=[CHECKS / "imports.py"],
        after=["verify:closure"],
        owns=[report_file(project, "import")],
    )
    yield stage(
        project,
        "verify:roundtrip",
        "write a dataset, read it back, train on it",
        partial(check_roundtrip, project),
        settings=checks.roundtrip,
        needs=runnable,
        files=sorted(CHECKS.glob("roundtrip*.py")),
        after=["verify:import"],
        owns=[report_file(project, "roundtrip"), project.build / "verify" / "roundtrip"],
    )
    yield stage(
        project,
        "verify:defects",
        "test each patch where it counts (minutes; not in the default run)",
        partial(check_defects, project),
        settings=checks.defects,
        needs=[*runnable, *(f"source:{checks.upstream.package}",)],
        files=sorted((project.root / checks.defects.tests).glob("*.py")),
        after=["verify:import"],
        owns=[project.build / "verify" / "defects"],
    )
