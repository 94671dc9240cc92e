"""Micromamba's command line on rattler, the solver and installer of pixi.

What of it the project and bootstrap.bat call: create, install, env export, clean --locks. Solving,
downloading, checking and linking is rattler's; how a command is given and what is printed around
rattler's own words is libmamba's (its sources: micromamba/src/env.cpp, libmamba/src/core/
transaction.cpp and package_fetcher.cpp, libmamba/src/download/downloader.cpp).

Each call is written down in the file MICROMAMBA_CALLS.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

LIBMAMBA = {"error": "error    libmamba", "critical": "critical libmamba"}
# For a Windows program that is run elsewhere.
WINDOWS = [("__win", "10.0.19045", "0"), ("__archspec", "1", "x86_64")]


def fail(message: str, *errors: str) -> NoReturn:
    """End as libmamba does where an exception reaches its main()."""
    for error in errors:
        print(LIBMAMBA["error"], error)
    print(LIBMAMBA["critical"], message)
    raise SystemExit(1)


def write_down(arguments: Sequence[str]) -> None:
    """Note how this program was called."""
    call = json.dumps({"arguments": [*arguments], "environment": dict(os.environ)})
    with Path(os.environ["MICROMAMBA_CALLS"]).open("a", encoding="utf-8") as calls:
        calls.write(call + "\n")


def packages_folder() -> Path:
    return Path(os.environ["CONDA_PKGS_DIRS"])


# --- What is asked for.


def read_request(path: Path) -> tuple[list[str], list[str]]:
    """The channels and the packages of an environment file."""
    import yaml

    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    specs = data["dependencies"]
    if not all(isinstance(spec, str) for spec in specs):
        fail("pip: is left to pip here")
    return data["channels"], specs


def virtual_packages() -> list[Any]:
    """What the machine has; CONDA_OVERRIDE_CUDA counts."""
    import rattler

    overrides = rattler.VirtualPackageOverrides.from_env()
    detected = [v.into_generic() for v in rattler.VirtualPackage.detect(overrides)]
    if os.name == "nt":
        return detected
    made = [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
        )
        for name, version, build in WINDOWS
    ]
    return made + [v for v in detected if v.name.normalized == "__cuda"]


async def solve(path: Path, more: list[str], locked: list[Any], offline: bool) -> list[Any]:
    """The packages that meet a request."""
    import rattler
    import rattler.exceptions

    channels, specs = read_request(path)
    config = rattler.ChannelConfig(os.environ["MAMBA_CHANNEL_ALIAS"].rstrip("/") + "/")
    gateway = rattler.Gateway(
        cache_dir=packages_folder() / "cache",
        default_config=rattler.SourceConfig(
            cache_action="force-cache-only" if offline else "cache-or-fetch"
        ),
        client=client(),
    )
    try:
        return await rattler.solve(
            sources=[rattler.Channel(name, config) for name in channels],
            platforms=["win-64", "noarch"],
            specs=[rattler.MatchSpec(spec) for spec in (*specs, *more)],
            gateway=gateway,
            locked_packages=locked,
            virtual_packages=virtual_packages(),
        )
    except rattler.exceptions.SolverError as error:
        solver = "Could not solve for environment specs"
        told = "".join(f"\n    {line}" for line in str(error).splitlines())
        fail(solver, solver + told)
    except rattler.exceptions.GatewayError as error:
        fail("Subdir conda-forge/noarch not loaded!", download_error(error))


async def explicit(path: Path) -> list[Any]:
    """The packages of a list of addresses, each with its MD5."""
    import rattler

    text = path.read_text(encoding="utf-8")
    records = []
    for address in text.partition("@EXPLICIT")[2].split():
        url, _, md5 = address.partition("#")
        name = url.rpartition("/")[2]
        index = packages_folder() / name.removesuffix(".conda") / "info" / "index.json"
        with tempfile.TemporaryDirectory() as folder:
            if not index.is_file():
                index = await fetch_index(url, Path(folder))
            record = rattler.PackageRecord.from_index_json(index, md5=md5)
        records.append(rattler.RepoDataRecord(record, name, url, url.rsplit("/", 2)[0]))
    return records


async def fetch_index(url: str, folder: Path) -> Path:
    """A package's index.json, which says what it depends on."""
    from rattler.package_streaming import PackageArchive

    try:
        archive = await PackageArchive.from_url(client(), url)
        content = await archive.read_file("info/index.json")
    except OSError as error:
        fail(download_error(error))
    path = folder / "index.json"
    path.write_bytes(content or b"")
    return path


def download_error(error: Exception) -> str:
    """What libmamba says of a server's refusal, and of all else."""
    refused = re.search(r"\((\d{3}) [^)]*\) for url \(([^)]+)\)", str(error))
    if refused:
        return f"Transfer finalized, status: {refused[1]} [{refused[2]}] 0 bytes\n{error}"
    return f"Download error {error}"


def client() -> Any:
    import rattler

    return rattler.Client.default_client(max_retries=1, timeout=60)


# --- What is done.


class Reporter:
    """Prints what libmamba prints."""

    def __init__(self, linked: dict[str, str]):
        self.linked = linked

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *arguments, **named: 0

    def on_link_start(self, operation: int, package_name: str) -> int:
        print("Linking", self.linked.get(package_name, package_name), flush=True)
        return 0


async def fill(arguments: argparse.Namespace) -> None:
    """create, install."""
    import rattler
    import rattler.exceptions

    prefix = arguments.prefix
    meta = prefix / "conda-meta"
    if arguments.command == "create" and prefix.exists() and not meta.exists():
        fail("Non-conda folder exists at prefix - aborting.")
    if arguments.file.suffix == ".txt":
        records = await explicit(arguments.file)
    else:
        locked = [rattler.PrefixRecord.from_path(path) for path in meta.glob("*.json")]
        records = await solve(arguments.file, arguments.specs, locked, arguments.offline)
    names = {r.name.normalized: r.file_name.removesuffix(".conda") for r in records}
    cache = rattler.PackageCache(packages_folder())
    if arguments.offline:
        index = await cache.index()
        for record in records:
            if not index.contains_record(record):
                fail(f"{names[record.name.normalized]} not found in the package cache")
    try:
        await rattler.install(
            records,
            target_prefix=prefix,
            package_cache=cache,
            platform=rattler.Subdir("win-64"),
            client=client(),
            reporter=Reporter(names),
        )
    except rattler.exceptions.InstallerError as error:
        if "hash mismatch" in str(error):
            fail("Found incorrect downloads. Aborting", f"File not valid: {error}")
        fail(download_error(error))
    with (meta / "history").open("a", encoding="utf-8") as history:
        history.write(f"==> {datetime.now():%Y-%m-%d %H:%M:%S} <==\n")
        history.writelines(f"+{record.url}\n" for record in records)


def export(prefix: Path, addresses: bool) -> None:
    """env export."""
    paths = sorted((prefix / "conda-meta").glob("*.json"))
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    if addresses:
        print("# platform: win-64\n@EXPLICIT")
        for record in records:
            print(f"{record['url']}#{record['md5']}")
        return
    print("name: \nchannels:\n  - conda-forge\ndependencies:")
    for record in records:
        print(f"  - {record['name']}={record['version']}={record['build']}")
    print(f"\nprefix: {prefix}")


def main(words: Sequence[str]) -> None:
    write_down(words)
    parser = argparse.ArgumentParser(prog="micromamba")
    for name in ("--no-rc", "--yes", "--locks", "--explicit", "--md5", "--offline"):
        parser.add_argument(name, action="store_true")
    for name in ("--root-prefix", "--prefix", "--file"):
        parser.add_argument(name, type=Path)
    parser.add_argument("command")
    parser.add_argument("specs", nargs="*")
    arguments = parser.parse_intermixed_args(words)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")
    if arguments.command in ("create", "install"):
        asyncio.run(fill(arguments))
    elif arguments.command == "env":
        export(arguments.prefix, arguments.explicit)
    elif arguments.command == "clean":
        for lock in packages_folder().glob("*.lock"):
            lock.unlink()


if __name__ == "__main__":
    status: object = 0
    try:
        main(sys.argv[1:])
    except SystemExit as end:
        status = end.code
    # rattler's threads outlive its work, and do not survive Python's own end.
    sys.stdout.flush()
    os._exit(status if isinstance(status, int) else 1)
