"""The wheels to give away: to whom each DLL in them belongs."""

from dataclasses import replace

import pytest
from support import ROOT

from tasks import dist
from tasks.core.errors import BuildError
from tasks.core.project import Project, load

DIGEST = "0123456789abcdef" * 2


@pytest.fixture
def project(tmp_path) -> Project:
    """FFCV by Microsoft's compiler, with pthreads and nothing else staged."""
    loaded = load(ROOT)
    made = replace(
        loaded,
        root=tmp_path,
        profile_name="msvc-portable",
        profile=loaded.config.profiles["msvc-portable"],
    )
    folder = made.prefix("pthreads") / "bin"
    folder.mkdir(parents=True)
    (folder / "pthreadVC2.dll").write_bytes(b"")
    return made


def parts(project: Project, *names: str):
    build = project.config.packages["ffcv"].build
    assert build
    return {p.about.name: p for p in dist.parts_in(project, build, dict.fromkeys(names, b""))}


def test_a_dll_belongs_to_the_library_that_staged_it(project):
    name = f"ffcv.libs/pthreadvc2-{DIGEST}.dll"
    found = parts(project, name)
    assert list(found["pthreads-win32"].files) == [name]
    assert not found["OpenCV"].files


def test_the_compilers_runtime_is_told_where_it_is_inside(project):
    assert "Microsoft Visual C++ runtime" not in parts(project)
    name = f"ffcv.libs/MSVCP140-{DIGEST}.dll"
    found = parts(project, name)["Microsoft Visual C++ runtime"]
    assert list(found.files) == [name]
    assert found.about.license == "LicenseRef-Microsoft-Distributable-Code"


def test_what_is_linked_into_everything_is_always_told(project):
    zig = replace(project, profile_name="zig", profile=project.config.profiles["zig"])
    assert {"mingw-w64", "libc++, libunwind", "compiler-rt"} <= set(parts(zig))


def test_a_dll_of_nobody_stops_it(project):
    with pytest.raises(BuildError, match=r"stray\.dll would be in the wheel, and is of none"):
        parts(project, f"ffcv.libs/stray-{DIGEST}.dll".replace(f"-{DIGEST}", ""))
