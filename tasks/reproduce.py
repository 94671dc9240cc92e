"""reproduce - the wheels once more, in another folder, and compared byte by byte.

    doit reproduce                      a copy of this clone's files, doit dist in it, and compared
    doit reproduce --from-nothing      the libraries are compiled there, too
    doit reproduce --against DIR       with wheels that somebody else has made

Where bytes differ it says which one, of which member; the exit status is 1 then.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from doit import get_initial_workdir

from tasks import dist
from tasks.bundle import copy_clone
from tasks.core import host, manifest, process
from tasks.core.display import screen
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, remove_tree
from tasks.core.project import Project
from tasks.tool import option, tool
from tasks.wheels.compare import differences

# Seconds, for everything from the downloads to the wheels; compiling OpenCV is most of it.
TIMEOUT = 7200


def build_again(project: Project, folder: Path, from_nothing: bool) -> Path:
    """Make the wheels in a copy of this clone's files; returns the folder of the wheels.

    Raises:
        BuildError: the build failed there.
    """

    remove_tree(folder)
    copy_clone(project.root, folder)
    cache = project.cache
    if from_nothing:
        cache = folder / "build" / "cache"
        copy_tree(project.downloads, cache / project.downloads.name)
    tasks = [f"dist:{name}" for name in dist.given_away(project)]
    settings = [f"profile={project.profile_name}", f"python={project.target.version}",
                f"cache={cache}", f"offline={int(project.offline)}"]  # fmt: skip
    log = project.log("reproduce")
    log.unlink(missing_ok=True)
    process.run(
        [sys.executable, "-m", "doit", *settings, *tasks],
        log=log, cwd=folder, env=host.environment({"CI": "1", "NO_COLOR": "1"}), timeout=TIMEOUT,
        line=screen.print,
    )  # fmt: skip
    return folder / dist.dist_folder(project).relative_to(project.root)


def compared(wheels: Sequence[Path], others: Path) -> bool:
    """Print how wheels compare with those of the same name below a folder; whether all agree.

    Raises:
        BuildError: there is no wheel of that name.
    """
    same = True
    for wheel in wheels:
        found = sorted(others.rglob(wheel.name))
        if not found:
            raise BuildError(f"there is no {wheel.name} in {others}; was it made for this Python?")
        for other in found:
            different = differences(wheel, other)
            size = f"{wheel.stat().st_size:,} bytes, sha256 {manifest.sha256_of(wheel)}"
            verdict = "differs:" if different else f"the same {size}"
            screen.print(f"{wheel.name}: {verdict}")
            for line in different:
                screen.print(f"    {line}")
            same = same and not different
    return same


def check(project: Project, against: str, from_nothing: bool) -> bool:
    """Compare the wheels with a second build, or with others; returns whether they are the same."""
    wheels = dist.built_wheels(project)
    if against:
        others = Path(get_initial_workdir() or "", against).absolute()
        if not others.is_dir():
            raise BuildError(f"--against {against}: there is no such folder")
        return compared(wheels, others)
    folder = project.root / "build" / "again"
    screen.print(f"building them again in {project.shown(folder)}")
    same = compared(wheels, build_again(project, folder, from_nothing))
    if same:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        screen.print(f"the second build is in {project.shown(folder)}")
    return same


def create(project: Project) -> Iterator[dict[str, Any]]:
    """reproduce."""
    yield tool(
        project,
        "reproduce",
        "make the wheels again elsewhere: is every byte the same? (not in the default run)",
        check,
        option("against", "a folder with the same wheels, made by somebody else"),
        option(
            "from_nothing",
            "compile the libraries there as well, with nothing from the store",
            kind=bool,
            long="from-nothing",
        ),
    )
