"""The workflow for real Windows machines says what config.yaml and the README say."""

import re

import pytest
import yaml
from support import ROOT

from tasks.core import config_file


@pytest.fixture(scope="module")
def jobs() -> dict[str, dict]:
    path = ROOT / ".github" / "workflows" / "build.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


def commands(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_windows_runs_every_profile(jobs):
    profiles = config_file.load(ROOT / "config.yaml").profiles
    assert set(jobs["windows"]["strategy"]["matrix"]["profile"]) == set(profiles)


def test_every_command_starts_a_file_of_the_clone(jobs):
    started = [command.split()[0] for job in jobs.values() for command in commands(job)]
    assert started
    assert [name for name in started if not (ROOT / name).is_file()] == []


def test_the_python_of_the_uploaded_wheels_is_the_default(jobs):
    text = (ROOT / ".github" / "workflows" / "build.yml").read_text(encoding="utf-8")
    digits = config_file.load(ROOT / "config.yaml").python.replace(".", "")
    assert set(re.findall(r"-cp(\d+)/wheels", text)) == {digits}
