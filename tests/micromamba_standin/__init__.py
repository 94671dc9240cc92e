"""Stand-ins for programs that a machine without Windows or without the internet lacks.

The *.c files beside this one say what each does. zig compiles them, for Windows or for this
machine.
"""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pe_files import zig

SOURCES = Path(__file__).parent
LIBRARIES = {"micromamba": "-lshell32", "curl": "-lws2_32", "certutil": "-lbcrypt"}


def build(folder: Path, name: str, *, windows: bool) -> Path:
    """Compile a stand-in; returns the program."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / (f"{name}.exe" if windows else name)
    options = ["-target", "x86_64-windows-gnu", LIBRARIES[name]] if windows else []
    zig(folder, "cc", "-O1", str(SOURCES / f"{name}.c"), *options, "-o", program.name)
    program.with_suffix(".pdb").unlink(missing_ok=True)
    return program


def make_wheel(folder: Path, name: str, modules: dict[str, str], requires: str = "") -> str:
    """Make a wheel of version 1.0 (PEP 427); returns its line in a hash-locked requirements file.

    Args:
        modules: path in the wheel -> content.
        requires: a package that it depends on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    files = {
        **modules,
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


@dataclass(frozen=True)
class Micromamba:
    """The folder by which the stand-in for Micromamba is told what to do (micromamba.c)."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """What its environment must hold."""
        return {"STANDIN": str(self.folder)}

    def lay(self, step: str, files: dict[str, str]) -> None:
        """Files that "base" (create) or "packages" (install) brings: path -> content."""
        for name, text in files.items():
            path = self.folder / step / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def lay_package(self, step: str, name: str, version: str, build: str, *files: str) -> None:
        """A conda package: its files and its record."""
        record = {"name": name, "version": version, "build": build, "files": files}
        path = f"conda-meta/{name}-{version}-{build}.json"
        self.lay(step, {file: f"{file} of {name} {version}" for file in files})
        self.lay(step, {path: json.dumps(record)})

    def misbehave(self, command: str, how: str, text: str = "") -> None:
        """Make a command fail (saying `text`), die or hang, until `behave`."""
        (self.folder / f"{command}.{how}").write_text(text, encoding="utf-8")

    def behave(self) -> None:
        """Make every command work again."""
        for how in ("fail", "die", "hang"):
            for path in self.folder.glob(f"*.{how}"):
                path.unlink()

    def calls(self) -> list[dict[str, Any]]:
        """How it was called: `arguments`, and `environment` as a mapping."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [
            {
                **call,
                "environment": dict(v.split("=", 1) for v in call["environment"] if v[0] != "="),
            }
            for call in map(json.loads, lines)
        ]

    def commands(self) -> list[str]:
        """The first word of each call."""
        return [call["arguments"][0] for call in self.calls()]


def lay_conda_packages(standin: Micromamba) -> None:
    """A small conda world: Python 3.11 and pip; PyTorch and libjpeg-turbo."""
    standin.lay_package(
        "base", "python", "3.11.9", "h631f459_0_cpython",
        "python.exe", "python311.dll", "libs/python311.lib", "Lib/os.py",
        "Lib/__pycache__/os.cpython-311.pyc",
    )  # fmt: skip
    standin.lay("base", {"conda-meta/history": "==> 2026-11-21 08:00:00 <==\n"})
    standin.lay_package("base", "pip", "24.0", "pyhd8ed1ab_0", "Lib/site-packages/pip/main.py")
    standin.lay_package(
        "packages", "pytorch", "2.6.0", "cpu_mkl_py311_h1", "Lib/site-packages/torch/__init__.py"
    )
    standin.lay_package(
        "packages", "libjpeg-turbo", "3.0.0", "hcfcfb64_1",
        "Library/bin/turbojpeg.dll", "Library/include/turbojpeg.h", "Library/lib/turbojpeg.lib",
    )  # fmt: skip
