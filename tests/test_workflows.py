"""The workflows say what config.yaml and the README say."""

import re

import pytest
import yaml
from support import ROOT

from tasks.core import config_file


def jobs_of(workflow: str) -> dict[str, dict]:
    path = ROOT / ".github" / "workflows" / workflow
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


@pytest.fixture(scope="module")
def jobs() -> dict[str, dict]:
    return jobs_of("build.yml")


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


def test_a_release_has_a_wheel_for_every_python():
    config = config_file.load(ROOT / "config.yaml")
    release = jobs_of("release.yml")
    pythons = set(config.profiles[config.dist.profile].environment.pythons)
    built = re.findall(
        r"python=(\S+) dist verify:dist$", "\n".join(commands(release["wheels"])), re.M
    )
    assert set(built) == pythons
    attested = "\n".join(release["attest"]["strategy"]["matrix"]["wheel"])
    assert set(re.findall(r"-cp3(\d+)-", attested)) == {p.partition(".")[2] for p in pythons}


def test_a_release_has_every_package_attested():
    config = config_file.load(ROOT / "config.yaml")
    attested = jobs_of("release.yml")["attest"]["strategy"]["matrix"]["wheel"]
    packages = config.profiles[config.dist.profile].packages
    assert {wheel.partition("/")[0] for wheel in attested} == set(packages)


def test_only_what_needs_a_right_has_it():
    release = jobs_of("release.yml")
    assert [name for name, job in release.items() if "permissions" not in job] == []
    writing = {n for n, job in release.items() if job["permissions"].get("contents") == "write"}
    assert writing == {"release"}
