"""Running Micromamba: with folders of its own, and its failures explained.

    CACHE/downloads/.../micromamba-win-64.exe  --create, install, env export-->  a prefix
    CACHE/mamba    its root prefix, in place of %APPDATA%\\mamba
    CACHE/pkgs     downloaded and unpacked packages, shared by all clones

Options: https://mamba.readthedocs.io/en/latest/user_guide/micromamba.html and --help; version 2.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tasks.core import host, long_paths, manifest, process
from tasks.core.errors import BuildError
from tasks.core.job import Job
from tasks.core.project import Project

# Of all CONDA_ and MAMBA_ variables these say what network and what machine this is; the
# others would make another environment than envs/ says.
# https://mamba.readthedocs.io/en/latest/user_guide/configuration.html
_NETWORK = {"MAMBA_CHANNEL_ALIAS", "MAMBA_SSL_VERIFY", "MAMBA_SSL_NO_REVOKE", "MAMBA_CACERT_PATH"}
_MACHINE = "CONDA_OVERRIDE_"

# conda-forge's package of PyTorch has files with 210 characters below the package cache (those of
# its own tests, in 2.7.1: https://github.com/conda/constructor/issues/1022).
LONGEST_PACKAGE_PATH = 210

SHOWN_LINES = 30

# The words are libmamba's, of libmamba/src in https://github.com/mamba-org/mamba: download/
# downloader.cpp, api/channel_loader.cpp, core/subdir_index.cpp, core/package_fetcher.cpp and
# core/transaction.cpp.
_DOWNLOAD = (
    r"download error|could not (resolve|connect)|connection (was )?(refused|reset|timed)|"
    r"timeout was reached|operation too slow|failed to load subdir|subdir \S+ not loaded|schannel|"
    r"transfer finalized, status|could not load repodata|download didn't finish|"
    r"failed to download package|"
    r"ssl (certificate|connect|peer)|http (status|response)|proxy (authentication|error|connect)"
)
_REFUSED = r"status: (40[0134]|410)\b"
_DAMAGED = (
    r"incorrect (sha256|md5|size|downloads)|checksum (mismatch|error|failed)|file not valid:|"
    r"error when extracting package|extraction failed"
)

# A branch of the tree by which a solver says why: libmamba's solver/problems_graph.cpp.
_BRANCH = re.compile(r"^(?P<indent>[ \u2502]*)[\u251c\u2514]\u2500 (?P<said>.+)$")
_SPEC = re.compile(
    r"^(?P<spec>.+?),? (is (not )?installable|is requested|can(not)? be installed|would require|"
    r"(which )?does not exist|(which )?is missing on the system|for which no candidates|"
    r"but there are no viable options|(which )?conflicts with|which can)"
)
_NOWHERE = r"does not exist|is missing on the system|no candidates were found"


def package_cache(cache: Path, drive: Path, unlimited: bool) -> Path:
    """Where conda packages are unpacked.

    Args:
        cache: the project's cache.
        drive: the root of the build's drive, used where a path in `cache` would be too long.
        unlimited: whether paths may have any length.
    """
    folder = cache / "pkgs"
    if unlimited or len(str(folder)) + 1 + LONGEST_PACKAGE_PATH <= long_paths.LIMIT:
        return folder
    return drive / "ffcvwin-pkgs"


def environment(root_prefix: Path, packages: Path) -> dict[str, str]:
    """The environment for Micromamba: this process's own, without what would steer it.

    Args:
        root_prefix: Micromamba's own folder; without it, it would use %APPDATA%\\mamba.
        packages: the package cache.
    """
    kept = {
        name: value
        for name, value in host.environment().items()
        if name.upper() in _NETWORK
        or name.upper().startswith(_MACHINE)
        or not name.upper().startswith(("CONDA", "_CONDA", "_CE_", "MAMBA", "PYTHON"))
    }
    own = {"MAMBA_ROOT_PREFIX": str(root_prefix), "CONDA_PKGS_DIRS": str(packages)}
    return kept | own | {"PYTHONNOUSERSITE": "1"}


def reason(lines: Sequence[str], offline: bool) -> str:
    """What Micromamba's last words mean, and what to do.

    Args:
        lines: everything that it printed.
        offline: whether it was told to use nothing but its cache.
    """
    text = "\n".join(lines)

    def said(pattern: str) -> bool:
        return re.search(pattern, text, re.IGNORECASE) is not None

    # A package list that cannot be loaded makes Micromamba 2 speak of a conflict in the end.
    if said(r"no space left|not enough space|disk full"):
        return 'the disk is full; make room: "doit prereqs" says how much a build takes'
    if said(r"(path|name|extension)( is)? too long|long[- ]path support (appears|is)|error 206"):
        return (
            "a path is too long for Windows; put the clone nearer to the drive's root, or allow "
            f"long paths as administrator: {long_paths.ENABLE}"
        )
    if offline and said(rf"could not solve|not found|{_DOWNLOAD}"):
        return (
            "this run is offline, and not all that it needs is in the cache; run it once with the "
            "network"
        )
    if said(_DAMAGED):
        return (
            "a package arrived damaged; behind a proxy or a virus scanner, look at what it lets "
            "through"
        )
    if said(_REFUSED):
        return (
            "the server has not what was asked for, or does not give it; is MAMBA_CHANNEL_ALIAS, "
            "where it is set, the address of a mirror that has the channels of envs/?"
        )
    if said(_DOWNLOAD):
        return (
            "packages could not be downloaded; is the network there? Behind a proxy, set "
            "HTTPS_PROXY; for a mirror, MAMBA_CHANNEL_ALIAS"
        )
    if said(r"access is denied|being used by another process|permission denied"):
        return "files of the environment are in use; close the programs that were started from it"
    if said(r"could not solve|could not be installed|are incompatible|nothing provides"):
        told = conflict(lines)
        if "__cuda" in text:
            return (
                f"no set of packages meets all that is asked for: {told}. __cuda is the CUDA that "
                "the NVIDIA driver of this machine runs: update the driver, or pass it over with "
                "CONDA_OVERRIDE_CUDA=0"
            )
        return (
            f"no set of packages meets all that is asked for: {told}. Loosen the versions in "
            "envs/, or choose another Python"
        )
    return "its last lines are below"


def conflict(lines: Sequence[str]) -> str:
    """What excludes what, in a few words.

    Args:
        lines: what was printed: a tree whose branches are specifications and, below each, what it
            wants. The solver's own words stay those of the specifications.
    """
    found = [match for line in lines if (match := _BRANCH.match(line))]
    if not found:
        plain = re.search(
            r"(?:No candidates were found for|nothing provides) (.+)", "\n".join(lines)
        )
        return f"no channel has {_spec(plain[1])}" if plain else "the conflict is below"
    top = min(len(match["indent"]) for match in found)
    head = re.search(r"because of: (.+ cannot be installed)", "\n".join(lines))
    roots = [head[1]] if head else [m["said"] for m in found if len(m["indent"]) == top]
    missing = [match for match in found if re.search(_NOWHERE, match["said"])]
    if missing:
        nowhere = _spec(missing[0]["said"])
        if not head and len(missing[0]["indent"]) == top:
            return f"no channel has {nowhere}"
        has = "this machine lacks" if nowhere.startswith("__") else "nothing that fits gives"
        return f"{_spec(roots[0])} wants {nowhere}, which {has}"
    return " and ".join(dict.fromkeys(map(_spec, roots))) + " exclude each other"


def _spec(said: str) -> str:
    """The specification in a branch; " *" stands for any version or build."""
    match = _SPEC.match(said)
    spec = match["spec"] if match else said
    return " ".join(re.sub(r"(?<=\S) =?\*+(?= |$)", "", spec).strip(" .,;").split())


class Micromamba:
    """Micromamba with folders of its own, for one job.

    Args:
        project: says where the cache is, and whether to stay offline.
        program: the task that has the program.
        job: gets log and lines.

    Raises:
        BuildError: the program is not there or not for this system, or there is no place for
            packages.
    """

    def __init__(self, project: Project, program: str, job: Job):
        made = manifest.read(project.manifest(program))
        if made is None or made.where is None:
            raise BuildError(f'Micromamba is not there; run "doit {program}"')
        self.program = made.where
        if os.name != "nt" and _starts_with(self.program, b"MZ"):
            raise BuildError(
                f"the {project.profile_name} profile makes its environment with a Windows program; "
                "run it on Windows, or take profile=zig here"
            )
        self.offline = project.offline
        self.root_prefix = project.cache / "mamba"
        drive = Path(project.build.anchor)
        self.packages = package_cache(project.cache, drive, long_paths.enabled())
        self.job = job
        try:
            self.packages.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BuildError(
                f"{self.packages}, the folder for conda packages, cannot be made "
                f"({error.strerror}); set FFCVWIN_CACHE to a short folder that can be written, "
                "C:\\ffcv for instance"
            ) from error

    def _run(self, command: Sequence[str], options: Sequence[str | Path], check: bool) -> list[str]:
        lines: list[str] = []

        def keep(line: str) -> None:
            lines.append(line)
            self.job.line(line)

        finished = process.run(
            # --no-rc: the user's .condarc and .mambarc are for the user's own environments.
            [self.program, *command, "--no-rc", "--yes", *options],
            log=self.job.log,
            cwd=self.packages,
            env=environment(self.root_prefix, self.packages),
            check=False,
            line=keep,
        )
        if check and finished.status != 0:
            solver = [i for i, line in enumerate(lines) if "Could not solve" in line]
            shown = lines[solver[0] :] if solver else lines[-process.TAIL_LINES :]
            raise BuildError(
                f"micromamba {command[0]} ended with exit status {finished.status}: "
                f'{reason(lines, self.offline)}. Then run "doit {self.job.name}" again',
                log=self.job.log,
                tail=tuple(shown[:SHOWN_LINES]),
            )
        return lines

    def fill(self, command: str, prefix: Path, file: Path, *specs: str) -> None:
        """`create` or `install` what a file says, and `specs`, in `prefix`."""
        options: list[str | Path] = ["--root-prefix", self.root_prefix, "--prefix", prefix]
        if self.offline:
            options.append("--offline")
        self._run([command], [*options, "--file", file, *specs], check=True)

    def unlock(self) -> None:
        """Remove the locks that a killed run left in the package cache."""
        self._run(["clean"], ["--locks"], check=False)

    def export(self, prefix: Path, *options: str) -> list[str]:
        """What is in `prefix`, as an environment file or, with --explicit, as addresses."""
        where: list[str | Path] = ["--root-prefix", self.root_prefix, "--prefix", prefix]
        lines = self._run(["env", "export"], [*where, *options], check=True)
        # Both streams are one here; its messages open with their level.
        return [line for line in lines if not re.match(r"(warning|info|error)\s+libmamba", line)]


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic
