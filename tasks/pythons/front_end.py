"""What builds wheels, for a Windows Python that has none of it: the runner's own packages.

They are of Python alone, so those of this system are those of Windows; and they came with the
hashes in envs/runner.txt.
"""

import shutil
from importlib import metadata
from pathlib import Path

PACKAGES = ("build", "packaging", "pyproject_hooks", "setuptools", "wheel")


def lay_down(folder: Path) -> Path:
    """Copy the packages into a folder for PYTHONPATH; returns it.

    setuptools' .pth file is left behind: it is read in site-packages only.
    """
    for name in PACKAGES:
        distribution = metadata.distribution(name)
        for file in distribution.files or []:
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            target = folder.joinpath(*file.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(distribution.locate_file(file)), target)
    return folder
