"""The environment of programs: clean, and with our programs first."""

import os
import subprocess
import sys
import sysconfig

import pytest

from tasks.core import host
from tasks.core.errors import BuildError

STEERING = [
    "CFLAGS", "CC", "PYTHONPATH", "PKG_CONFIG_PATH", "CMAKE_GENERATOR", "DISTUTILS_USE_SDK",
    "INCLUDE", "LIB", "LIBPATH", "LINK", "_LINK_", "CL", "_CL_", "MSSdk", "Include",
]  # fmt: skip


@pytest.mark.parametrize("name", STEERING)
def test_what_the_user_has_set_for_other_builds_does_not_leak_in(monkeypatch, name):
    monkeypatch.setenv(name, "x")
    assert name not in host.environment()


def test_the_rest_of_the_users_environment_stays(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert host.environment()["HTTPS_PROXY"] == "http://proxy:3128"


def test_given_folders_come_first_on_path_then_the_runners_programs_then_the_users():
    made = host.environment({}, ["/compiler", "/libs/bin"])["PATH"]
    folders = ["/compiler", "/libs/bin", sysconfig.get_path("scripts"), os.environ["PATH"]]
    assert made == os.pathsep.join(folders)
    assert host.environment()["PATH"] == os.pathsep.join(folders[2:])


def test_a_given_variable_replaces_all_spellings_of_its_name(monkeypatch):
    monkeypatch.setenv("WindowsSdkDir", "the user's")
    made = host.environment({"WINDOWSSDKDIR": "ours", "INCLUDE": "ours"})
    assert made["WINDOWSSDKDIR"] == made["INCLUDE"] == "ours"
    assert "WindowsSdkDir" not in made


def test_packages_that_the_user_has_for_himself_do_not_count():
    code = "import site; print(site.ENABLE_USER_SITE)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=host.environment(), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"


def test_a_program_that_no_requirement_brings_names_the_remedy():
    with pytest.raises(BuildError, match="run bootstrap again"):
        host.runner_program("there-is-no-such-program")
