"""Installs packages with real binaries into a Windows Python's site-packages."""

from pathlib import Path

from pe_files import make_dll

from dllwhy import packages
from dllwhy.flavour import Environment, detect_environment

DELVEWHEEL = """
def _delvewheel_patch():
    import os
    libs_dir = os.path.join(os.path.dirname(__file__), os.pardir, 'numeric.libs')
    if os.path.isdir(libs_dir):
        os.add_dll_directory(libs_dir)
_delvewheel_patch()
del _delvewheel_patch
"""


def install(
    environment: Environment, name: str, files: dict[str, str], requires: tuple[str, ...] = ()
) -> Path:
    """Put files and a distribution's records into site-packages; binaries are real ones."""
    site_packages = environment.site_packages
    info = site_packages / f"{name}-1.0.dist-info"
    info.mkdir()
    for file, text in files.items():
        path = site_packages / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in packages.BINARIES:
            make_dll(path, text.split())
        else:
            path.write_text(text, encoding="utf-8")
    lines = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    records = [*files, f"{info.name}/METADATA", "../../Scripts/tool.exe", "bin/tool"]
    (info / "RECORD").write_text("".join(f"{r},,\n" for r in records), encoding="utf-8")
    return site_packages


def make_venv(folder: Path, base: Environment, *, sees_base: bool) -> Environment:
    (folder / "Lib" / "site-packages").mkdir(parents=True)
    lines = (f"home = {base.root}", f"include-system-site-packages = {str(sees_base).lower()}")
    (folder / "pyvenv.cfg").write_text("\n".join(lines), encoding="utf-8")
    return detect_environment(folder)
