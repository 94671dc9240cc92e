"""What a clean Windows brings of the DLLs that a module may import, and who brings the others.

The lists are data: delvewheel's (files on the installation discs of Windows 7 to 11) and
data/windows-dlls.yaml (what delvewheel leaves out, what editions lack, providers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dllwhy.data_file import read_yaml
from dllwhy.errors import DiagnosisError

DATA = Path(__file__).resolve().parent / "data" / "windows-dlls.yaml"


@dataclass(frozen=True)
class Provider:
    """Who usually brings a DLL that Windows does not have, and how to get it."""

    what: str
    remedy: str


def dll_name(name: str) -> str:
    """Return the name under which the loader files a module: lower case, with an extension.

    "KERNEL32" means "kernel32.dll": the loader adds ".dll" to a name without a dot. A dot at the
    end prevents that: "tool." means the file "tool", and stays "tool." here.
    https://learn.microsoft.com/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryexw
    """
    name = name.lower()
    stem = name.rstrip(". ")
    if "." in stem:
        return stem
    return f"{stem}." if name.endswith(".") else f"{stem}.dll"


def module_name(file: Path) -> str:
    """Return the name under which the loader files the module that a file is."""
    return dll_name(file.name if "." in file.name else f"{file.name}.")


@cache
def is_api_set(name: str) -> bool:
    """Say whether Windows resolves `name` by its API set schema, whatever files there are."""
    return re.fullmatch(_data()["api_sets"], name.lower()) is not None


def is_known_dll(name: str) -> bool:
    """Say whether Windows takes `name` from its KnownDLLs, before it looks into any folder."""
    return dll_name(name) in _known_dlls()


def is_optional(name: str) -> bool:
    """Say whether the program that asks for the DLL `name` is known to do well without it."""
    return dll_name(name) in {dll_name(optional) for optional in _data()["optional"]}


@cache
def system_dlls(machine: str, edition: str) -> frozenset[str]:
    """Return the DLLs in System32 of a freshly installed Windows, as `dll_name` spells them.

    For x64 this is delvewheel's x64 list (on every disc from Windows 7 to 11) and its arm64 list
    (on both discs of Windows 10 and 11 for arm64, which have the same files but for some thirty
    about emulation); for x86 its x86 list takes the place of the first.

    Args:
        machine: "x64", "x86" or "arm64".
        edition: a key of `editions`: "10", "11", "N" or "server".
    """
    # delvewheel is pinned in pyproject.toml, as this module of it is private.
    from delvewheel import _dll_list

    if edition not in editions():
        raise _unknown(edition)
    listed = _dll_list.ignore_names
    of_machine = _dll_list.MachineType
    names: set[str] = set(listed[of_machine.ARM64])
    if machine in ("x64", "x86"):
        names |= listed[of_machine.AMD64 if machine == "x64" else of_machine.I386]
    data = _data()
    names |= {dll_name(name) for name in data["also"]} | _known_dlls()
    lacking = {dll_name(name) for name in data["editions"][edition].get("lacks", ())}
    return frozenset(names - lacking)


@cache
def editions() -> dict[str, str]:
    """Return the editions of Windows that are known here: {key: title}."""
    return {key: value["title"] for key, value in _data()["editions"].items()}


def find_edition(name: str) -> str:
    """Return the key of the edition `name`, whatever the case of its letters.

    Raises:
        DiagnosisError: there is none of that name; with those that there are.
    """
    for key in editions():
        if key.lower() == name.lower():
            return key
    raise _unknown(name)


def _unknown(edition: str) -> DiagnosisError:
    return DiagnosisError(f"No Windows edition {edition!r}: use one of {', '.join(editions())}.")


@cache
def python_org_dlls() -> frozenset[str]:
    """Return what lies beside python.exe in every python.org installation, bar pythonXY.dll."""
    return frozenset(dll_name(name) for name in _data()["python_org"])


@cache
def provider(name: str, edition: str | None = None, machine: str = "x64") -> Provider | None:
    """Return who usually brings the DLL `name`; None if unknown.

    Args:
        edition: a key of `editions`; a DLL that only this edition lacks is answered with the
            way to add it.
        machine: of the Python that asks: "x64", "x86" or "arm64".
    """
    name = dll_name(name)
    data = _data()
    wanted = data["editions"].get(edition, {})
    if name in {dll_name(lacking) for lacking in wanted.get("lacks", ())}:
        return Provider(f"a part of Windows that {wanted['title']} lacks", wanted["remedy"])
    stem = name.rsplit(".", 1)[0]
    for entry in data["providers"]:
        if re.fullmatch(entry["match"], stem):
            return Provider(entry["what"], entry["remedy"].replace("{machine}", machine))
    return None


@cache
def expected_signer(name: str, layout: str) -> str | None:
    """Return who signs the genuine file `name`; None if nobody is known to.

    Args:
        layout: of the Python that the file belongs to ("conda" builds and signs by itself).
    """
    stem = dll_name(name).rsplit(".", 1)[0]
    for entry in _data()["signers"]:
        if re.fullmatch(entry["match"], stem) and entry.get("except") != layout:
            return str(entry["by"])
    return None


@cache
def _known_dlls() -> frozenset[str]:
    return frozenset(dll_name(name) for name in _data()["known_dlls"])


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = read_yaml(DATA)
    return data
