"""Small wheels for tests."""

import hashlib
import zipfile
from pathlib import Path

from tasks.wheels import contents

METADATA = """\
Metadata-Version: 2.1
Name: thing
Version: 1.0
License: MIT License
Classifier: License :: OSI Approved :: MIT License
Classifier: Programming Language :: Python :: 3
Requires-Dist: opencv-python
Requires-Dist: rich ; extra == 'all'
Requires-Dist: typer ; extra == 'gpu'
Provides-Extra: all
Provides-Extra: gpu
Dynamic: requires-dist

What it is: ü.
"""

MEMBERS = {
    "thing/__init__.py": b"answer = 42\n",
    "thing/data.bin": bytes(range(256)) * 40,
    "thing-1.0.dist-info/METADATA": METADATA.encode(),
    "thing-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
}


def write_wheel(folder: Path, members=MEMBERS, name="thing-1.0-py3-none-any.whl") -> Path:
    """A wheel in a folder."""
    contents.write(folder / name, members)
    return folder / name


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
