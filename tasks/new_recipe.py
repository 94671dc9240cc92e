"""new - a recipe to begin with, of what a package's source tells.

    doit new --package NAME[==VERSION] | FILE | FOLDER   -> recipes/NAME.yaml

Nothing of the package is run. The keys that its source does not ask for are there as comments.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doit import get_initial_workdir

from tasks import recipe_libraries
from tasks.compilers.zig import zig_program
from tasks.core import manifest
from tasks.core.config import PortableEnvironment
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.core.recipe import FOLDER
from tasks.sdists import back_end, source, survey
from tasks.sdists.back_end import BackEnd
from tasks.sdists.source import Source
from tasks.tool import option, tool

PACKAGE = option("package", "a name, NAME==VERSION, an sdist's file or a source's folder")

# Key -> an example, and what it is for; those that the source does not ask for.
_KEYS = {
    "patches": ("[0001-windows.patch]", "unified diffs with a/ and b/, beside this file"),
    "build_requires": ('["setuptools<81"]', "what its build imports and does not name"),
    "libraries": ("[zlib]", "native libraries, of recipes/libraries or config.yaml"),
    "system_libraries": ("[ws2_32]", "Windows' import libraries that it does not name itself"),
    "definitions": ('{NAME: "value"}', "of the preprocessor"),
    "std": ("c++17", "the language's standard"),
    "cpu": (
        "x86-64-v3",
        "processors that its sources want (2015 and later: AVX2)",
    ),
    "include": ("[third_party/include]", "folders of the source with headers"),
    "forced_includes": ("[windows.h]", "headers that every source shall begin with"),
    "environment": ("{NAME: value}", "variables that its build reads"),
    "requires": ("[]", "what it needs when it runs, and its metadata does not name"),
}


def new(project: Project, package: str) -> bool:
    """Write a recipe; says where it is."""
    if not package:
        raise BuildError("say for what: doit new --package NAME[==VERSION] | FILE | FOLDER")
    job = Job("new", project.log("new"), lambda done, total: None, lambda line: None, print)
    found = source.find(package, project, Path(get_initial_workdir() or ""), job)
    file = project.root / FOLDER / f"{source.normal(found.name)}.yaml"
    if file.exists():
        raise BuildError(
            f"{project.shown(file)} is there already; change it, or remove it to have it anew"
        )
    work = project.build / "packages" / f"{found.name}.new"
    tree = source.unpack(found, work, job)
    try:
        text = written(project, found, tree)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    manifest.write_atomically(file, text)
    asked = package if source.local_path(package, Path(get_initial_workdir() or "")) else found.name
    print(text, end="")
    print(f"{project.shown(file)} is written; say what it must do (check), and then:")
    named = "" if asked == found.name else f" --recipe {project.shown(file)}"
    print(f"doit build --package {asked}{named}")
    return True


def written(project: Project, found: Source, tree: Path) -> str:
    """A recipe's text.

    Args:
        tree: the unpacked source.
    """
    backend = back_end.read(tree)
    library = zig_program().parent / "lib"
    brought = [back_end.normal(r) for r in (*backend.requires, *backend.added)]
    python = project.source_tree(f"python-{project.target.version}") / "include"
    known = survey.headers_in([python, *(library / name for name in survey.WINDOWS)])
    elsewhere = survey.headers_in(library / name for name in survey.OTHERS)
    by_header = recipe_libraries.by_header(project)
    missing = survey.missing_headers(tree, known, brought)
    foreign = [h for h in missing if h.lower() in elsewhere and h not in by_header]
    missing = {header: file for header, file in missing.items() if header not in foreign}
    named = survey.named_libraries(tree / "setup.py")
    own = {by_header[header] for header in missing if header in by_header}
    own |= {name for name in named if name in recipe_libraries.known(project)}
    of_windows = survey.system_libraries(library)
    lines = [f"# {found.title}: {_summary(tree)}", f"# Built by {_described(backend)}."]
    if found.version:
        lines.append(f'version: "{found.version}"')
    if found.sha256:
        lines.append(f'sha256: "{found.sha256}"')
    values = {
        "build_requires": [f'"{r}"' for r in backend.added],
        "libraries": sorted(own),
    }
    for requirement, why in backend.added.items():
        lines.append(f"# {requirement}: {why}")
    for header, file in missing.items():
        lines.append(f"# {file} includes <{header}>, which is neither in the source nor in Windows")
    if foreign:
        lines.append(f"# For other systems it includes <{'>, <'.join(foreign[:5])}> and the like")
    lines += [
        f"# setup.py links {name}, which Windows has" for name in named
        if name.lower() in of_windows
    ]  # fmt: skip
    for key, (example, meaning) in _KEYS.items():
        given = values.get(key)
        words = f"{key}: [{', '.join(given)}]" if given else f"# {key}: {example}"
        lines.append(f"{words:<38} # {meaning}")
    module = survey.top_level(tree) or found.name.replace("-", "_")
    lines += [
        "check:    # what the installed package must do: Python, and what it prints",
        "  code: |",
        f"    import {module}",
        f"    print({module}.__name__)",
        f"  expected: {module}",
    ]
    return "\n".join(lines) + "\n"


def _summary(tree: Path) -> str:
    file = tree / "PKG-INFO"
    lines = (
        file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    )
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("Summary: ")), "no summary"
    )


def _described(backend: BackEnd) -> str:
    name = backend.name.removesuffix(":__legacy__")
    requires = ", ".join(backend.requires)
    return f"{name}, with {requires}" if requires else name


def create(project: Project) -> Iterator[dict[str, Any]]:
    """new."""
    made = tool(
        project, "new", "write recipes/NAME.yaml, of what a source tells: --package NAME", new,
        PACKAGE,
    )  # fmt: skip
    environment = project.profile.environment
    if isinstance(environment, PortableEnvironment):
        python = environment.pythons[project.target.version].artifact
        made["task_dep"] = [f"extract:{python}"]
    yield made
