"""What happens in a process that counts for the DLL search, in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Kind = Literal["add", "close", "set", "path", "load", "import"]
KINDS = get_args(Kind)


@dataclass(frozen=True)
class Event:
    """One call, or one import of an extension module.

    Attributes:
        kind: "add": os.add_dll_directory; "close": what it returned is closed, as at the end of a
            with-block; "set": SetDllDirectory; "path": a folder is put in front of PATH;
            "load": a DLL is loaded by ctypes or the like; "import": of an extension module.
        path: the folder or file on this system; of a "load" maybe a bare name. None where it is
            not known, and for a "set" that takes the folder back.
        where: the source that does it, "package/__init__.py:12".
        doubt: None, or why it cannot be told whether this happens, or with which path.
        winmode: the flags that ctypes is given for a "load"; None for its own.
    """

    kind: Kind
    path: Path | None
    where: str = ""
    doubt: str | None = None
    winmode: int | None = None
