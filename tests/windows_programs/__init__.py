"""Programs that every Windows has and Wine lacks: curl.exe and certutil.exe.

The *.c files beside this one say what each does; zig compiles them.
"""

from pathlib import Path

from pe_files import zig

SOURCES = Path(__file__).parent
LIBRARIES = {"curl": "-lws2_32", "certutil": "-lbcrypt"}


def build(folder: Path, name: str) -> Path:
    """Compile a program; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"{name}.exe"
    options = ["-target", "x86_64-windows-gnu", LIBRARIES[name]]
    zig(folder, "cc", "-O1", str(SOURCES / f"{name}.c"), *options, "-o", program.name)
    program.with_suffix(".pdb").unlink(missing_ok=True)
    return program
