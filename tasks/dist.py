"""dist:PACKAGE, dist:index - wheels to give away: pip install, and nothing else.

    build/.../wheels/ffcv/*.whl + staged DLLs
      --delvewheel--> DLLs inside, under names that no other package's DLL has
      -> version, requirements, licences and patches told in its METADATA
      -> what is in it, as CycloneDX, in .dist-info/sboms
      -> build/.../dist/ffcv/ffcv-1.0.2+windows.1.zig-cp311-cp311-win_amd64.whl

    build/.../dist/*/*.whl -> dist/: a package index of static files (PEP 503)

A wheel holds nothing of where and when it was made: `doit reproduce` makes it again elsewhere, and
compares.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import partial
from importlib import metadata as installed
from pathlib import Path
from typing import Any

from tasks.compilers import toolchain
from tasks.core import manifest
from tasks.core.config import (
    FIRST_USE,
    About,
    AboutPackage,
    Build,
    CondaRecipe,
    Package,
    Source,
)
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree, rename, temporary_for
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.install import wheel_file
from tasks.stage import stage
from tasks.wheels import contents, index, metadata, repair, sbom
from tasks.wheels.contents import Members
from tasks.wheels.sbom import Origin, Part, Patch

# delvewheel's name for a DLL that it took in: its own name, and a digest of 32 digits.
_MANGLED = re.compile(r"(.+?)(?:-[0-9a-f]{32})?\.dll", re.IGNORECASE)


def dist_folder(project: Project, package: str = "") -> Path:
    """Where a package's wheel to give away is, or those of all."""
    return project.build / "dist" / package


def _origins(sources: tuple[Source, ...]) -> list[Origin]:
    """The archives of an artifact."""
    found = []
    for source in sources:
        url = source.place
        if source.pypi is not None:
            name, _, version = source.pypi.partition("==")
            url = f"pkg:pypi/{name}@{version}"
        found.append(Origin(url, None if source.sha256 == FIRST_USE else source.sha256))
    return found


def parts_in(project: Project, build: Build, members: Mapping[str, bytes]) -> list[Part]:
    """What of others is in a repaired wheel: libraries that were linked, those of its DLLs, and
    what the compiler brought.

    Raises:
        BuildError: a DLL belongs to no library of the profile, so that its licence is not known.
    """
    runtimes = project.profile.toolchain.runtime
    files: dict[str, dict[str, str]] = {name: {} for name in build.libraries}
    brought: dict[str, dict[str, str]] = {}
    owners = {
        dll.name.lower(): library
        for library in project.profile.libraries
        for dll in (project.prefix(library) / "bin").glob("*")
    }
    for member, content in members.items():
        match = _MANGLED.fullmatch(member.rpartition("/")[2])
        if match is None:
            continue
        name = f"{match[1]}.dll".lower()
        digest = hashlib.sha256(content).hexdigest()
        owner = owners.get(name)
        runtime = next((r for r in runtimes if any(fnmatch(name, p) for p in r.dlls)), None)
        if owner is None and runtime is not None:
            brought.setdefault(runtime.name, {})[member] = digest
            continue
        if owner is None:
            raise BuildError(
                f"{member} would be in the wheel, and is of none of the libraries of the profile "
                f"{project.profile_name}: its licence is not known. Add it to libraries in "
                "config.yaml, with its licence"
            )
        files.setdefault(owner, {})[member] = digest
    parts = [_library_part(project, name, found) for name, found in files.items()]
    used = [runtime for runtime in runtimes if runtime.name in brought or not runtime.dlls]
    return parts + [Part(r, r.version, [], brought.get(r.name, {})) for r in used]


def _library_part(project: Project, name: str, files: Mapping[str, str]) -> Part:
    about, recipe = project.config.libraries[name].about, project.recipe(name)
    if about is None:
        raise BuildError(
            f"{name} would be in the wheel, and its licence is not known; say it in config.yaml, "
            f"libraries.{name}.about"
        )
    origins: list[Origin] = []
    if not isinstance(recipe, CondaRecipe):
        origins = _origins(project.config.artifacts[recipe.artifact].sources)
    return Part(about, about.version, origins, files)


def read_patch(path: Path) -> Patch:
    """A patch of ours; its head says what it does, and then why."""
    text = path.read_text(encoding="utf-8")
    title, reason = (" ".join(paragraph.split()) for paragraph in text.split("\n\n")[:2])
    reason = reason.removeprefix("What breaks: ")
    return Patch(path.stem, title, reason[:1].upper() + reason[1:], text)


def patches_of(project: Project, package: Package) -> list[Patch]:
    """The patches that a package is built with."""
    chosen = package.build.patches if package.build else {}
    return [read_patch(project.root / name) for name, on in chosen.items() if on]


def note_for(about: About, patches: list[Patch], parts: list[Part], made_with: str) -> str:
    """What a person is told first in the wheel's description (Markdown)."""
    lines = [
        f"This is {about.name} {about.version} for 64-bit Windows, made {made_with}by a project "
        "of others than its authors: FFCV on Windows.",
    ]
    if parts:
        names = ", ".join(f"{p.about.name} {p.version or ''}".strip() for p in parts)
        lines.append(f"It holds {names}; `sboms/` in its .dist-info lists them with their hashes.")
    if patches:
        lines.append("Changes to the source, and what breaks without them:")
        lines.append("\n".join(f"- `{p.name}`: {p.title}. {p.reason}" for p in patches))
    return "\n\n".join([*lines, "---"])


def finished(
    project: Project, name: str, about: AboutPackage, members: Members
) -> tuple[str, Members]:
    """The members of the wheel to give away, from those of the repaired one; and its version."""
    package = project.config.packages[name]
    build = package.compiled
    parts = parts_in(project, build, members) if build else []
    patches = patches_of(project, package)
    used = tools(project) if build else {}
    compiler = project.profile.toolchain.kind if build else None
    version = metadata.local_version(str(about.version), project.config.dist.release, compiler)
    expression = metadata.joined_license([a.license for a in (about, *(p.about for p in parts))])
    old = contents.dist_info(members)
    new = f"{old.partition('-')[0]}-{version}.dist-info"
    dropped = re.compile(rf"{re.escape(old)}/(RECORD|LICENSE[^/]*|licenses/.*)")
    made = {n.replace(old, new, 1): c for n, c in members.items() if not dropped.fullmatch(n)}
    texts = sorted({f for a in (about, *(p.about for p in parts)) for f in a.license_files})
    for text in texts:
        made[f"{new}/{text}"] = (project.root / text).read_bytes()
    compiled = f"with {compiler} {used[compiler]} " if compiler else ""
    made[f"{new}/METADATA"] = metadata.rewritten(
        members[f"{old}/METADATA"],
        version=version,
        requires=about.requires,
        extras=about.extras,
        license_expression=expression,
        license_files=[text.removeprefix("licenses/") for text in texts],
        note=note_for(about, patches, parts, compiled),
    )
    listed = sbom.document(
        name,
        version,
        about,
        _origins(project.config.artifacts[package.artifact].sources),
        license_expression=expression,
        parts=parts,
        patches=patches,
        tools=used,
    )
    made[f"{new}/sboms/{name}.cdx.json"] = sbom.as_bytes(listed)
    return version, made


def tools(project: Project) -> dict[str, str]:
    """What compiles, links and packs: name -> version."""
    compiler = toolchain.load(project.toolchain_file)
    python = ("cmake", "ninja", "setuptools", "delvewheel")
    return {
        compiler.kind: compiler.version,
        **{name: installed.version(name) for name in python},
    }


def make(project: Project, name: str, about: AboutPackage, job: Job) -> Made:
    """Make the wheel of a package that is given away."""
    folder = dist_folder(project, name)
    remove_tree(folder)
    folder.mkdir(parents=True)
    wheel = wheel_file(project, name)
    work = folder / "repaired"
    if project.config.packages[name].compiled:
        bins = [project.prefix(library) / "bin" for library in project.profile.libraries]
        wheel = repair.repaired(wheel, [*bins, project.environment], work, job)
    version, members = finished(project, name, about, contents.read(wheel))
    remove_tree(work)
    distribution, _, rest = wheel.name.split("-", 2)
    final = folder / f"{distribution}-{version}-{rest}"
    contents.write(final, members)
    dlls = [n for n in members if n.lower().endswith(".dll")]
    inside = f", {len(dlls)} DLLs inside" if dlls else ""
    return Made(
        f"{final.name}, {final.stat().st_size / 1e6:.1f} MB{inside}",
        where=final,
        root=folder,
        files=manifest.record(folder, [final]),
        details={"version": version},
    )


def publish(project: Project, job: Job) -> Made:
    """Put the wheels into the index, beside those for other Pythons and older ones."""
    folder = project.root / "dist"
    wheels = []
    for name in given_away(project):
        [wheel] = dist_folder(project, name).glob("*.whl")
        target = folder / index.normalized(name) / wheel.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wheel, temporary_for(target))
        wheels.append(rename(temporary_for(target), target))
    pages = index.write_pages(folder)
    listed = len(list(folder.glob("*/*.whl")))
    return Made(
        f"{listed} wheels; pip install --find-links {project.shown(folder)}/ffcv ffcv",
        where=folder / "index.html",
        root=folder,
        files=manifest.record(folder, [*wheels, *pages]),
    )


def given_away(project: Project) -> dict[str, AboutPackage]:
    """The packages of the profile whose wheels are given away, with what they say of themselves."""
    abouts = {name: project.config.packages[name].about for name in project.profile.packages}
    return {name: about for name, about in abouts.items() if about is not None}


def built_wheels(project: Project) -> list[Path]:
    """The wheels that dist has made here.

    Raises:
        BuildError: one is missing.
    """
    wheels = []
    for name in given_away(project):
        made = manifest.read(project.manifest(f"dist:{name}"))
        if made is None or made.where is None or not made.where.is_file():
            raise BuildError(f'there is no wheel of {name} to give away; run "doit dist" first')
        wheels.append(made.where)
    return wheels


def create(project: Project) -> Iterator[dict[str, Any]]:
    """dist:PACKAGE for every package of the profile that is given away, and dist:index."""
    yield {"basename": "dist", "name": None, "doc": "wheels to give away: pip install is enough"}
    for name, about in given_away(project).items():
        package = project.config.packages[name]
        abouts: dict[str, About | None] = {}
        needs = [f"wheel:{name}" if package.build else f"fetch:{package.artifact}"]
        patches = (
            [patch for patch, on in package.build.patches.items() if on] if package.build else []
        )
        if package.compiled:
            libraries = project.profile.libraries
            if any(runtime.dlls for runtime in project.profile.toolchain.runtime):
                needs.append("env:packages")  # which brings them
            needs += ["toolchain", "env:python", *(f"libs:{library}" for library in libraries)]
            abouts = {library: project.config.libraries[library].about for library in libraries}
            abouts |= {about.name: about for about in project.profile.toolchain.runtime}
        texts = {f for a in (about, *abouts.values()) if a for f in a.license_files}
        yield stage(
            project,
            f"dist:{name}",
            f"make the wheel of {name} that is given away",
            partial(make, project, name, about),
            settings={
                "package": package,
                "release": project.config.dist.release,
                "parts": abouts,
            },
            needs=needs,
            files=[project.root / name for name in sorted([*texts, *patches])],
            owns=[dist_folder(project, name)],
        )
    if project.profile_name == project.config.dist.profile:
        yield stage(
            project,
            "dist:index",
            "put them into dist/, a package index of static files",
            partial(publish, project),
            settings={},
            needs=[f"dist:{name}" for name in given_away(project)],
            targets=[project.root / "dist" / "index.html"],
            owns=[project.root / "dist" / "index.html"],
            home=project.root / "dist",
        )
