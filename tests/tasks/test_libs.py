"""Libraries: what goes into the digest of one, and a real small one through the real store."""

import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from support import ROOT, Recorder, under_wine

from tasks import libs
from tasks.compilers import zig
from tasks.compilers.toolchain import Toolchain
from tasks.core import host, manifest
from tasks.core.config import CMakeRecipe, OptionalProgram, StageMap
from tasks.core.manifest import FileEntry, Made
from tasks.core.project import Project, load

RECIPE = CMakeRecipe(
    artifact="small-source",
    link=("small",),
    defines={"CMAKE_BUILD_TYPE": "Release"},
    optional=(
        OptionalProgram(
            program="nasm", feature="SIMD", on={"SIMD": True}, off={"SIMD": False}, without="slow"
        ),
    ),
    stage=StageMap(include=("include/",), lib=("lib/libsmall.a",)),
)
OFF: dict[str, Path | None] = {"SIMD": None}
SOURCE = {"small.c": FileEntry(1, "0" * 64)}
TOOLS = {"compiler": "zig 1 for x"}


def test_how_a_library_is_linked_is_not_part_of_it():
    linked = RECIPE.model_copy(update={"link": ("other",)})
    assert libs.ingredients(RECIPE, OFF, SOURCE, TOOLS) == libs.ingredients(
        linked, OFF, SOURCE, TOOLS
    )


@pytest.mark.parametrize(
    "other",
    [
        libs.ingredients(RECIPE.model_copy(update={"defines": {"A": 1}}), OFF, SOURCE, TOOLS),
        libs.ingredients(RECIPE.model_copy(update={"stage": StageMap()}), OFF, SOURCE, TOOLS),
        libs.ingredients(RECIPE, {"SIMD": Path("/bin/nasm")}, SOURCE, TOOLS),
        libs.ingredients(RECIPE, OFF, {"small.c": FileEntry(1, "1" * 64)}, TOOLS),
        libs.ingredients(RECIPE, OFF, {"large.c": SOURCE["small.c"]}, TOOLS),
        libs.ingredients(RECIPE, OFF, SOURCE, {"compiler": "zig 2 for x"}),
    ],
    ids=["defines", "stage", "feature", "source", "file name", "compiler"],
)
def test_what_a_library_is_made_of_is_part_of_it(other):
    assert libs.ingredients(RECIPE, OFF, SOURCE, TOOLS) != other


def test_programs_count_by_their_version_and_not_by_their_path(job):
    nasm = host.program("nasm")
    if nasm is None:
        pytest.skip("nasm was not found; on Debian or Ubuntu: sudo apt-get install nasm")
    compiler = Toolchain("zig", "1", "x86_64-windows-gnu", {"cc": "/a/cc"}, "", "unix")
    made_with = libs.tools(RECIPE, {"SIMD": nasm}, compiler, job)
    assert made_with["programs"]["nasm"].startswith("NASM version ")
    assert made_with["compiler"] == "zig 1 for x86_64-windows-gnu"
    assert made_with["cmake"].startswith("cmake version ")
    assert "/" not in "".join([*made_with["programs"].values(), made_with["cmake"]])


class Small:
    """A clone with the source of a small library, and a Python of its own."""

    def __init__(self, folder: Path, cache: Path, version: str):
        self.project: Project = replace(load(ROOT), root=folder, cache=cache)
        self.project = replace(self.project, target=replace(self.project.target, version=version))
        self.recorder = Recorder(folder)
        source = self.project.source_tree(RECIPE.artifact)
        source.mkdir(parents=True)
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.10)\nproject(small C)\n"
            "add_library(small STATIC ${CMAKE_SOURCE_DIR}/small.c)\ninstall(TARGETS small)\n"
            "install(FILES small.h DESTINATION include)\n",
            encoding="utf-8",
        )
        (source / "small.h").write_text("const char *where(void);\n", encoding="utf-8")
        (source / "small.c").write_text(
            '#include "small.h"\nconst char *where(void) { return __FILE__; }\n', encoding="utf-8"
        )
        made = Made("", root=source, files=manifest.record(source))
        manifest.write(self.project.manifest(f"extract:{RECIPE.artifact}"), made)
        zig.make(
            load(ROOT).config.profiles["zig"].toolchain, metadata.version("ziglang"),
            self.project.toolchain_file.parent, load(ROOT).cache / "zig", self.recorder.job,
        )  # fmt: skip

    def make(self, recipe: CMakeRecipe = RECIPE) -> Made:
        return libs.build_with_cmake(self.project, "small", recipe, OFF, self.recorder.job)

    @property
    def log(self) -> str:
        return self.recorder.job.log.read_text(encoding="utf-8")


@pytest.mark.skipif(under_wine(), reason="zig for Windows starts under Wine 8, but cannot compile")
def test_a_library_is_built_once_for_every_clone_and_python(tmp_path):
    first = Small(tmp_path / "one", tmp_path / "cache", "3.11")
    built = first.make()
    assert "--build" in first.log

    second = Small(tmp_path / "another für C", tmp_path / "cache", "3.12")
    taken = second.make()
    assert "--build" not in second.log
    assert f"small {taken.details['digest']} is made of" in second.log
    assert "taken from the store" in second.log
    assert taken.files == built.files and taken.details == built.details
    assert taken.summary == built.summary

    # Nothing in a prefix says where it was built.
    archive = second.project.prefix("small") / "lib" / "libsmall.a"
    assert str(tmp_path).encode() not in archive.read_bytes()
    assert re.search(rb"extracted[/\\]small-source[/\\]small\.c\0", archive.read_bytes())

    changed = second.make(RECIPE.model_copy(update={"defines": {"CMAKE_BUILD_TYPE": "Debug"}}))
    assert changed.details["digest"] != taken.details["digest"]
    assert any(
        "defines.CMAKE_BUILD_TYPE Release -> Debug" in line for line in second.recorder.warnings
    )
