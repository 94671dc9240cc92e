"""cl.exe, done by zig and told in cl.exe's words.

https://learn.microsoft.com/cpp/build/reference/compiler-options
https://learn.microsoft.com/cpp/error-messages/compiler-errors-1
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from standin.link import link_with
from standin.request import (
    ZIG,
    ProgramError,
    Run,
    option_of,
    split_words,
    with_variables,
    zig_command,
)

# Options that change nothing here: warnings, runtime, debugging, optimization.
_IGNORED = re.compile(
    r"nologo|W\d|Wall|WX?|w[deo]?\d*|E?H\w+-?|GL-?|G[A-Za-z]\w*-?|M[DTP]d?\d*|O[a-z1]\w*-?|Z\w*|"
    r"F[SdAampr].*|fp:.*|utf-8|permissive-?|bigobj|diagnostics:.*|experimental:.*|pathmap:.*|"
    r"R\w+|J|sdl-?|Q\w+.*"
)


@dataclass
class _Compilation:
    """cl.exe's command line."""

    sources: list[tuple[str, str]] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    object: str = ""
    output: str = ""
    compile_only: bool = False
    dll: bool = False
    link: list[str] = field(default_factory=list)


def _language(name: str) -> str:
    return "cc" if name.lower().endswith(".c") else "c++"


def _parse_cl(this: Run) -> _Compilation:
    made = _Compilation()
    language = ""
    words: Iterator[str] = iter(with_variables(this.request, "CL", "_CL_"))
    for word in words:
        option = option_of(word)
        if option is None:
            if PureWindowsPath(word).suffix.lower() in (".lib", ".obj", ".res"):
                made.libraries.append(word)
            else:
                made.sources.append((language or _language(word), word))
        elif option == "c":
            made.compile_only = True
        elif option == "link":
            made.link = list(words)
        elif option[:2] in ("Tc", "Tp"):
            made.sources.append(("cc" if option[1] == "c" else "c++", option[2:] or next(words)))
        elif option in ("TC", "TP"):
            language = "cc" if option == "TC" else "c++"
        elif option[:1] == "I":
            made.includes.append(option[1:].strip() or next(words))
        elif option[:1] in ("D", "U"):
            # "#" may stand for "=".
            defined = re.sub("[=#]", "=", option[1:] or next(words), count=1)
            made.options.append(f"-{option[0]}{defined}")
        elif option[:2] == "FI":
            made.options += ["-include", str(this.request.host(option[2:] or next(words)))]
        elif option[:2] == "Fo":
            made.object = option[2:].removeprefix(":") or next(words)
        elif option[:2] == "Fe":
            made.output = option[2:].removeprefix(":") or next(words)
        elif option == "LD":
            made.dll = True
        elif option in ("O2", "Ox", "O1", "Od"):
            made.options.append("-O0" if option == "Od" else "-O2")
        elif option.startswith("std:"):
            made.options.append(f"-std={option[4:].replace('latest', '23')}")
        elif not _IGNORED.fullmatch(option):
            this.lines.append(f"cl : Command line warning D9002 : ignoring unknown option '{word}'")
    return made


def cl(this: Run) -> None:
    """Compile, and link unless told not to."""
    if not this.request.arguments:
        this.lines += [
            f"Microsoft (R) C/C++ Optimizing Compiler Version 19.{this.minor} for x64 (stand-in)",
            "",
            "usage: cl [ option... ] filename... [ /link linkoption... ]",
        ]
        return
    asked = _parse_cl(this)
    if not asked.sources and not asked.libraries:
        raise ProgramError(2, "cl : Command line error D8003 : missing source filename")
    objects = []
    for language, source in asked.sources:
        name = f"{PureWindowsPath(source).stem}.obj"
        target = asked.object or name
        if target.endswith(("\\", "/")):
            target += name
        _compile(this, language, source, target, asked)
        objects.append(target)
    if not asked.compile_only:
        first = PureWindowsPath((objects or asked.libraries)[0]).stem
        output = asked.output or first + (".dll" if asked.dll else ".exe")
        if not PureWindowsPath(output).suffix:
            output += ".dll" if asked.dll else ".exe"
        options = [f"/OUT:{output}", *(["/DLL"] if asked.dll else [])]
        before, after = (
            split_words(this.request.environment.get(variable, ""))
            for variable in ("LINK", "_LINK_")
        )
        words = [*before, *options, *objects, *asked.libraries, *asked.link, *after]
        link_with(this, words)


# Python's header tells Microsoft's linker which library it wants, and no other.
_PYTHON_HEADER = """\
#include_next <Python.h>
#define STANDIN_TEXT_(x) #x
#define STANDIN_TEXT(x) STANDIN_TEXT_(x)
#pragma comment(lib, "python" STANDIN_TEXT(PY_MAJOR_VERSION) STANDIN_TEXT(PY_MINOR_VERSION) ".lib")
"""


def _compile(this: Run, language: str, source: str, target: str, asked: _Compilation) -> None:
    request = this.request
    this.lines.append(PureWindowsPath(source).name)
    file = request.host(source)
    if not file.is_file():
        raise ProgramError(
            2,
            f"{'c1' if language == 'cc' else 'c1xx'}: fatal error C1083: Cannot open source file: "
            f"'{source}': No such file or directory",
        )
    includes = [*asked.includes, *request.folders("INCLUDE")]
    with tempfile.TemporaryDirectory() as temporary:
        dependencies = Path(temporary, "dependencies")
        overlay = Path(temporary, "overlay")
        if request.search("Python.h", includes):
            overlay.mkdir()
            (overlay / "Python.h").write_text(_PYTHON_HEADER, encoding="utf-8")
        compiled = Path(temporary, "compiled.obj")
        status, output = this.zig(
            [
                *zig_command(language), "-c", "-g0", "-w", "-fms-extensions",
                "-fno-sanitize=undefined", "-fno-caret-diagnostics", "-MD", "-MF", dependencies,
                "-iquote", file.parent, "-I", overlay,
                *(f"-I{request.host(folder)}" for folder in includes),
                *asked.options, "-o", compiled, file,
            ]
        )  # fmt: skip
        if status:
            raise ProgramError(2, "\n".join(_compiler_messages(output, str(file), source)))
        own = _first_of_zig(dependencies)
        if own and request.search("vcruntime.h", includes) is None:
            raise _missing_header(source, 1, own)
        destination = request.host(target)
        try:
            destination.write_bytes(compiled.read_bytes())
        except OSError:
            raise ProgramError(
                1, f"{source} : fatal error C1083: Cannot open compiler generated file: '{target}'"
            ) from None


def _first_of_zig(dependencies: Path) -> str:
    """The name of the first header that zig brings, "" if there is none."""
    library = str(ZIG.with_name("lib"))
    text = dependencies.read_text(encoding="utf-8").replace("\\\n", " ")
    files = [file for file in re.split(r"(?<!\\)\s+", text) if file.startswith(library)]
    return Path(files[0]).name if files else ""


def _missing_header(source: str, line: int, header: str) -> ProgramError:
    return ProgramError(
        2,
        f"{source}({line}): fatal error C1083: Cannot open include file: '{header}': "
        "No such file or directory",
    )


# clang's words -> Microsoft's: https://learn.microsoft.com/cpp/error-messages/compiler-errors-1
_ERRORS = [
    (
        r"'(.+)' file not found",
        r"fatal error C1083: Cannot open include file: '\1': No such file or directory",
    ),
    (r"redefinition of '(\w+)'", r"error C2011: '\1': 'struct' type redefinition"),
    (r"use of undeclared identifier '(\w+)'", r"error C2065: '\1': undeclared identifier"),
    (r"expected '(.)'.*", r"error C2143: syntax error: missing '\1'"),
]


def _compiler_messages(output: str, file: str, source: str) -> list[str]:
    """clang's errors as cl.exe words them; those without a translation keep clang's words."""
    found = []
    pattern = r"^(.+?):(\d+):\d+: (?:fatal )?error: (.*)$"
    for path, line, message in re.findall(pattern, output, re.MULTILINE):
        said = f"error: {message}"
        for theirs, ours in _ERRORS:
            if match := re.fullmatch(theirs, message):
                said = match.expand(ours)
                break
        found.append(f"{source if path == file else path}({line}): {said}")
    return found or output.splitlines()
