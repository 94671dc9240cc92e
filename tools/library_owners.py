"""Make dllwhy/data/owners/*.txt.gz: which library has a header, a function, an import library.

Run by hand, on Debian:  python tools/library_owners.py

headers.txt.gz    header or folder of headers -> Debian's source package, from the index
                  "Contents", which Debian publishes; and what MinGW-w64 and libc++ in the
                  ziglang wheel have of Windows' own and of standard headers
libraries.txt.gz  name of a library (libNAME.so, libNAME.a) -> Debian's source package
functions.txt.gz  function of Windows -> import library of the SDK, from MinGW-w64's .def files in
                  the ziglang wheel, for x64

The same indexes give the same bytes. apt's own settings are not changed: the indexes go to a
folder of their own, from the mirror that apt is set up with.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "dllwhy" / "data" / "owners"
SDK_LIBRARIES = Path(__file__).with_name("sdk-libraries.txt")

# A library that fewer others use is left out, or the tables would be several times as large.
USERS = 3
# Where several have a name, the one with this many times the users of the next is meant.
CLEARLY = 5

# https://wiki.debian.org/RepositoryFormat#A.22Contents.22_indices; apt's option: apt.conf(5),
# Acquire::IndexTargets. The default targets have no Contents.
CONTENTS = """
Acquire::IndexTargets::deb::Contents-deb {
  MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)";
  ShortDescription "Contents-$(ARCHITECTURE)";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents";
};
"""
HEADER = re.compile(r"usr/include/(?:x86_64-linux-gnu/)?([\w.+/-]+)$")
LIBRARY = re.compile(r"usr/lib/(?:x86_64-linux-gnu/)?lib([\w+-]+)\.(?:so|a)$")
HEADER_NAME = re.compile(r"(?!_)[\w+-]+\.(?:h|hh|hpp|hxx|H)")

# A name in the folders of more libraries than these (util.h) says nothing.
COMMON = 3

# Functions that several libraries of Windows export are taken from the first of these.
PREFERRED = [
    "ucrt",
    "vcruntime",
    "kernel32",
    "user32",
    "gdi32",
    "advapi32",
    "shell32",
    "ole32",
    "oleaut32",
    "ws2_32",
    "winmm",
    "shlwapi",
    "comctl32",
    "crypt32",
    "bcrypt",
    "secur32",
    "iphlpapi",
    "psapi",
    "version",
    "setupapi",
    "opengl32",
]
LAST = {"ntdll", "wsock32", "nt"}
# MinGW's names of what are parts of the C runtime for MSVC's linker.
RUNTIME = {"ucrtbase": "ucrt", "vcruntime140": "vcruntime"}
X64 = ("-E", "-P", "-w", "-x", "c", "-target", "x86_64-windows-gnu")

Sources = Mapping[str, str]
Users = Mapping[str, int]
Table = dict[str, set[str]]


def packages(paragraphs: Iterable[str]) -> tuple[dict[str, str], dict[str, int]]:
    """Read Debian's index "Packages".

    Returns:
        {binary package: its source package}, {source package: how many others depend on it}.
    """
    sources: dict[str, str] = {}
    depends: dict[str, set[str]] = {}
    for paragraph in paragraphs:
        fields: dict[str, str] = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
        if "Package" in fields:
            source = fields.get("Source", fields["Package"]).split()[0]
            sources[fields["Package"]] = unversioned(source)
            needed = f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}"
            depends[fields["Package"]] = set(re.findall(r"(?:^|[,|])\s*([\w.+-]+)", needed))
    users: dict[str, set[str]] = defaultdict(set)
    for package, names in depends.items():
        for name in names & sources.keys():
            if sources[name] != sources[package]:
                users[sources[name]].add(sources[package])
    return sources, {source: len(others) for source, others in users.items()}


def unversioned(source: str) -> str:
    """A source package's name without the version that several are told apart by."""
    return re.sub(r"-?\d+\.\d+$|-\d+$", "", source)


def owned(
    contents: Iterable[str], sources: Sources, pattern: re.Pattern[str]
) -> Iterator[tuple[str, str]]:
    """(what the pattern's group finds, source package) of the lines of an index "Contents"."""
    for line in contents:
        path, _, where = line.rstrip().rpartition(" ")
        if match := pattern.fullmatch(path.rstrip()):
            for package in where.split(","):
                if source := sources.get(package.rsplit("/", 1)[-1]):
                    yield match[1], source


def header_keys(path: str) -> Iterator[tuple[str, int]]:
    """How a header may be asked for, and how sure that is (2: as it lies there, 1: with -I)."""
    parts = path.split("/")
    if len(parts) == 1:
        yield path, 2
        return
    yield f"{parts[0]}/", 2
    if len(parts) == 2 and HEADER_NAME.fullmatch(parts[1]):
        yield parts[1], 1
    # libxml2/libxml/, freetype2/freetype/, gtk-3.0/gtk/: pkg-config names the outer folder.
    if len(parts) == 3 and parts[0].startswith(parts[1]):
        yield f"{parts[1]}/", 1


def chosen(candidates: Mapping[str, int], users: Users, always: frozenset[str]) -> str | None:
    """The one owner of a name, of {owner: how sure}, or None where it is not clear."""
    best = max(candidates.values())
    owners = [o for o, sure in candidates.items() if sure == best]
    if best == 1 and len(owners) > COMMON:
        return None
    owners = [o for o in owners if o in always or users.get(o, 0) >= USERS]
    owners.sort(key=lambda owner: -users.get(owner, 0))
    if len(owners) > 1 and users.get(owners[0], 0) < CLEARLY * max(1, users.get(owners[1], 0)):
        return None
    return owners[0] if owners else None


def table(
    names: Iterable[tuple[str, int, str]], users: Users, always: frozenset[str] = frozenset()
) -> Table:
    """{owner: names} of (name, how sure, owner)."""
    candidates: dict[str, dict[str, int]] = defaultdict(dict)
    for name, sure, owner in names:
        candidates[name][owner] = max(sure, candidates[name].get(owner, 0))
    result: Table = defaultdict(set)
    for name, owners in candidates.items():
        if one := chosen(owners, users, always):
            result[one].add(name)
    return result


def windows_headers(include: Path, standard: Path) -> set[str]:
    """The names of Windows' and the standard library's headers, in small letters."""
    names = {file.name for file in include.iterdir() if HEADER_NAME.fullmatch(file.name)}
    files = (file.name for file in standard.iterdir() if file.is_file())
    names |= {name for name in files if re.fullmatch(r"[a-z]\w*", name)}
    return {name.lower() for name in names}


def functions(mingw: Path, libraries: Iterable[str]) -> Table:
    """{import library of the SDK: the functions that it has for x64}.

    Args:
        mingw: the folder lib/libc/mingw of zig, with lib-common and lib64.
        libraries: the SDK's import libraries, without .lib.
    """
    allowed = {*libraries, *RUNTIME.values()}
    exports: dict[str, set[str]] = defaultdict(set)
    # lib64 is for x64 alone; lib-common for every machine.
    for folder in (mingw / "lib64", mingw / "lib-common"):
        for file in sorted([*folder.glob("*.def"), *folder.glob("*.def.in")]):
            stem = file.name.split(".def")[0].lower()
            library = RUNTIME.get(stem, stem)
            if library in allowed and library not in exports:
                exports[library] = set(exported(definition(file, mingw)))
    order = [*PREFERRED, *sorted(exports.keys() - set(PREFERRED) - LAST), *sorted(LAST)]
    result: Table = {}
    seen: set[str] = set()
    for library in order:
        result[f"{library}.lib"] = exports.get(library, set()) - seen
        seen |= exports.get(library, set())
    return result


def definition(file: Path, mingw: Path) -> str:
    """A .def file; those that are made for every machine are preprocessed for x64."""
    if file.suffix == ".def":
        return file.read_text(encoding="utf-8")
    includes = (f"-I{mingw / 'lib-common'}", f"-I{mingw / 'def-include'}")
    command = [sys.executable, "-m", "ziglang", "cc", *X64, *includes, str(file)]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout


def exported(text: str) -> Iterator[str]:
    """The names that a .def file exports.

    https://learn.microsoft.com/cpp/build/reference/exports
    """
    for line in text.partition("EXPORTS")[2].splitlines():
        words = line.split(";")[0].split()
        name = words[0].partition("=")[0] if words else ""
        name = re.sub(r"@\d+$", "", name)
        if re.fullmatch(r"[A-Za-z_]\w+", name) and name != "EXPORTS":
            yield name


def render(table: Table, source: str) -> str:
    """The text of a table: a comment, then lines of an owner, a tab and its names."""
    lines = [f"# {source}"]
    for owner, names in sorted(table.items()):
        if names:
            lines.append(f"{owner}\t {' '.join(sorted(names))} ")
    return "\n".join(lines) + "\n"


def save(path: Path, table: Table, source: str) -> None:
    """Write a table, compressed: the same table gives the same bytes."""
    path.write_bytes(gzip.compress(render(table, source).encode(), compresslevel=9, mtime=0))
    print(f"{path.name}: {sum(map(len, table.values()))} names, {path.stat().st_size} bytes")


def indexes(folder: Path) -> tuple[str, Iterator[str], Iterator[str]]:
    """Debian's indexes: the release, paragraphs of Packages, lines of Contents."""
    settings = folder / "contents.conf"
    settings.write_text(CONTENTS, encoding="utf-8")
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True)
    options = (f"-oDir::State::lists={lists}", "-oAPT::Sandbox::User=root", "-c", str(settings))
    subprocess.run(["apt-get", *options, "-qq", "update"], check=True)
    ask = ["apt-get", *options, "indextargets", "--format", "$(CREATED_BY) $(CODENAME) $(FILENAME)"]
    targets = subprocess.run(ask, capture_output=True, check=True, encoding="utf-8").stdout
    files = [tuple(line.split(" ", 2)) for line in sorted(targets.splitlines())]
    # The release proper, without its updates: it changes a few times a year.
    main = min((codename for _, codename, _ in files), key=len)
    files = [entry for entry in files if entry[1] == main]
    dates = {date[1] for release in lists.glob(f"*_{main}_*Release")
             if (date := re.search(r"^Date: (.*)$", release.read_text("utf-8"), re.M))}  # fmt: skip
    release = f"Debian {main}, {', '.join(sorted(dates))}"
    return (
        release,
        iter("".join(_text(f) for kind, _, f in files if kind == "Packages").split("\n\n")),
        (line for kind, _, f in files if kind.startswith("Contents") for line in _lines(f)),
    )


def _text(file: str) -> str:
    command = ["/usr/lib/apt/apt-helper", "cat-file", file]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout


def _lines(file: str) -> Iterator[str]:
    for line in _text(file).splitlines():
        if line.startswith(("usr/include/", "usr/lib/")):
            yield line


def main() -> None:
    """Write the three tables."""
    owners = yaml.safe_load((DATA / "owners.yaml").read_text(encoding="utf-8"))
    # Debian's name of a source package -> the owner that it belongs to.
    belongs = {
        name: key for key, owner in owners.items() for name in owner.get("debian", "").split()
    }
    always = frozenset(owners)
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        sys.exit("ziglang is not installed: pip install ziglang")
    zig = Path(spec.origin).parent / "lib"
    version = f"ziglang {importlib.metadata.version('ziglang')}"
    with tempfile.TemporaryDirectory() as folder:
        release, paragraphs, contents = indexes(Path(folder))
        sources, users = packages(paragraphs)
        lines = list(contents)
    sources = {package: belongs.get(source, source) for package, source in sources.items()}
    own = windows_headers(zig / "libc/include/any-windows-any", zig / "libcxx/include")
    unix = re.compile(owners["unix"]["headers"], re.IGNORECASE)
    own = {name for name in own if not unix.fullmatch(name)}
    headers = table(
        (
            (key, sure, owner)
            for path, owner in owned(lines, sources, HEADER)
            for key, sure in header_keys(path)
            if key.lower() not in own
        ),
        users,
        always,
    )
    headers["windows"] = own
    source = f"{release}; {version}"
    save(DATA / "headers.txt.gz", headers, source)
    libraries = table(
        ((name.lower(), 2, owner) for name, owner in owned(lines, sources, LIBRARY)), users, always
    )
    save(DATA / "libraries.txt.gz", libraries, release)
    sdk = SDK_LIBRARIES.read_text(encoding="utf-8").split()
    save(DATA / "functions.txt.gz", functions(zig / "libc/mingw", sdk), version)


if __name__ == "__main__":
    main()
