"""The stand-in's programs by name; lib.exe, rc.exe and zig.exe are here."""

import re
from pathlib import Path, PureWindowsPath

from standin.cl import cl
from standin.link import link
from standin.request import ZIG, ProgramError, Request, Run, arguments_of, option_of


def run(request: Request, tools: Path) -> tuple[int, str, list[list[str]]]:
    """Do what a program is asked.

    Args:
        tools: the folder of the toolset, VC/Tools/MSVC/VERSION.

    Returns:
        exit status, output, and the commands that were run.
    """
    this = Run(request, tools)
    program = {"cl": cl, "link": link, "lib": lib, "rc": rc, "zig": zig}[request.program]
    try:
        program(this)
        status = 0
    except ProgramError as failure:
        this.lines.append(str(failure))
        status = failure.status
    return status, "".join(f"{line}\n" for line in this.lines), this.commands


def lib(this: Run) -> None:
    """lib.exe: put object files into a library."""
    request = this.request
    words = arguments_of(request)
    names = [word for word in words if option_of(word) is None]
    if not names:
        this.lines.append(f"Microsoft (R) Library Manager Version 14.{this.minor} (stand-in)")
        return
    output = str(PureWindowsPath(names[0]).with_suffix(".lib"))
    for word in words:
        if word[:5].upper() == "/OUT:":
            output = word[5:]
    members = []
    for name in names:
        file = request.search(name, request.folders("LIB"))
        if file is None:
            raise ProgramError(1181, f"LINK : fatal error LNK1181: cannot open input file '{name}'")
        members.append(file)
    target = request.host(output)
    target.unlink(missing_ok=True)
    status, said = this.zig([ZIG, "ar", "rcs", target, *members])
    if status:
        raise ProgramError(1, said)


def rc(this: Run) -> None:
    """rc.exe: compile resources. zig's compiler takes rc.exe's options."""
    request = this.request
    if not request.arguments:
        this.lines.append("Microsoft (R) Windows (R) Resource Compiler (stand-in)")
        return
    options: list[str | Path] = []
    files: list[Path] = []
    words = iter(request.arguments)
    for word in words:
        option = option_of(word)
        if option is None:
            files.append(request.host(word))
        elif option[:2].lower() == "fo":
            options += ["/fo", request.host(option[2:] or next(words))]
        elif option[:1].lower() == "i":
            options += ["/i", request.host(option[1:] or next(words))]
        elif option[:1].lower() == "d":
            options += ["/d", option[1:] or next(words)]
    for folder in request.folders("INCLUDE"):
        options += ["/i", request.host(folder)]
    status, said = this.zig([ZIG, "rc", *options, "--", *files])
    if status:
        raise ProgramError(1, f"fatal error RC1015: {said}")


def zig(this: Run) -> None:
    """zig.exe, which cannot compile under Wine: the host's, with the host's names of files."""

    def as_host_says(match: re.Match[str]) -> str:
        return match[1] + str(this.request.host(match[2]))

    # -I, -L and files; a path has a drive, or is relative with a backslash.
    path = r"(-[ILo]|)([A-Za-z]:[\\/].*|[^-].*\\.*)"
    words = [re.sub(f"^{path}$", as_host_says, word) for word in this.request.arguments]
    status, said = this.zig([ZIG, *words])
    this.lines += said.splitlines()
    if status:
        raise ProgramError(status, "")
