"""vcvars - activates Microsoft's compiler, and returns what that changed as data.

    this process's environment, cleaned -> cmd.exe: vcvars64.bat, then Python prints os.environ
                                        -> Difference(set, prepended, removed)

https://learn.microsoft.com/cpp/build/building-on-the-command-line
"""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.core import process
from tasks.core.errors import BuildError

TIMEOUT_SECONDS = 300.0

# Names that an earlier activation leaves behind; compared in upper case.
_VARIABLES = {
    "INCLUDE", "EXTERNAL_INCLUDE", "LIB", "LIBPATH", "DEVENVDIR", "EXTENSIONSDKDIR",
    "VCINSTALLDIR", "VCIDEINSTALLDIR", "VCPKG_ROOT", "VSINSTALLDIR", "VISUALSTUDIOVERSION",
    "UNIVERSALCRTSDKDIR", "UCRTVERSION", "NETFXSDKDIR", "HTMLHELPDIR", "IFCPATH",
    "COMMANDPROMPTTYPE", "PLATFORM", "PREFERREDTOOLARCHITECTURE",
}  # fmt: skip
_PREFIXES = ("VCTOOLS", "VSCMD_", "WINDOWSSDK", "WINDOWSLIBPATH", "FRAMEWORK", "__")
# What the script below uses for itself.
_OWN = "FFCVWIN_VCVARS_"

# Python writes the environment down, since `set` knows neither letters beyond the console's code
# page nor line breaks; before as well, since cmd.exe and Windows add variables of their own.
_DUMP = (
    f'@"%{_OWN}PYTHON%" -I -S -c "import json, os, sys; '
    f"open(os.path.join(os.environ['{_OWN}RESULTS'], sys.argv[1]), 'w')"
    '.write(json.dumps(dict(os.environ)))"'
)
# Paths come in through variables, because a batch file would read %, & and ^ in them as its own;
# `call` even reads twice, so it gets a name without a folder.
SCRIPT = f"""\
@echo off
{_DUMP} before.json
cd /d "%{_OWN}FOLDER%"
if errorlevel 1 exit 1
call .\\vcvars64.bat
@set "{_OWN}STATUS=%ERRORLEVEL%"
{_DUMP} after.json
"""


@dataclass(frozen=True)
class Difference:
    """What an activation changed. Names are in upper case: Windows does not tell them apart.

    Args:
        set: name -> new value.
        prepended: name -> folders that came in front of what was there; PATH among them.
        removed: names that are gone.
    """

    set: Mapping[str, str]
    prepended: Mapping[str, list[str]]
    removed: list[str]

    def value(self, name: str) -> str:
        """The value of a variable in an environment that had none before, "" if there is none."""
        name = name.upper()
        return self.set.get(name, ";".join(self.prepended.get(name, [])))


def is_activation(name: str) -> bool:
    """Whether a variable of this name comes from an activated compiler."""
    return name.upper() in _VARIABLES or name.upper().startswith(_PREFIXES)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for the script: no traces of an earlier activation, and Windows' own PATH.

    vcvars64.bat fails on a user's PATH that is too long for a line of cmd.exe (8191 characters)
    or holds a quote, and only ever puts folders around it.
    """
    kept = {n.upper(): value for n, value in environment.items() if not is_activation(n)}
    windows = kept.get("SYSTEMROOT", r"C:\Windows")
    system = rf"{windows}\System32"
    folders = [system, windows, rf"{system}\Wbem", rf"{system}\WindowsPowerShell\v1.0"]
    # Telemetry starts PowerShell, which takes seconds.
    return kept | {"PATH": ";".join(folders), "VSCMD_SKIP_SENDTELEMETRY": "1"}


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    """What changed between two environments.

    Only a value that still ends with the old one counts as prepended; for PATH every new folder
    does, wherever it was put. Folders that differ in case or in a trailing backslash are the
    same.
    """
    old = {name.upper(): value for name, value in before.items()}
    new = {name.upper(): value for name, value in after.items()}
    changed: dict[str, str] = {}
    prepended: dict[str, list[str]] = {}
    for name, value in new.items():
        if name == "PATH":
            known = {folder_key(folder) for folder in _folders(old.get(name, ""))}
            added: dict[str, str] = {}
            for folder in _folders(value):
                added.setdefault(folder_key(folder), folder)
            folders = [folder for key, folder in added.items() if key not in known]
            if folders:
                prepended[name] = folders
        elif name not in old:
            changed[name] = value
        elif value != old[name]:
            if old[name] and value.endswith(";" + old[name]):
                prepended[name] = _folders(value.removesuffix(old[name]))
            else:
                changed[name] = value
    return Difference(changed, prepended, sorted(old.keys() - new.keys()))


def _folders(value: str) -> list[str]:
    """The folders of a variable like PATH."""
    return [folder for part in value.split(";") if (folder := part.strip().strip('"'))]


def folder_key(folder: str) -> str:
    """A folder for comparison: case and a trailing backslash do not count."""
    return folder.replace("/", "\\").rstrip("\\").casefold()


def activate(
    script: Path,
    environment: Mapping[str, str],
    *,
    log: Path,
    timeout: float = TIMEOUT_SECONDS,
    line: Callable[[str], None],
) -> Difference:
    """Run vcvars64.bat (Windows only).

    Args:
        script: vcvars64.bat of an installation.
        environment: what the programs of the host run in; `clean` is applied to it.
        log: what the script says goes there.
        timeout: seconds, after which it and all that it started are ended.
        line: called with each line that it prints.

    Returns:
        what it changed, without its private variables.

    Raises:
        BuildError: it failed, took too long, ended cmd.exe, or left VSINSTALLDIR unset.
    """
    env = clean(environment)
    with tempfile.TemporaryDirectory(prefix="ffcvwin-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        (folder / "activate.bat").write_text(SCRIPT, encoding="ascii", newline="\r\n")
        env |= {
            f"{_OWN}FOLDER": str(script.parent),
            f"{_OWN}PYTHON": sys.executable,
            f"{_OWN}RESULTS": str(folder),
        }
        cmd = Path(env.get("SYSTEMROOT", r"C:\Windows"), "System32", "cmd.exe")
        try:
            # /d: no AutoRun commands; /v:off: "!" is a letter like any other.
            finished = process.run(
                [cmd, "/d", "/e:on", "/v:off", "/c", r".\activate.bat"],
                log=log, cwd=folder, env=env, timeout=timeout, check=False, line=line,
            )  # fmt: skip
        except BuildError as error:
            raise BuildError(
                f"{script}: {error.message}; run it in a prompt of your own to see why",
                log=error.log, tail=error.tail,
            ) from error  # fmt: skip
        try:
            before, after = (
                json.loads((folder / name).read_text(encoding="ascii"))
                for name in ("before.json", "after.json")
            )
        except (OSError, ValueError):
            raise BuildError(
                f"{script} ended cmd.exe with exit status {finished.status} before its work was "
                f"done; {_REPAIR}",
                log=log, tail=finished.tail,
            ) from None  # fmt: skip
    status = after.pop(f"{_OWN}STATUS", "")
    if status != "0":
        raise BuildError(
            f"{script} failed with exit status {status}; {_REPAIR}", log=log, tail=finished.tail
        )
    # Two underscores mark what the script keeps for itself.
    after = {name: value for name, value in after.items() if not name.startswith("__")}
    changes = difference(before, after)
    if not changes.value("VSINSTALLDIR"):
        raise BuildError(
            f"{script} ended well but set no VSINSTALLDIR; {_REPAIR}", log=log, tail=finished.tail
        )
    return changes


_REPAIR = (
    "open the Visual Studio Installer, choose Repair for this installation, then run "
    '"doit toolchain" again'
)


def taken(environment: Mapping[str, str], folders: list[str]) -> Difference:
    """What an activation before this process has set: its variables, and `folders` of PATH."""
    variables = {n.upper(): v for n, v in environment.items() if is_activation(n)}
    return Difference(
        {n: v for n, v in sorted(variables.items()) if not n.startswith("__")},
        {"PATH": folders},
        [],
    )
