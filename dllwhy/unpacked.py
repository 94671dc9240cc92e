"""Files that lie in no installation: an unpacked wheel, a build's folder, a module on its own.

    import_folder(path) -> the folder of sys.path from which they could be imported
    assumed_python(modules) -> python.org's Python that would import them

What a python.org installation has beside its python.exe is known (`windows.python_org_dlls`), so
that such a file can be judged where no Python for Windows is near.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from dllwhy import pe
from dllwhy.errors import DiagnosisError
from dllwhy.flavour import Environment

_PYTHON_DLL = re.compile(r"python(3\d+t?)(?:_d)?\.dll", re.IGNORECASE)
# As in m.cp311-win_amd64.pyd, and in the line "Tag: cp38-abi3-win_amd64" of a wheel's WHEEL file.
# https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
_TAG = re.compile(r"\bcp(3\d+t?)-")


def import_folder(path: Path) -> Path | None:
    """Return the folder that would have to be in sys.path to import what `path` is, or is in.

    An unpacked wheel's, which holds a .dist-info; otherwise the one that holds the outermost
    package. None for a module on its own.
    https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    places = (path, *path.parents) if path.is_dir() else path.parents
    for folder in places:
        if any(folder.glob("*.dist-info")):
            return folder
    packages = [folder for folder in places if (folder / "__init__.py").is_file()]
    return packages[-1].parent if packages else None


def assumed_python(
    modules: Sequence[Path], *, path: tuple[Path, ...], windows: str, system32: Path | None
) -> Environment:
    """Return the Python that would import modules, as python.org's installer lays it down.

    Its version is that of the pythonXY.dll that they import, or else of their names' tag, or of
    their wheel's; a DLL that says nothing of Python gets the one that runs this.

    Args:
        modules: extension modules and DLLs; at least one.
        path, windows, system32: see `flavour.detect_environment`.
    """
    abi = next((found for module in modules for found in _versions(module)), None)
    abi = abi or f"{sys.version_info[0]}{sys.version_info[1]}"
    # Nothing may be there: what the loader finds in it is known, and not looked up.
    root = modules[0].parent / "python.exe's folder"
    return Environment(
        root=root,
        prefix=root,
        layout="assumed python.org",
        version=(3, int(abi[1:].rstrip("t"))),
        machine=next((pe.read_pe(module).machine for module in modules if _reads(module)), "x64"),
        abi=abi,
        path=path,
        windows=windows,
        system32=system32,
    )


def _reads(module: Path) -> bool:
    try:
        pe.read_pe(module)
    except DiagnosisError:
        return False
    return True


def _versions(module: Path) -> list[str]:
    imports = pe.read_pe(module).imports if _reads(module) else ()
    found = [match[1].lower() for name in imports if (match := _PYTHON_DLL.fullmatch(name))]
    found += _TAG.findall(module.name)
    folder = import_folder(module)
    for file in folder.glob("*.dist-info/WHEEL") if folder else ():
        found += _TAG.findall(file.read_text(encoding="utf-8", errors="replace"))
    return found
