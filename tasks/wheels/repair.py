"""A wheel with its DLLs inside, under names that no other package's DLL has.

https://github.com/adang1345/delvewheel
"""

import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tasks.core import host, process
from tasks.core.errors import BuildError
from tasks.core.job import Job

# Seconds.
TIMEOUT = 600

# What delvewheel raises for a DLL that is in none of its folders.
_NO_DLL = re.compile(r"FileNotFoundError: Unable to find library: (\S+)")


def repaired(wheel: Path, places: Sequence[Path], folder: Path, job: Job) -> Path:
    """Put into a wheel the DLLs that a clean Windows lacks; returns the new one.

    Args:
        places: the folders where they are looked for.
        folder: where the new wheel goes; made if it is missing.

    Raises:
        BuildError: a DLL is nowhere; it is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        own = any(name.lower().endswith(".dll") for name in archive.namelist())
    # A package that loads DLLs of its own with ctypes: what they need is told by nothing else.
    of_own = ["--analyze-existing", "--ignore-existing"] if own else []
    try:
        process.run(
            [
                sys.executable, "-m", "delvewheel", "repair",
                *(word for place in places for word in ("--add-path", place)),
                *of_own, "--wheel-dir", folder, wheel,
            ],
            log=job.log, cwd=folder, line=job.line, timeout=TIMEOUT,
            # With the one it leaves its command line out of the wheel; with the other its sets
            # have the same order each time.
            env=host.environment({**host.SOURCE_DATE, "PYTHONHASHSEED": "0"}),
        )  # fmt: skip
    except BuildError as error:
        missing = _NO_DLL.search("\n".join(error.tail))
        if missing is None:
            raise
        raise BuildError(
            f"the wheel is built, and its module needs {missing[1]}, which is neither in it nor a "
            "part of Windows; name the library that brings it: in config.yaml, or in the recipe "
            "(libraries: [NAME])",
            log=job.log,
        ) from error
    return folder / wheel.name
