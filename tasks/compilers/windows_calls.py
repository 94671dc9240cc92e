"""How the programs of a Windows compiler are called from this system: as they are, or through Wine.

The choice is that of tasks.pythons.windows_python; here is what it means for a compiler.
"""

import json
import shlex
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.compilers import through_wine


@dataclass(frozen=True)
class Calls:
    """How Windows programs are called.

    Args:
        command: what stands in front of one on a command line; nothing on Windows.
        variables: what its environment needs for that.
        path_variable: the name of PATH for Windows programs only.
        seen: a path as a Windows program sees it.
        begin: called before many of them are.
        end: ends what they have left behind.
    """

    command: Sequence[Path] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    path_variable: str = "PATH"
    seen: Callable[[Path], str] = str
    begin: Callable[[], object] = lambda: None
    end: Callable[[], object] = lambda: None

    @property
    def natively(self) -> bool:
        """Whether they are called as they are."""
        return not self.command

    def program(self, program: Path, folder: Path, path: Sequence[str]) -> Path:
        """What programs of this system call for a Windows program.

        Args:
            folder: for the script of its name that calls it, where it is not called as it is.
            path: where it finds others, as Windows sees it.
        """
        if self.natively:
            return program
        call = folder / f"{program.stem}.json"
        words = [*map(str, self.command), str(program)]
        variables = {**self.variables, self.path_variable: ";".join(path)}
        text = json.dumps({"command": words, "variables": variables}, indent=2)
        call.write_text(text, encoding="utf-8")
        script = folder / program.stem
        through = [sys.executable, "-I", "-S", through_wine.__file__, str(call)]
        script.write_text(f'#!/bin/sh\nexec {shlex.join(through)} "$@"\n', encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        return script


NATIVELY = Calls()
