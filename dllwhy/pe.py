"""Windows executables and DLLs as data: what a PE file imports, exports, and who signed it.

LIEF does the parsing, with only the parts switched on that a question needs: imports alone
take well under a millisecond for a usual module, and half a second for torch's 300 MB one.
Every answer is cached for the process under the file's path, size and time.
"""

from __future__ import annotations

import re
import stat
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dllwhy.errors import DiagnosisError
from dllwhy.pe_headers import damage

if TYPE_CHECKING:
    import lief

# IMAGE_FILE_HEADER.Machine, https://learn.microsoft.com/windows/win32/debug/pe-format#machine-types
# (ARM64EC code lies in files that say x64.)
MACHINES = {0x14C: "x86", 0x8664: "x64", 0xAA64: "arm64", 0x1C4: "arm"}
_IMAGE_FILE_DLL = 0x2000
# What the loader reads of the manifests in a file, by resource type and number.
# https://learn.microsoft.com/windows/win32/sbscs/using-side-by-side-assemblies-as-a-resource
_RT_MANIFEST, _FOR_A_PROGRAM, _FOR_A_DLL = 24, 1, 2
_PARTS = ("imports", "exports", "rsrc", "signature", "reloc", "exceptions", "arm64x_binary")


@dataclass(frozen=True)
class PEFile:
    """What the loader reads of an executable, a DLL or an extension module.

    Attributes:
        machine: "x64", "x86", "arm64", "arm", or the number in hexadecimal.
        imports: names of the DLLs it needs to start, as spelled and in the file's order.
        delay_imports: names of the DLLs that it loads at the first call.
        linker_version: of the linker that made it: (14, 38) for Visual Studio 2022's 14.38.
        timestamp: the header's number; seconds since 1970, or a hash in reproducible builds.
    """

    path: Path
    machine: str
    is_dll: bool
    imports: tuple[str, ...]
    delay_imports: tuple[str, ...]
    linker_version: tuple[int, int]
    timestamp: int


def read_pe(path: Path) -> PEFile:
    """Read the headers and import tables of a PE file.

    Raises:
        DiagnosisError: there is no such file, or it is no PE file.
    """
    return _tables(*_key(path)).read


def imported_symbols(path: Path) -> dict[str, frozenset[str]]:
    """Return the functions that `path` imports, by DLL name in lower case.

    Imports by ordinal are spelled "#12".
    """
    return _tables(*_key(path)).symbols


def exports(path: Path) -> frozenset[str]:
    """Return the names that `path` exports; exports without a name are spelled "#12"."""
    return _tables(*_key(path)).exports


def ordinals(path: Path) -> dict[str, str]:
    """Return the ordinals of what `path` exports: {"#12": its name}, or itself without a name."""
    return _tables(*_key(path)).ordinals


def forwarders(path: Path) -> dict[str, str]:
    """Return the exports that only point into another DLL: {export: "DLL.function"}."""
    return _tables(*_key(path)).forwarders


def signer(path: Path) -> str | None:
    """Verify the Authenticode signature of `path` and return the signer's name.

    LIEF checks that the file is the one that was signed and that the signature was made with
    the certificate inside it; it does not check that this certificate's chain ends in a root
    that Windows trusts, nor revocation.

    Returns:
        The organisation, or else the common name, of the signing certificate ("Python
        Software Foundation"); None for a file without a signature.

    Raises:
        DiagnosisError: the file was altered after it was signed, or its signature is defective.
    """
    return _signer(*_key(path))


def version_info(path: Path) -> str | None:
    """Return the file version from the version resource ("14.38.33130.0"), None if it has none."""
    return _version_info(*_key(path))


def manifest(path: Path) -> str | None:
    """Return the side-by-side manifest inside `path` that the loader reads, None if none."""
    return _manifest(*_key(path))


def _key(path: Path) -> tuple[Path, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DiagnosisError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not stat.S_ISREG(status.st_mode):  # a folder, or a pipe that would never end
        raise DiagnosisError(f"{path} is no file.")
    return path, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class _Tables:
    read: PEFile
    symbols: dict[str, frozenset[str]]
    forwarders: dict[str, str]
    exports: frozenset[str]
    ordinals: dict[str, str]


@cache
def _tables(path: Path, size: int, mtime_ns: int) -> _Tables:
    """What loading needs, in one go: most of the time goes into reading the file."""
    binary = _parse(path, "imports", "exports")
    header, optional = binary.header, binary.optional_header
    machine = int(header.machine)
    read = PEFile(
        path=path,
        machine=MACHINES.get(machine, f"{machine:#x}"),
        is_dll=bool(int(header.characteristics) & _IMAGE_FILE_DLL),
        imports=tuple(_text(entry.name) for entry in binary.imports),
        delay_imports=tuple(_text(entry.name) for entry in binary.delay_imports),
        linker_version=(optional.major_linker_version, optional.minor_linker_version),
        timestamp=header.time_date_stamps,
    )
    symbols = {
        _text(dll.name).lower(): frozenset(
            f"#{entry.ordinal}" if entry.is_ordinal else _text(entry.name) for entry in dll.entries
        )
        for dll in binary.imports
    }
    table = binary.get_export()
    exported: set[str] = set()
    ordinals: dict[str, str] = {}
    forwarders: dict[str, str] = {}
    for entry in table.entries if table else ():
        if not (entry.address or entry.is_forwarded):
            continue  # a gap in the ordinals
        number = f"#{entry.ordinal}"
        name = _text(entry.name) or number
        ordinals.setdefault(number, name)
        exported.add(name)
        if info := entry.forward_information if entry.is_forwarded else None:
            forwarders[name] = f"{info.library}.{info.function}"
    return _Tables(read, symbols, forwarders, frozenset(exported), ordinals)


@cache
def _signer(path: Path, size: int, mtime_ns: int) -> str | None:
    import lief

    binary = _parse(path, "signature")
    if not binary.has_signatures:
        return None
    result = binary.verify_signature()
    if result != lief.PE.Signature.VERIFICATION_FLAGS.OK:
        raise DiagnosisError(
            f"{path} has a signature that does not verify ({result}): the file was changed after "
            "it was signed, or the download is damaged. Delete it and fetch it again."
        )
    certificate = next(iter(binary.signatures[0].signers)).cert
    subject = _text(certificate.subject) if certificate else ""
    # A distinguished name: "C=US, O=DigiCert\, Inc., CN=…"; a comma inside a value is escaped.
    fields = dict(part.split("=", 1) for part in re.split(r"(?<!\\), ", subject) if "=" in part)
    name = fields.get("O") or fields.get("CN")
    return name.replace("\\,", ",") if name else subject or None


@cache
def _version_info(path: Path, size: int, mtime_ns: int) -> str | None:
    import lief

    binary = _parse(path, "rsrc")
    resources = binary.resources_manager
    if isinstance(resources, lief.lief_errors) or not resources.has_version:
        return None
    version = resources.version
    info = version[0].file_info if version else None
    if info is None:
        return None
    high, low = info.file_version_ms, info.file_version_ls
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"


@cache
def _manifest(path: Path, size: int, mtime_ns: int) -> str | None:
    binary = _parse(path, "rsrc")
    is_dll = bool(int(binary.header.characteristics) & _IMAGE_FILE_DLL)
    root = binary.resources
    for kind in root.childs if root else ():
        for entry in kind.childs if kind.id == _RT_MANIFEST else ():
            if entry.id != (_FOR_A_DLL if is_dll else _FOR_A_PROGRAM):
                continue
            for language in entry.childs:
                text = bytes(cast(Any, language).content).decode("utf-8-sig", "replace")
                return text.strip("\x00 \r\n") or None
    return None


def _parse(path: Path, *parts: str) -> lief.PE.Binary:
    """Parse the named parts only.

    Bind the result to a variable for as long as anything of it is used: LIEF 1.0's iterators do
    not keep their binary alive, and the interpreter crashes.
    """
    import lief

    lief.logging.disable()  # it writes to stderr what the exception below says better
    config = lief.PE.ParserConfig()
    for part in _PARTS:
        setattr(config, f"parse_{part}", part in parts)
    if damaged := damage(path):
        raise DiagnosisError(f"{path} is damaged: {damaged}.")
    # Opened here: on Windows LIEF itself finds no path with letters beyond the ANSI code page.
    with path.open("rb") as stream:
        binary = lief.PE.parse(stream, config)
    if binary is None and zipfile.is_zipfile(path):
        raise DiagnosisError(
            f"{path} is a wheel or another archive: unpack it (python -m zipfile -e "
            f"{path.name} FOLDER), and name the folder."
        )
    if binary is None:
        raise DiagnosisError(
            f"{path} is not a Windows executable or DLL (no PE headers): "
            "a download error page, a file of another system, or a cut-off copy."
        )
    return binary


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
