"""Small wheels for tests."""

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
