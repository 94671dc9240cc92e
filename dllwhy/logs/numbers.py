"""Error numbers of Microsoft's tools, Windows and Rust: what one means, and where it is documented.

explained("LNK2019") -> "no library that is linked defines a function ...", "https://..."

The meanings and addresses are data: data/error-numbers.yaml.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from dllwhy.data_file import read_yaml

DATA = Path(__file__).resolve().parents[1] / "data" / "error-numbers.yaml"


def explained(number: str) -> tuple[str, str]:
    """Return what an error number means and the address of its documentation; "" if unknown.

    Args:
        number: with the letters before it: "C2065", "LNK2019", "MSB8036", "E0308", "WinError 1114".
    """
    meaning = str(_data()["meanings"].get(number, ""))
    for expression, address in _data()["documentation"].items():
        if re.fullmatch(expression, number):
            return meaning, str(address).format(number=number.lower(), NUMBER=number.upper())
    return meaning, ""


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = read_yaml(DATA)
    return data
