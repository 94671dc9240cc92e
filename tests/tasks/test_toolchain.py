"""Which compiler a profile makes ready, and what that stands on."""

from pathlib import Path

import pytest
from support import ROOT
from visual_studio import lay_portable

from tasks import fetch, toolchain
from tasks.compilers import zig
from tasks.core.errors import BuildError
from tasks.core.project import Project, load
from tasks.pythons import windows_python


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VSINSTALLDIR", "VCVARS", "BUILDTOOLS", "MSBUILDTOOLS", "FFCVWIN_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("FFCVWIN_ACCEPT_MSVC_LICENCE", raising=False)


def project(monkeypatch: pytest.MonkeyPatch, profile: str, accepted: str = "") -> Project:
    monkeypatch.setenv("FFCVWIN_PROFILE", profile)
    monkeypatch.setenv("FFCVWIN_ACCEPT_MSVC_LICENCE", accepted)
    return load(ROOT)


def needs(project: Project) -> list[str]:
    (task,) = toolchain.create(project)
    return [Path(file).stem for file in task["file_dep"]]


elsewhere = pytest.mark.skipif(not windows_python.HERE.needs_wine, reason="how it is elsewhere")


@pytest.mark.parametrize(("profile", "maker"), [("zig", zig.make), ("msvc", toolchain._make_msvc)])
def test_the_profile_says_which_compiler_is_made_ready(monkeypatch, profile, maker):
    (task,) = toolchain.create(project(monkeypatch, profile))
    assert task["actions"][0].work.func is maker


def test_zig_stands_on_nothing(monkeypatch):
    assert needs(project(monkeypatch, "zig", "yes")) == []


@elsewhere
def test_microsofts_compiler_is_not_fetched_before_its_licence_is_accepted(monkeypatch):
    wanted = project(monkeypatch, "msvc-portable")
    assert "msvc-buildtools" not in fetch.artifacts_of(wanted)
    assert needs(wanted) == ["env-wine"]


@elsewhere
def test_it_is_fetched_after_that(monkeypatch):
    wanted = project(monkeypatch, "msvc-portable", "yes")
    assert "msvc-buildtools" in fetch.artifacts_of(wanted)
    assert needs(wanted) == ["extract-msvc-buildtools", "env-wine"]


@elsewhere
def test_it_is_not_fetched_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.setenv("BUILDTOOLS", str(lay_portable(tmp_path / "tools")))
    wanted = project(monkeypatch, "msvc-portable", "yes")
    assert "msvc-buildtools" not in fetch.artifacts_of(wanted)
    assert needs(wanted) == ["env-wine"]


@pytest.mark.parametrize("profile", ["zig", "msvc"])
def test_a_profile_with_another_compiler_or_an_installed_one_fetches_none(monkeypatch, profile):
    wanted = project(monkeypatch, profile)
    assert "msvc-buildtools" not in fetch.artifacts_of(wanted)


@elsewhere
def test_without_the_licence_the_setting_and_what_it_means_are_named(monkeypatch, job, tmp_path):
    wanted = project(monkeypatch, "msvc-portable")
    settings = wanted.profile.toolchain
    monkeypatch.setattr(Project, "toolchain_file", tmp_path / "toolchain" / "toolchain.json")
    with pytest.raises(BuildError) as caught:
        toolchain._make_msvc(wanted, settings, None, job)
    said = caught.value.message
    assert "\n" not in said
    for part in (
        "name a folder that holds it in BUILDTOOLS", "packed by a third party",
        "doit accept_msvc_licence=yes", "you accept Microsoft's licence", "doit profile=zig",
    ):  # fmt: skip
        assert part in said


@elsewhere
def test_condas_profile_names_the_one_that_does_the_same_here(monkeypatch, job):
    wanted = project(monkeypatch, "msvc")
    with pytest.raises(BuildError, match=r"needs Windows; here, run doit profile=msvc-portable"):
        toolchain._make_msvc(wanted, wanted.profile.toolchain, None, job)
