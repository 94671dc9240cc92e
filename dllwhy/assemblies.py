"""Side-by-side assemblies: DLLs that a module asks for by a manifest instead of by their name.

Windows looks for an assembly in WinSxS and then beside the module whose manifest asks for it, in
a folder or a manifest of its name. Where it is nowhere, the load fails with error 14001, whatever
else there is. https://learn.microsoft.com/windows/win32/sbscs/assembly-searching-sequence
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dllwhy import pe
from dllwhy.flavour import Environment
from dllwhy.search import find

_ARCHITECTURES = {"x64": "amd64", "x86": "x86", "arm64": "arm64"}


@dataclass(frozen=True)
class Assembly:
    """An assembly that a manifest depends on.

    Attributes:
        files: the DLLs that it brings, by their names in lower case; None if it is nowhere.
    """

    name: str
    version: str
    files: Mapping[str, Path] | None

    @property
    def title(self) -> str:
        """Its name and version, for people."""
        return f"{self.name} {self.version}".strip()


def assemblies(module: Path, environment: Environment) -> tuple[Assembly, ...]:
    """Return the assemblies that the manifest inside a module depends on, as they are found."""
    if not module.is_file():
        return ()
    text = pe.manifest(module)
    return tuple(_found(n, v, module, environment) for n, v in _dependencies(text)) if text else ()


@cache
def _dependencies(manifest: str) -> tuple[tuple[str, str], ...]:
    result = []
    for block in re.findall(r"<dependentAssembly\b.*?</dependentAssembly>", manifest, re.DOTALL):
        identity = re.search(r"<assemblyIdentity\b[^>]*>", block)
        attributes = (
            dict(re.findall(r"""(\w+)\s*=\s*["']([^"']*)["']""", identity[0])) if identity else {}
        )
        if name := attributes.get("name"):
            result.append((name, attributes.get("version", "")))
    return tuple(result)


def _found(name: str, version: str, module: Path, environment: Environment) -> Assembly:
    if name.lower().startswith("microsoft.windows."):  # of Windows itself: Common-Controls, GdiPlus
        return Assembly(name, version, {})
    for manifest, folder in (*_shared(name, version, environment), *_private(name, module.parent)):
        text = manifest.read_text(encoding="utf-8", errors="replace")
        named = re.findall(r"""<file\b[^>]*\bname\s*=\s*["']([^"']+)["']""", text)
        files = {file.lower(): path for file in named if (path := find(folder, file))}
        return Assembly(name, version, files)
    return Assembly(name, version, None)


def _private(name: str, folder: Path) -> list[tuple[Path, Path]]:
    """The manifest of an assembly beside a module, and the folder of its files."""
    own = find(folder, name)
    places = [folder, *([own] if own and own.is_dir() else [])]
    found = [(find(place, f"{name}.manifest"), place) for place in places]
    return [(manifest, place) for manifest, place in found if manifest and manifest.is_file()]


def _shared(name: str, version: str, environment: Environment) -> list[tuple[Path, Path]]:
    """The same in the WinSxS of a real Windows; a clean one has Windows' own assemblies only.

    Of the versions with the same first two numbers the newest counts, as publishers' policies
    have it. https://learn.microsoft.com/windows/win32/sbscs/publisher-configuration
    """
    if environment.system32 is None:
        return []
    store = environment.system32.parent / "WinSxS"
    line = ".".join(version.split(".")[:2])
    prefix = f"{_ARCHITECTURES.get(environment.machine, '')}_{name.lower()}_"
    pattern = re.compile(rf"{re.escape(prefix)}[0-9a-f]+_{re.escape(line)}[\d.]*_.*\.manifest")
    manifests = (store / "Manifests").glob(f"{prefix}*.manifest")
    found = sorted(path for path in manifests if pattern.fullmatch(path.name.lower()))
    return [(path, store / path.stem) for path in reversed(found)]
