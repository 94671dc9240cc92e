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
    if what == "requires":
        hook = getattr(back_end, "get_requires_for_build_wheel", None)
        answer = {"requires": list(hook()) if hook else []}
    else:
        answer = {"wheel": back_end.build_wheel(out)}
    print(flush=True)
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
