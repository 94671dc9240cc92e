"""Runs in the Windows Python: calls a build back end (PEP 517), in the source's folder.

Usage: python back_end.py requires|wheel NAME PATHS OUT, PATHS as a JSON list. Prints one line of
JSON: {"requires": [...]} or {"wheel": "..."}. NAME "setup.py" runs that as a program instead.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MESON_LINES = 60


def use_gcc() -> None:
    """Let distutils' new_compiler() take gcc where a setup.py names no compiler, as to try one out.

    A build_ext is told by DIST_EXTRA_CONFIG. setuptools' source, distutils: get_default_compiler.
    """
    try:
        # The first one puts setuptools' distutils in the place of the standard library's.
        importlib.import_module("setuptools")
        chosen = importlib.import_module("distutils.ccompiler").get_default_compiler
    except ImportError:
        return
    vars(sys.modules[chosen.__module__])["_default_compilers"] = (("nt", "mingw32"),)
    take_any_arguments(importlib.import_module("distutils.cygwinccompiler").CygwinCCompiler)


def take_any_arguments(compiler: Any) -> None:
    """Let the class that calls gcc take a mapping as extra_compile_args, as Microsoft's does.

    {"gcc": [...], "nvcc": [...]} is for a build_ext that chooses; many a setup.py has it without.
    Microsoft's class takes such a thing for a list of its keys, and cl warns. Here gcc gets gcc's.
    """
    compile_one = compiler._compile

    def taking_any(self: Any, *arguments: Any) -> None:
        *others, extra, defined = arguments
        words = list(extra.get("gcc", ())) if isinstance(extra, dict) else extra
        compile_one(self, *others, words, defined)

    compiler._compile = taking_any


def with_meson(back_end: Any, out: str) -> str:
    """Build with meson-python in a folder that is kept: what stopped Meson stands in its log only.

    https://mesonbuild.com/meson-python/reference/config-settings.html
    """
    folder = Path(out).with_name("meson")
    try:
        return str(back_end.build_wheel(out, {"builddir": str(folder)}))
    except SystemExit:
        log = folder / "meson-logs" / "meson-log.txt"
        if log.is_file():
            print(f"The end of {log}:", flush=True)
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            print("\n".join(lines[-MESON_LINES:]), flush=True)
        raise


def main() -> None:
    """Call the back end; what it raises is printed as Python does."""
    what, name, paths, out = sys.argv[1:]
    if name == "setup.py":
        before = set(Path(out).iterdir())
        command = [sys.executable, "setup.py", "bdist_wheel", "--dist-dir", out]
        subprocess.run(command, check=True)
        [wheel] = {path.name for path in set(Path(out).iterdir()) - before}
        print(json.dumps({"wheel": wheel}), flush=True)
        return
    # What `build` and pip do: https://peps.python.org/pep-0517/#source-trees
    sys.path[:1] = [str(Path(path).absolute()) for path in json.loads(paths)]
    if os.environ.get("CC") == "gcc":
        use_gcc()
    module, _, attributes = name.partition(":")
    back_end = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        back_end = getattr(back_end, attribute)
    sys.argv[1:] = []
    answer: dict[str, Any]
    if what == "requires":
        hook = getattr(back_end, "get_requires_for_build_wheel", None)
        answer = {"requires": list(hook()) if hook else []}
    elif module == "mesonpy":
        answer = {"wheel": with_meson(back_end, out)}
    else:
        answer = {"wheel": back_end.build_wheel(out)}
    print(flush=True)
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
