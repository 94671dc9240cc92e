"""The wiring of the real graph, and the shape of the repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from tasks.core.project import load, project
from tasks.graph import DEFAULT_TASKS, tasks_of


def tasks_by_name(profile: str) -> dict[str, dict]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FFCVWIN_PROFILE", profile)
        loaded = load(ROOT)
    return {
        ":".join(filter(None, (task["basename"], task.get("name")))): task
        for task in tasks_of(loaded)
    }


@pytest.fixture(scope="module")
def zig() -> dict[str, dict]:
    return tasks_by_name("zig")


@pytest.fixture(scope="module")
def msvc() -> dict[str, dict]:
    return tasks_by_name("msvc")


@pytest.fixture(params=["zig", "msvc"])
def tasks(request: pytest.FixtureRequest) -> dict[str, dict]:
    """The tasks of each profile."""
    return request.getfixturevalue(request.param)


def needs(tasks: dict[str, dict], name: str) -> set[str]:
    """Everything that a task depends on through manifests, however far away."""
    made_by = {task["targets"][0]: n for n, task in tasks.items() if task.get("targets")}
    found: set[str] = set()
    queue = [name]
    while queue:
        for file in tasks[queue.pop()].get("file_dep", []):
            maker = made_by.get(file)
            if maker and maker not in found:
                found.add(maker)
                queue.append(maker)
    return found


def test_every_task_has_a_line_in_doit_list(tasks):
    assert [name for name, task in tasks.items() if not task.get("doc")] == []


def test_opencv_does_not_depend_on_python_or_patches(zig):
    assert needs(zig, "libs:opencv") == {
        "extract:opencv-source", "fetch:opencv-source", "toolchain",
    }  # fmt: skip


def test_a_released_opencv_depends_on_its_archive_only(msvc):
    assert needs(msvc, "libs:opencv") == {"extract:opencv-release", "fetch:opencv-release"}


def test_a_library_of_the_conda_environment_depends_on_it(msvc):
    assert {"env:python", "env:packages", "fetch:micromamba"} <= needs(msvc, "libs:libjpeg-turbo")


def test_the_wheel_depends_on_what_it_links(tasks):
    found = needs(tasks, "wheel:ffcv")
    assert {"source:ffcv", "libs:opencv", "libs:libjpeg-turbo", "libs:pthreads"} <= found
    assert "libs:msvcr100" not in found


def test_the_wheel_can_be_built_before_the_packages_are_there(zig):
    assert "env:packages" not in needs(zig, "wheel:ffcv")


def test_verification_depends_on_everything_that_ships(tasks):
    assert {"dlls", "install:ffcv", "install:fastxtend", "libs:msvcr100"} <= needs(
        tasks, "verify:import"
    )


def test_every_default_task_is_there(tasks):
    assert set(DEFAULT_TASKS) <= set(tasks)


def test_every_product_is_cleaned_by_the_task_that_makes_it(tasks):
    for name, task in tasks.items():
        if not task.get("targets"):
            continue
        [clean] = task["clean"]
        owned = clean.paths
        for target in task["targets"]:
            assert any(Path(target).is_relative_to(o) for o in owned), (name, target)


def test_doit_list_reads_like_a_table_of_contents():
    done = subprocess.run(
        [sys.executable, "-m", "doit", "list"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    order = [line.split()[0] for line in done.stdout.splitlines()]
    expected = [
        "prereqs", "fetch", "extract", "toolchain", "env", "libs", "source", "wheel", "install",
        "dlls",
    ]  # fmt: skip
    assert [task for task in order if task in expected] == expected


def test_wheel_info_shows_its_dependencies_and_targets():
    done = subprocess.run(
        [sys.executable, "-m", "doit", "info", "--no-status", "wheel:ffcv"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "libs-opencv.json" in done.stdout
    tag = project().target.tag
    assert f"ffcv-1.0.2-{tag}-{tag}-win_amd64.whl" in done.stdout


def tracked() -> list[str]:
    if shutil.which("git") is None:
        pytest.skip("git was not found")
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("not a git checkout")
    return done.stdout.splitlines()


def test_no_file_names_a_package_registrys_host():
    hosts = re.compile(rb"py[p]i\.org|[p]ythonhosted|deb\.[d]ebian\.org|[n]pmjs\.org")
    naming = [
        f for f in tracked() if (ROOT / f).is_file() and hosts.search((ROOT / f).read_bytes())
    ]
    assert naming == []
