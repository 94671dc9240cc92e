"""link.exe, done by zig and told in link.exe's words.

https://learn.microsoft.com/cpp/build/reference/linker-options
https://learn.microsoft.com/cpp/error-messages/tool-errors
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

import lief

from standin.request import (
    ProgramError,
    Run,
    option_of,
    split_words,
    with_variables,
    zig_command,
)

# Options that change nothing here.
_IGNORED = re.compile(
    r"NOLOGO|INCREMENTAL.*|LTCG.*|MANIFESTUAC.*|MANIFESTFILE:.*|MACHINE:X64|SUBSYSTEM:.*|DEBUG.*|"
    r"PDB.*|OPT:.*|DYNAMICBASE.*|NXCOMPAT.*|NODEFAULTLIB.*|TLBID:.*|ERRORREPORT:.*|Brepro|IGNORE:.*",
    re.IGNORECASE,
)


def link(this: Run) -> None:
    """Link."""
    if not this.request.arguments:
        this.lines.append(f"Microsoft (R) Incremental Linker Version 14.{this.minor} (stand-in)")
        return
    link_with(this, with_variables(this.request, "LINK", "_LINK_"))


def link_with(this: Run, words: Sequence[str]) -> None:
    request = this.request
    dll = embeds = False
    output = import_library = definitions = ""
    inputs: list[str] = []
    folders: list[str] = []
    defaults: list[str] = []
    exports: list[str] = []
    for word in words:
        option = option_of(word)
        name, _, value = (option or "").partition(":")
        match name.upper():
            case "":
                inputs.append(word if PureWindowsPath(word).suffix else f"{word}.obj")
            case "DLL":
                dll = True
            case "OUT":
                output = value
            case "IMPLIB":
                import_library = value
            case "LIBPATH":
                folders.append(value)
            case "DEFAULTLIB":
                defaults.append(value)
            case "EXPORT":
                exports.append(value.partition("=")[0].partition(",")[0])
            case "DEF":
                definitions = value
            case "MANIFEST":
                embeds = value.upper().startswith("EMBED")
            case _ if not _IGNORED.fullmatch(option or ""):
                this.lines.append(f"LINK : warning LNK4044: unrecognized option '{word}'; ignored")
    if not inputs:
        raise ProgramError(1561, "LINK : fatal error LNK1561: entry point must be defined")
    folders += request.folders("LIB")
    files = []
    for name in inputs:
        file = request.search(name, folders)
        if file is None:
            raise ProgramError(1181, f"LINK : fatal error LNK1181: cannot open input file '{name}'")
        files.append(file)
    defaults += [lib for f in files if f.suffix.lower() == ".obj" for lib in _default_libraries(f)]
    for name in dict.fromkeys([*defaults, "MSVCRT.lib"]):
        library = name if name.lower().endswith(".lib") else f"{name}.lib"
        file = request.search(library, folders)
        if file is None:
            raise ProgramError(1104, f"LINK : fatal error LNK1104: cannot open file '{library}'")
        if file.stat().st_size > len(b"!<arch>\n"):
            files.append(file)
    if embeds and request.search("rc.exe", request.folders("PATH")) is None:
        raise ProgramError(1158, "LINK : fatal error LNK1158: cannot run 'rc.exe'")
    _link_files(this, files, exports, dll, output, import_library, definitions)


def _link_files(
    this: Run,
    files: Sequence[Path],
    exports: Sequence[str],
    dll: bool,
    output: str,
    import_library: str,
    definitions: str,
) -> None:
    request = this.request
    with tempfile.TemporaryDirectory() as temporary:
        linked = Path(temporary, PureWindowsPath(output).name)
        implib = Path(temporary, "import.lib")
        status, said = this.zig(
            [
                *zig_command("c++"), *(["-shared", f"-Wl,--out-implib={implib}"] if dll else []),
                "-O2", "-g0", "-o", linked, *files,
                *([request.host(definitions)] if definitions else []),
                *(f"-L{folder}" for folder in dict.fromkeys(f.parent for f in files)),
            ]
        )  # fmt: skip
        if status:
            raise _link_failure(said, files, output)
        missing = [name for name in exports if name not in _exports(linked)]
        if missing:
            lines = [f"LINK : error LNK2001: unresolved external symbol {n}" for n in missing]
            raise _unresolved(lines, output)
        try:
            request.host(output).write_bytes(linked.read_bytes())
        except OSError:
            raise ProgramError(
                1104, f"LINK : fatal error LNK1104: cannot open file '{output}'"
            ) from None
        if dll:
            library = import_library or str(PureWindowsPath(output).with_suffix(".lib"))
            request.host(library).write_bytes(implib.read_bytes())
            exported = PureWindowsPath(library).with_suffix(".exp")
            this.lines.append(f"   Creating library {library} and object {exported}")


def _default_libraries(file: Path) -> list[str]:
    """The libraries that an object file asks for (its section .drectve)."""
    parsed = lief.COFF.parse(str(file))
    if parsed is None:
        return []
    contents = [bytes(s.content) for s in parsed.sections if s.name == ".drectve"]
    text = b" ".join(contents).decode("utf-8")
    return [w[12:] for w in split_words(text) if w[:12].upper() == "/DEFAULTLIB:"]


def _exports(file: Path) -> set[str]:
    parsed = lief.PE.parse(str(file))
    exported = parsed.get_export() if parsed else None
    return {str(entry.name) for entry in exported.entries} if exported else set()


def _unresolved(lines: Sequence[str], output: str) -> ProgramError:
    last = f"{output} : fatal error LNK1120: {len(lines)} unresolved externals"
    return ProgramError(1120, "\n".join([*lines, last]))


def _link_failure(said: str, files: Sequence[Path], output: str) -> ProgramError:
    """lld's messages as link.exe words them."""
    pattern = r"undefined symbol: (.+)\n>>> referenced by (?:.*[\\/])?([^\\/\n]+?):\(([^)\n]+)\)"
    undefined = _undefined_symbols(files)
    lines = []
    for symbol, user, function in re.findall(pattern, said):
        name = _as_microsoft(symbol, undefined)
        lines.append(
            f"{user} : error LNK2019: unresolved external symbol {name} referenced in function "
            f"{function}"
        )
    if lines:
        return _unresolved(lines, output)
    return ProgramError(1, said)


def _undefined_symbols(files: Sequence[Path]) -> list[str]:
    """What the object files take from elsewhere, in their order."""
    parsed = [lief.COFF.parse(str(f)) for f in files if f.suffix.lower() == ".obj"]
    return [
        str(symbol.name) for file in parsed if file for symbol in file.symbols
        if symbol.section_idx == 0
    ]  # fmt: skip


def _as_microsoft(symbol: str, undefined: list[str]) -> str:
    """A name as link.exe shows it: "__imp_name", or "words" (mangled name) for C++.

    lld has only the words; the mangled name is taken from the object file, where names stand in
    the order in which lld tells them.
    """
    if symbol.startswith("__declspec(dllimport) "):
        return "__imp_" + symbol.removeprefix("__declspec(dllimport) ")
    if "::" not in symbol:
        return symbol
    scopes = symbol.partition("(")[0].split("::")
    last = f"{len(scopes[-1])}{scopes[-1]}"
    if scopes[-1].lstrip("~") == scopes[-2]:
        last = "D1" if scopes[-1].startswith("~") else "C1"
    for name in undefined:
        if name.startswith("_Z") and f"{len(scopes[-2])}{scopes[-2]}" in name and last in name:
            undefined.remove(name)
            return f'"{symbol}" ({name})'
    return f'"{symbol}" ({symbol.split("(")[0]})'
