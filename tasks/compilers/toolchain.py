"""A compiler as data: toolchain.json, which later stages read instead of looking for one."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dllwhy import pe
from tasks.core import host, manifest, process
from tasks.core.errors import BuildError
from tasks.core.job import Job

FILE = "toolchain.json"
# Seconds. zig builds its runtimes in this time, which takes minutes on a busy machine.
TIMEOUT = 1800


@dataclass(frozen=True)
class Toolchain:
    """A compiler ready for use.

    Args:
        kind: the implementation: "zig" or "msvc".
        version: the compiler's version; for msvc the toolset's.
        target: what it compiles for, in the compiler's own words.
        programs: name -> absolute path: cc, cxx, ar, ranlib, rc for zig; cl, link, lib, rc, mt
            for msvc, which are scripts where they are called through Wine.
        flags: what its compilers are given in every call; of flags that contradict each other, the
            last counts.
        cmake_toolchain_file: for CMAKE_TOOLCHAIN_FILE; "" if CMake needs none.
        compiler_class: setuptools' name of the class that calls it in a build on this machine:
            "msvc", "unix", or "mingw32" for compilers that are called as gcc is, on Windows
            (setuptools' source, _distutils/compilers/C/base.py, compiler_class).
        environment: variables that its programs need, PATH left out.
        path: folders that its programs need in front of PATH, as Windows sees them.
        parts: what belongs to it beside the compiler -> its version.
    """

    kind: str
    version: str
    target: str
    programs: Mapping[str, str]
    cmake_toolchain_file: str
    compiler_class: str
    environment: Mapping[str, str] = field(default_factory=dict)
    path: Sequence[str] = ()
    flags: Sequence[str] = ()
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def folders(self) -> list[str]:
        """The folders of its programs, for the PATH of programs of this system."""
        return list(dict.fromkeys(str(Path(program).parent) for program in self.programs.values()))


def try_out(
    toolchain: Toolchain,
    command: Sequence[str],
    remedy: str,
    folder: Path,
    job: Job,
    end_rest: Callable[[], object] = lambda: None,
) -> None:
    """Compile and link a DLL; a compiler that cannot is found out here, not in OpenCV.

    Args:
        command: makes try.dll of try.c.
        remedy: what to do if that is no DLL for 64-bit Windows.
        end_rest: as for tasks.core.process.run.
    """
    folder.mkdir()
    (folder / "try.c").write_text(
        "__declspec(dllexport) int answer(void) { return 42; }\n", encoding="utf-8"
    )
    process.run(
        command, log=job.log, cwd=folder, line=job.line, timeout=TIMEOUT, end_rest=end_rest,
        env=host.environment(toolchain.environment, toolchain.folders),
    )  # fmt: skip
    made = folder / "try.dll"
    if pe.read_pe(made).machine != "x64" or "answer" not in pe.exports(made):
        raise BuildError(
            f"{toolchain.kind} {toolchain.version} made a DLL that is not one for 64-bit Windows; "
            f"{remedy}"
        )
    # The compiler leaves vctip.exe behind, which stays in this folder for a while.
    shutil.rmtree(folder, ignore_errors=True)


def write(toolchain: Toolchain, folder: Path) -> None:
    """Write a toolchain down as FOLDER/toolchain.json."""
    manifest.write_json(folder / FILE, asdict(toolchain))


def load(path: Path) -> Toolchain:
    """The toolchain in a toolchain.json.

    Raises:
        BuildError: the file is missing or unreadable.
    """
    try:
        return Toolchain(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BuildError(f'{path} cannot be used ({error}); run "doit toolchain" again') from error
