"""Start scripts of packages for a Windows Python: meson.exe, cython.exe, cmake.exe.

uv writes them for the machine that it runs on. A launcher of distlib, as pip uses it, is a program
that starts what stands behind it in its own file: "#!PYTHON", and a zip archive with __main__.py.
https://distlib.readthedocs.io/en/latest/reference.html (ScriptMaker)
"""

import configparser
import io
import re
import zipfile
from pathlib import Path

from tasks.checks import cmake_call

# Programs that a source calls in other words than it may here -> what stands behind them instead.
_OF_OUR_OWN = {"cmake": Path(cmake_call.__file__)}

_MAIN = """\
import sys
from {module} import {first}
sys.argv[0] = sys.argv[0].removesuffix(".exe")
sys.exit({call}())
"""


def write_launchers(site_packages: Path, launcher: Path, python: str, folder: Path) -> None:
    """Write a program for each console script of the installed packages.

    Args:
        launcher: distlib's t64.exe.
        python: the path of python.exe, as Windows sees it.
        folder: where the programs go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = launcher.read_bytes() + f'#!"{python}"\r\n'.encode()
    for file in site_packages.glob("*.dist-info/entry_points.txt"):
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read_string(file.read_text(encoding="utf-8"))
        if not parser.has_section("console_scripts"):
            continue
        for name, value in parser.items("console_scripts"):
            match = re.match(r"([\w.]+)\s*:\s*([\w.]+)", value)
            if match is None:
                continue
            first = match[2].partition(".")[0]
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                own = _OF_OUR_OWN.get(name)
                text = (
                    own.read_text(encoding="utf-8") if own
                    else _MAIN.format(module=match[1], first=first, call=match[2])
                )  # fmt: skip
                archive.writestr("__main__.py", text)
            (folder / f"{name}.exe").write_bytes(start + packed.getvalue())
