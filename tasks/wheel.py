"""wheel:PACKAGE - the package's own build back end, run in a composed build environment.

patched tree + toolchain + prefixes + Windows Python
  -> build environment (saved beside the log)
  -> python -m build --no-isolation -> build/.../wheels/PACKAGE/NAME-cp311-cp311-win_amd64.whl

With MSVC the front end runs in the Windows Python itself. With zig it runs in the Python that
runs doit, on any system, and the wheel is tagged anew.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from dllwhy import pe
from tasks import source
from tasks.compilers import build_environment, toolchain
from tasks.compilers.build_environment import BuildEnvironment, LinkedLibrary
from tasks.compilers.toolchain import Toolchain
from tasks.core import host, manifest, process
from tasks.core.config import Build, PortableEnvironment
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, remove_tree, rename
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import front_end, windows_python
from tasks.stage import stage

# Seconds. FFCV's own discovery of libraries can loop for ever where it finds none.
TIMEOUT = 1800


def wheel_folder(project: Project, package: str) -> Path:
    """Where a package's wheel is."""
    return project.build / "wheels" / package


def extension_file(extension: str, project: Project) -> Path:
    """The file of an extension module, by its dotted name, inside a wheel or site-packages."""
    return Path(*extension.split(".")).with_suffix(project.target.extension_suffix)


def environment(
    project: Project, libraries: Iterable[str], definitions: Mapping[str, str], folder: Path
) -> BuildEnvironment:
    """The build environment of this project.

    Args:
        libraries: names of the staged libraries to link.
        definitions: preprocessor definitions, name -> value.
        folder: for the files that belong to it; what is in it is replaced.
    """
    linked = [
        LinkedLibrary(
            project.prefix(name),
            project.recipe(name).link,
            project.config.libraries[name].pkg_config,
        )
        for name in libraries
    ]
    compiler = toolchain.load(project.toolchain_file)
    files = build_environment.files_of(compiler, project.environment, linked)
    remove_tree(folder)
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return build_environment.compose(
        compiler,
        project.target,
        project.environment,
        linked,
        definitions,
        folder,
        windows_python.HERE.path,
    )


def building_python(project: Project, compiler: Toolchain) -> Path:
    """The Python in which the front end runs.

    Raises:
        BuildError: setuptools would link the python3XX.dll of another Python than the one that
            the build is for.
    """
    if compiler.compiler_class == "msvc":
        return project.environment / "python.exe"
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if compiler.compiler_class == "mingw32" and running != project.target.version:
        raise BuildError(
            f"on Windows, {compiler.kind} builds for the Python version that runs doit, which is "
            f"{running}; run doit python={running}, or use the profile msvc"
        )
    return Path(sys.executable)


def pack_wheel(project: Project, name: str, patches: int, job: Job) -> Made:
    """Pack the patched tree of a wheel again, with a new RECORD.

    Args:
        patches: how many were applied.
    """
    folder = wheel_folder(project, name)
    remove_tree(folder)
    folder.mkdir(parents=True)
    process.run(
        [sys.executable, "-m", "wheel", "pack", source.source_folder(project, name),
         "--dest-dir", folder],
        log=job.log, cwd=folder, line=job.line, timeout=TIMEOUT,
        env=host.environment(host.SOURCE_DATE),
    )  # fmt: skip
    [made] = folder.glob("*.whl")
    return Made(
        f"{made.name}; {patches} patches",
        where=made,
        root=folder,
        files=manifest.record(folder, [made]),
        details={"wheel": made.name},
    )


def build_wheel(project: Project, name: str, build: Build, extension: str, job: Job) -> Made:
    """Build a package's wheel for the target Python.

    Raises:
        BuildError: the build failed, or what it made is no extension module for 64-bit Windows.
    """
    folder = wheel_folder(project, name)
    remove_tree(folder)
    tree, output, files = folder / "tree", folder / "out", folder / "environment"
    compiler = toolchain.load(project.toolchain_file)
    python = building_python(project, compiler)
    copy_tree(source.source_folder(project, name), tree)
    made = environment(project, build.libraries, build.definitions, files)
    saved = job.log.with_suffix(".environment.json")
    manifest.write_json(saved, asdict(made))
    # README files are UTF-8, whatever the code page of the machine is.
    variables = {**made.variables, "PYTHONUTF8": "1"}
    words: list[str | Path] = ["-m", "build", "--wheel", "--no-isolation", "--outdir", output, tree]
    run = partial(process.run, log=job.log, cwd=folder, line=job.line)
    if compiler.compiler_class == "msvc":
        here = windows_python.HERE
        if isinstance(project.profile.environment, PortableEnvironment):
            # A conda environment has them; here they are the runner's, with the same hashes.
            variables["PYTHONPATH"] = here.path(front_end.lay_down(files / "front-end"))
        env = here.build_environment(project, variables, made.path)
        here.begin(project)
        seen = [here.path(word) if isinstance(word, Path) else word for word in words]
        end = partial(here.stop, env)
        run([*here.command(), python, *seen], env=env, timeout=TIMEOUT, end_rest=end)
    else:
        env = host.environment(variables, made.path)
        run([python, *words], env=env, timeout=TIMEOUT)
    [built] = output.glob("*.whl")
    if compiler.compiler_class != "msvc":
        # The front end tags for the Python that it runs in.
        tag = project.target.tag
        run([python, "-m", "wheel", "tags", "--remove", "--python-tag", tag, "--abi-tag", tag,
             "--platform-tag", project.target.platform_tag, built], env=env)  # fmt: skip
        [built] = output.glob("*.whl")
    final = folder / built.name
    rename(built, final)
    module = _unpack_extension(final, extension_file(extension, project), folder)
    for leftover in (tree, output, files):
        shutil.rmtree(leftover, ignore_errors=True)
    imports = ", ".join(
        n for n in pe.read_pe(module).imports if not n.lower().startswith("api-ms-")
    )
    return Made(
        f"{final.name}; imports {imports}",
        where=final,
        root=folder,
        files=manifest.record(folder, [final, module]),
        details={"wheel": final.name, "environment": project.shown(saved)},
    )


def _unpack_extension(wheel: Path, extension: Path, folder: Path) -> Path:
    """Lay the extension module beside its wheel, and see that it is one for Windows."""
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        if extension.as_posix() not in archive.namelist():
            raise BuildError(
                f"{wheel.name} holds no {extension.as_posix()}; the build made something else than "
                "config.yaml, packages.NAME.build.extension says"
            )
        target = folder / extension.name
        target.write_bytes(archive.read(extension.as_posix()))
    machine = pe.read_pe(target).machine
    init = f"PyInit_{extension.name.split('.')[0]}"
    exported = pe.exports(target)
    if machine != "x64" or init not in exported:
        names = ", ".join(sorted(exported))
        raise BuildError(
            f"{extension.name} is for {machine} and exports {names}; an extension module for "
            f"64-bit Windows exports {init}. See the build's log"
        )
    return target


def create(project: Project) -> Iterator[dict[str, Any]]:
    """wheel:PACKAGE for every package that is built here."""
    yield {"basename": "wheel", "name": None, "doc": "let the package build itself into a wheel"}
    for name in project.profile.packages:
        build = project.config.packages[name].build
        if build is None:
            continue
        if build.extension is None:
            yield stage(
                project,
                f"wheel:{name}",
                f"pack the wheel of {name} with our patches",
                partial(pack_wheel, project, name, sum(build.patches.values())),
                settings={},
                needs=[f"source:{name}"],
                owns=[wheel_folder(project, name)],
            )
            continue
        yield stage(
            project,
            f"wheel:{name}",
            f"build the wheel of {name}",
            partial(build_wheel, project, name, build, build.extension),
            recipe=3,
            settings={
                "libraries": {n: project.recipe(n).link for n in build.libraries},
                "definitions": build.definitions,
                "extension": build.extension,
            },
            needs=[
                f"source:{name}",
                "toolchain",
                "env:python",
                *(f"libs:{library}" for library in build.libraries),
            ],
            targets=[wheel_folder(project, name) / w for w in [project.wheel_name(name)] if w],
            owns=[
                wheel_folder(project, name),
                project.log(f"wheel:{name}").with_suffix(".environment.json"),
            ],
        )
