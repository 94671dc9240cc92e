"""FFCV's own test suite, run in the Windows Python and compared with what is expected.

    sdist's tests/*.py + checks/upstream_conftest.py -> FOLDER/tests/
        -> one process per file, more after a hang or crash -> test -> result
        -> differences to tests/expected/upstream.json

How a process is run is the caller's business (`Run`): natively, under Wine, or not at all.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tasks.core import manifest
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import windows_python, wine
from tasks.stage import stage

CONFTEST = Path(__file__).parent / "checks" / "upstream_conftest.py"
STATUSES = ("passed", "failed", "skipped", "hung", "crashed")


@dataclass(frozen=True)
class Result:
    """How a test ended: one of STATUSES, and the first lines of why."""

    status: str
    message: str = ""


class Run(Protocol):
    """Runs the Windows Python in a folder.

    Paths among the arguments and the variables' values are the host's; the runner shows them
    as Windows sees them. Returns the exit status, None if the time was up, and the output.
    """

    def __call__(
        self, arguments: Sequence[str | Path], variables: Mapping[str, str | Path], timeout: float
    ) -> tuple[int | None, str]: ...


def prepare(source: Path, folder: Path) -> Path:
    """Copy FFCV's tests and our conftest to FOLDER/tests, anew.

    Args:
        source: the unpacked sdist.

    Returns:
        FOLDER/tests.

    Raises:
        BuildError: there are no tests in the source.
    """
    if not any((source / "tests").glob("test_*.py")):
        raise BuildError(f"{source} has no tests/test_*.py; is it FFCV's sdist? Run doit extract")
    tests = folder / "tests"
    windows_python.lay_tests(source / "tests", tests)
    if (source / "test_data").is_dir():
        remove_tree(folder / "test_data")
        copy_tree(source / "test_data", folder / "test_data")
    shutil.copyfile(CONFTEST, tests / "conftest.py")
    return tests


def read_results(file: Path) -> dict[str, Result]:
    """What the conftest noted: test -> result. A test that never ended counts as crashed."""
    results: dict[str, Result] = {}
    if not file.is_file():
        return results
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            note: dict[str, Any] = json.loads(line)
        except ValueError:  # cut off when the process was ended
            continue
        test, status = note["test"], note["status"]
        if status == "started":
            results[test] = Result("crashed", "the process ended in the middle of this test")
        # a test that failed and then passed its teardown has failed
        elif status in STATUSES and results.get(test, Result("")).status != "failed":
            results[test] = Result(status, note["message"])
    return results


def run_file(file: Path, folder: Path, run: Run, seconds: float, tries: int) -> dict[str, Result]:
    """Run one test file, again without what is done after each hang or crash.

    Args:
        file: among the prepared tests.
        folder: where notes and pytest's output go.
        seconds: for one test; a process gets them for every test that is left.
        tries: processes at most.

    Returns:
        test -> result. Tests that were never reached are missing.
    """
    notes = folder / f"{file.stem}.jsonl"
    notes.unlink(missing_ok=True)
    log = folder / f"{file.stem}.log"
    log.write_text("", encoding="utf-8")
    for _ in range(tries):
        done = read_results(notes)
        status, output = run(
            # No cache: it may not reach the next run.
            ["-m", "pytest", file, "-p", "no:cacheprovider", "--rootdir", file.parent, "-q"],
            {
                "FFCV_UPSTREAM_RESULTS": notes,
                "FFCV_UPSTREAM_SECONDS": f"{seconds:.0f}",
                "FFCV_UPSTREAM_DONE": "|".join(done),
            },
            timeout=(seconds + 30) * max(1, file.read_text(encoding="utf-8").count("def test_")),
        )
        with log.open("a", encoding="utf-8") as stream:
            stream.write(output)
        after = read_results(notes)
        if status is None:  # not even its own watch could end it
            for test in [t for t in after if after[t].status == "crashed" and t not in done]:
                note = {"test": test, "status": "hung", "message": "it had to be ended"}
                with notes.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(note) + "\n")
        if status in (0, 1, 2, 5) or len(after) == len(done):
            return after  # pytest came to its end (5: no tests), or there is no progress
    return read_results(notes)


def run_suite(
    source: Path,
    folder: Path,
    run: Run,
    *,
    seconds: float = 240,
    tries: int = 30,
    only: Sequence[str] = (),
    progress: Callable[[str, int, int], None] = lambda file, done, total: None,
) -> dict[str, Result]:
    """Run FFCV's tests, a process per file.

    Args:
        source: the unpacked sdist.
        folder: for copies, notes and logs.
        run: runs the Windows Python.
        seconds: for one test.
        tries: processes per file; one more is needed after each test that hangs or crashes.
        only: file names; all if empty.
        progress: called with a file's name, files done, files in all.

    Returns:
        "test_x.py::test_y" -> result.

    Raises:
        BuildError: a file gave no result at all although it holds tests; shows why.
    """
    tests = prepare(source, folder)
    files = [f for f in sorted(tests.glob("test_*.py")) if not only or f.name in only]
    results: dict[str, Result] = {}
    for number, file in enumerate(files):
        progress(file.name, number, len(files))
        found = run_file(file, folder, run, seconds, tries)
        if not found and "def test_" in file.read_text(encoding="utf-8"):
            log = folder / f"{file.stem}.log"
            last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
            raise BuildError(
                f"{file.name} gave no result: {' '.join(last) or 'no output'}; is pytest in the "
                f"environment? The whole output is in {log}"
            )
        results |= found
    return results


def load_expected(file: Path, build: str) -> dict[str, Result]:
    """The expectation for a build, "patched" or "unpatched": test -> result, with the reason.

    Raises:
        BuildError: the file is missing or has no such part.
    """
    try:
        part = json.loads(file.read_text(encoding="utf-8"))[build]
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(
            f"{file} has no expectation for the {build} build ({error!r}); write it from the "
            "results of a run"
        ) from error
    return {test: Result(entry["status"], entry.get("reason", "")) for test, entry in part.items()}


def compare(expected: Mapping[str, Result], got: Mapping[str, Result]) -> list[str]:
    """Differences, a line each; none if all is as expected. Messages are not compared."""
    lines = []
    for test in sorted(expected.keys() | got.keys()):
        wanted, result = expected.get(test), got.get(test)
        if wanted is None and result is not None:
            lines.append(f"{test}: {result.status}, but it is not in the expectation")
        elif result is None and wanted is not None:
            lines.append(f"{test}: did not run, expected {wanted.status}")
        elif wanted is not None and result is not None and wanted.status != result.status:
            because = f" ({result.message.splitlines()[0]})" if result.message else ""
            lines.append(f"{test}: {result.status}, expected {wanted.status}{because}")
    return lines


def counts(results: Mapping[str, Result]) -> str:
    """For people: "56 passed, 2 failed, 5 skipped"."""
    numbers = {s: sum(r.status == s for r in results.values()) for s in STATUSES}
    return ", ".join(f"{number} {status}" for status, number in numbers.items() if number)


def save(file: Path, results: Mapping[str, Result]) -> None:
    """Write results in the form of the expectation's parts."""
    data = {
        test: {"status": result.status, **({"reason": result.message} if result.message else {})}
        for test, result in sorted(results.items())
    }
    manifest.write_json(file, data)


def overlay(project: Project, source: Path, folder: Path) -> Path:
    """FFCV from a source tree, to be put before the installed one by PYTHONPATH.

    The extension and its DLLs are the installed ones: no patch touches them.

    Args:
        source: with fewer patches than the installed one.
        folder: where it goes.
    """
    package = project.config.verify.upstream.package
    remove_tree(folder)
    copy_tree(source / package, folder / package)
    for pattern in ("*.pyd", "*.dll"):
        for file in (project.site_packages / package).glob(pattern):
            shutil.copyfile(file, folder / package / file.name)
    return folder


def check(project: Project, build: str, job: Job) -> Made:
    """Run FFCV's own tests and compare the outcome with what is expected.

    Args:
        build: "patched", or "unpatched" to see what the patches are worth.

    Raises:
        BuildError: a test ended otherwise than expected.
    """
    if not windows_python.HERE.available():
        return Made(f"wine not found; {wine.INSTALL_HINT}, then run doit again", status="not run")
    settings = project.config.verify.upstream
    folder = project.build / "verify" / f"upstream-{build}"
    folder.mkdir(parents=True, exist_ok=True)
    fixed: dict[str, str | Path] = {}
    if build == "unpatched":
        source = project.source_tree(project.config.packages[settings.package].artifact)
        fixed["PYTHONPATH"] = overlay(project, source, folder / "unpatched")

    def run(
        arguments: Sequence[str | Path], variables: Mapping[str, str | Path], timeout: float
    ) -> tuple[int | None, str]:
        shown = {
            name: windows_python.HERE.path(value) if isinstance(value, Path) else value
            for name, value in {**fixed, **variables}.items()
        }
        try:
            finished, lines = windows_python.run(
                project, arguments, job, timeout=timeout, cwd=folder, variables=shown
            )
        except BuildError as error:
            return None, error.message
        return finished.status, "\n".join(lines)

    results = run_suite(
        project.source_tree(project.config.packages[settings.package].artifact),
        folder,
        run,
        seconds=settings.seconds_per_test,
        # Unpatched, the first hang of a file says it all; each one costs minutes.
        tries=30 if build == "patched" else 1,
        progress=lambda file, done, total: job.progress(done, total),
    )
    table = folder.with_suffix(".json")
    save(table, results)
    expected = load_expected(expectation_file(project), build)
    differences = compare(expected, results)
    if differences:
        raise BuildError(
            f"{len(differences)} of FFCV's tests ended otherwise than expected; the results are in "
            f"{project.shown(table)}",
            log=job.log,
            tail=tuple(differences[:12]),
        )
    return Made(f"{counts(results)}, as expected", where=table)


def expectation_file(project: Project) -> Path:
    """What is expected of each test: the same of every Python, and of every compiler's build."""
    return project.root / project.config.verify.upstream.expected


def create(project: Project) -> Iterator[dict[str, Any]]:
    """verify:upstream and verify:upstream-unpatched; neither is in the default run."""
    settings = project.config.verify.upstream
    expected = expectation_file(project)
    for build, name, doc in (
        ("patched", "verify:upstream", "run FFCV's own tests (an hour)"),
        ("unpatched", "verify:upstream-unpatched", "the same without our patches, to compare"),
    ):
        folder = project.build / "verify" / f"upstream-{build}"
        yield stage(
            project,
            name,
            doc,
            partial(check, project, build),
            settings=settings,
            needs=[
                *windows_python.needed_to_run(project),
                f"extract:{project.config.packages[settings.package].artifact}",
            ],
            files=[CONFTEST, *([expected] if expected.is_file() else [])],
            after=["verify:import"],
            owns=[folder, folder.with_suffix(".json")],
        )
