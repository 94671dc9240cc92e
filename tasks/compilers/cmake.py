"""Builds a library from source with CMake and Ninja, and installs it into a folder."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from tasks.compilers.toolchain import Toolchain
from tasks.compilers.windows_calls import NATIVELY, Calls
from tasks.core import host, process
from tasks.core.config import CMakeValue
from tasks.core.files import remove_tree
from tasks.core.job import Job


def cache_entries(defines: Mapping[str, CMakeValue]) -> list[str]:
    """CMake's -D arguments; true and false become ON and OFF."""
    values = {
        name: ("ON" if v else "OFF") if isinstance(v, bool) else v for name, v in defines.items()
    }
    return [f"-D{name}={value}" for name, value in values.items()]


def precompiling(headers: Mapping[str, Path]) -> str:
    """CMake code that has targets compile the header that their sources share once, and not again.

    It is for CMAKE_PROJECT_TOP_LEVEL_INCLUDES, and waits for the targets. A source with flags or
    definitions of its own, as for another CPU, is left out: a precompiled header is good for
    equal flags only.
    https://cmake.org/cmake/help/latest/command/target_precompile_headers.html

    Args:
        headers: target -> its header.
    """
    calls = [
        f'cmake_language(DEFER CALL precompile {target} "{header.as_posix()}")'
        for target, header in headers.items()
    ]
    return "\n".join([_PRECOMPILE, *calls, ""])


def finding(prefixes: Sequence[Path]) -> str:
    """CMake code that has find_package and the like look into the prefixes of libraries.

    CMAKE_PREFIX_PATH alone is not enough where a toolchain file allows its own roots only.
    https://cmake.org/cmake/help/latest/variable/CMAKE_FIND_ROOT_PATH_MODE_LIBRARY.html
    """
    folders = " ".join(f'"{prefix.as_posix()}"' for prefix in prefixes)
    return (
        f"list(PREPEND CMAKE_PREFIX_PATH {folders})\nlist(APPEND CMAKE_FIND_ROOT_PATH {folders})\n"
    )


_PRECOMPILE = """\
function(precompile target header)
  target_precompile_headers(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${header}>")
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    foreach(property COMPILE_FLAGS COMPILE_OPTIONS COMPILE_DEFINITIONS)
      get_source_file_property(own "${source}" TARGET_DIRECTORY ${target} ${property})
      if(own)
        set_source_files_properties("${source}" TARGET_DIRECTORY ${target}
          PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
      endif()
    endforeach()
  endforeach()
endfunction()
"""


def without_paths(file: Path, folders: Sequence[Path]) -> None:
    """Take the names of folders out of a text file: what is built of it is the same everywhere.

    Args:
        folders: each becomes "/build" in the text.
    """
    text = file.read_text(encoding="utf-8")
    for folder in sorted(folders, key=lambda folder: -len(str(folder))):
        text = text.replace(folder.as_posix(), "/build")
    file.write_text(text, encoding="utf-8", newline="\n")


def build(
    source: Path,
    install: Path,
    tree: Path,
    toolchain: Toolchain,
    defines: Mapping[str, CMakeValue],
    job: Job,
    precompile: Mapping[str, str] = MappingProxyType({}),
    pathless: Sequence[str] = (),
    calls: Calls = NATIVELY,
    prefixes: Sequence[Path] = (),
) -> None:
    """Configure, build and install a CMake project.

    Args:
        source: the folder of its CMakeLists.txt.
        install: the folder to install into; made anew.
        tree: the build tree. One that is there is configured anew (`cmake --fresh`), and Ninja
            compiles again only what its command lines or sources say: a build that was ended
            goes on where it was.
        defines: cache entries.
        precompile: target -> the header, relative to source, that its sources begin with.
        pathless: files that configuring makes, relative to tree, out of which the paths of this
            machine are taken.
        calls: how the programs of the compiler are called.
        prefixes: of the libraries that it needs.

    Raises:
        BuildError: with the end of the log.
    """
    remove_tree(install)
    for folder in (tree, install):
        folder.mkdir(parents=True, exist_ok=True)
    cmake, ninja = host.runner_program("cmake"), host.runner_program("ninja")
    env = host.environment(toolchain.environment, toolchain.folders)
    settings = {
        "CMAKE_MAKE_PROGRAM": ninja.as_posix(),
        "CMAKE_TOOLCHAIN_FILE": Path(toolchain.cmake_toolchain_file).as_posix(),
        # The default, c:/..., is no absolute path to a CMake that runs on Linux.
        "CMAKE_INSTALL_PREFIX": install.as_posix(),
    }
    included = tree / "included.cmake"
    headers = {target: source / header for target, header in precompile.items()}
    code = finding(prefixes) if prefixes else ""
    if code := code + (precompiling(headers) if headers else ""):
        included.write_text(code, encoding="utf-8", newline="\n")
        settings["CMAKE_PROJECT_TOP_LEVEL_INCLUDES"] = included.as_posix()
    configure: list[str | Path] = [
        "-S",
        source,
        "-B",
        tree,
        "-G",
        "Ninja",
        *cache_entries({**settings, **defines}),
    ]
    run = partial(process.run, log=job.log, cwd=tree, env=env, line=job.line, end_rest=calls.end)
    calls.begin()
    run([cmake, *configure])
    programs = {Path(program).parent for program in toolchain.programs.values()}
    folders = [install, tree, source, ninja.parent, *programs]
    for name in pathless:
        without_paths(tree / name, folders)
    for step in ("--build", "--install"):
        run([cmake, step, tree])
