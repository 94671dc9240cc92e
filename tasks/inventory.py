"""inventory - everything that went into the wheels, and what came out, each by its hash.

    doit inventory                  writes build/.../inventory.json, to keep beside a release
    doit inventory --check FILE     is what is here now the same? says what differs

Archives, locked packages, the project's own files (its patches among them), the compiler and the
tools that ran, the libraries by the digest of what made them; wheels, and the DLLs in them.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata as installed
from pathlib import Path
from typing import Any

from doit import get_initial_workdir

from tasks import dist
from tasks.bundle import NOT_OF_THE_PROJECT
from tasks.compilers import toolchain
from tasks.core import manifest, user_file
from tasks.core.config import PortableEnvironment
from tasks.core.display import screen
from tasks.core.errors import BuildError
from tasks.core.project import Project
from tasks.core.store import digest
from tasks.fetch import artifacts_of
from tasks.tool import option, tool
from tasks.wheels import contents

Inventory = dict[str, dict[str, str]]


def file_of(project: Project) -> Path:
    """Where the inventory is written."""
    return project.build / "inventory.json"


def _archives(project: Project) -> dict[str, str]:
    found = {}
    for name in artifacts_of(project):
        made = manifest.read(project.manifest(f"fetch:{name}"))
        if made is None:
            raise BuildError(f'{name} has not been fetched; run "doit dist" first')
        [(path, entry)] = made.files.items()
        found[name] = f"{path.rpartition('/')[2]} sha256 {entry.sha256}"
    return found


def locked(requirements: Path) -> dict[str, str]:
    """The packages of a locked requirements file: name -> version, and a digest of its hashes."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==(\S+)", line):
            name = match[1]
            found.setdefault(name, []).append(match[2])
        elif match := re.search(r"--hash=(\S+)", line):
            found[name].append(match[1])
    return {
        name: f"{version} hashes {digest({'hashes': hashes})}"
        for name, (version, *hashes) in found.items()
    }


def _project_files(root: Path) -> dict[str, str]:
    """The project's own files that are part of a build: one digest for each folder or file."""
    found = {}
    for path in sorted(root.iterdir()):
        if path.name in NOT_OF_THE_PROJECT or path.name in ("tests", "docs", ".github"):
            continue
        files = manifest.files_below(path) if path.is_dir() else [path]
        listed = {f.relative_to(root).as_posix(): manifest.sha256_of(f) for f in files}
        found[path.name] = digest(listed)
    return found


def _tools(project: Project) -> dict[str, str]:
    compiler = toolchain.load(project.toolchain_file)
    packages = locked(project.root / "envs" / "runner.txt")
    found = {name: installed.version(name) for name in packages if _is_installed(name)}
    return {
        **found,
        f"compiler {compiler.kind}": f"{compiler.version} for {compiler.target}",
        "system": sys.platform,
    }


def _is_installed(name: str) -> bool:
    try:
        installed.version(name)
    except installed.PackageNotFoundError:
        return False
    return True


def _libraries(project: Project) -> dict[str, str]:
    found = {}
    for name in project.profile.libraries:
        made = manifest.read(project.manifest(f"libs:{name}"))
        if made is None:
            raise BuildError(f'{name} has not been made; run "doit dist" first')
        files = {path: entry.sha256 for path, entry in made.files.items()}
        found[name] = f"files {digest(files)}"
        if "digest" in made.details:
            found[name] += f", made of {made.details['digest']}"
    return found


def _outputs(project: Project) -> dict[str, str]:
    found = {}
    for wheel in dist.built_wheels(project):
        found[wheel.name] = f"sha256 {manifest.sha256_of(wheel)}"
        for name, content in contents.read(wheel).items():
            if name.endswith((".dll", ".pyd")):
                found[name] = f"sha256 {hashlib.sha256(content).hexdigest()}"
    return found


def take(project: Project) -> Inventory:
    """The inventory of what is here now.

    Raises:
        BuildError: the wheels have not been made yet.
    """
    outputs = _outputs(project)
    environment = project.profile.environment
    packages = {}
    if isinstance(environment, PortableEnvironment):
        packages = locked(project.root / environment.pythons[project.target.version].requirements)
    return {
        "of": {"profile": project.profile_name, "python": project.target.version},
        "archives": _archives(project),
        "packages": packages,
        "project": _project_files(project.root),
        "tools": _tools(project),
        "libraries": _libraries(project),
        "outputs": outputs,
    }


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What differs between two inventories, a line each: "kind name: first -> second"."""
    lines = []
    for kind in dict.fromkeys([*first, *second]):
        one, other = first.get(kind, {}), second.get(kind, {})
        for name in dict.fromkeys([*one, *other]):
            if one.get(name) != other.get(name):
                lines.append(
                    f"{kind}, {name}: {one.get(name, 'none')} -> {other.get(name, 'none')}"
                )
    return lines


def read(path: Path) -> Inventory:
    """An inventory that was written.

    Raises:
        BuildError: it is none.
    """
    try:
        data = json.loads(user_file.read_text(path))
        if not isinstance(data, dict) or not all(isinstance(v, dict) for v in data.values()):
            raise ValueError("it is no list of what went in and came out")
    except (user_file.UnreadableError, ValueError, RecursionError) as error:
        raise BuildError(f"{path} is no inventory ({error}); doit inventory writes one") from error
    return data


def inventory(project: Project, check: str) -> bool:
    """Write the inventory, or compare it with one that was written; whether they are the same."""
    now = take(project)
    if not check:
        manifest.write_json(file_of(project), now)
        went_in = sum(len(part) for kind, part in now.items() if kind not in ("of", "outputs"))
        shown = project.shown(file_of(project))
        screen.print(f"{went_in} things went in, {len(now['outputs'])} came out: {shown}")
        return True
    before = read(Path(get_initial_workdir() or "", check).absolute())
    lines = differences(before, now)
    for line in lines:
        screen.print(line)
    number = sum(len(part) for part in now.values())
    screen.print(f"{len(lines)} of {number} differ" if lines else f"all {number} are the same")
    return not lines


def create(project: Project) -> Iterator[dict[str, Any]]:
    """inventory."""
    yield tool(
        project,
        "inventory",
        "what went into the wheels and what came out, by hash; --check FILE compares",
        inventory,
        option("check", "an inventory that was written before, here or elsewhere"),
    )
