"""A bundle is all that a build needs: what it makes of it without a network is the same."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from http_server import serve
from small_clone import TASKS, SmallClone

# An ordinary user may give up the network, too, where the system lets users have namespaces.
ALONE = ("unshare", "--map-root-user", "--net")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the script of a bundle is for Linux")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    with serve() as server:
        made = SmallClone(tmp_path_factory.mktemp("bundle") / "a clone", server)
        lock = (made.folder / "envs" / "zig-cp311.txt").read_text(encoding="utf-8")
        (made.folder / "envs" / "runner.txt").write_text(lock, encoding="utf-8")
        start = made.folder / "bootstrap.sh"
        start.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tasks "$@"\n', encoding="utf-8")
        done = made.doit(*TASKS, "bundle")
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


@pytest.fixture
def unpacked(clone, tmp_path) -> Path:
    [archive] = clone.build.glob("*.tar")
    folder = tmp_path / "ein Ort ü"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.stem


def build(folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    variables = {n: v for n, v in os.environ.items() if not n.startswith(("UV_", "PIP_", "FFCV"))}
    return subprocess.run(
        [*before, folder / "build-offline.sh", *TASKS], env=variables, cwd="/",
        capture_output=True, encoding="utf-8", check=False, timeout=240,
    )  # fmt: skip


def test_it_builds_the_same_where_there_is_no_network(clone, unpacked):
    if not shutil.which("unshare") or subprocess.run([*ALONE, "true"], check=False).returncode:
        pytest.skip("this system does not let its users give up the network (unshare --net)")
    tried = "import socket; socket.create_connection(('127.0.0.1', 1), 1)"
    alone = subprocess.run([*ALONE, sys.executable, "-c", tried], capture_output=True, check=False)
    assert b"Network is unreachable" in alone.stderr
    done = build(unpacked, *ALONE)
    assert done.returncode == 0, done.stdout + done.stderr
    there = object.__new__(SmallClone)
    there.folder = unpacked
    assert products(clone) and products(there) == products(clone)


def products(clone: SmallClone) -> dict[str, str]:
    """What it has built, without what uv notes of where a wheel came from."""
    notes = ("/RECORD", "/uv_cache.json")
    made = clone.products()
    return {n: h for n, h in made.items() if n[:4] in ("env/", "libs") and not n.endswith(notes)}


def test_every_file_is_listed_with_its_hash(unpacked):
    lines = (unpacked / "bundle" / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    listed = dict(reversed(line.split("  ", 1)) for line in lines)
    there = {p.relative_to(unpacked).as_posix() for p in unpacked.rglob("*") if p.is_file()}
    assert there - listed.keys() == {"bundle/SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((unpacked / name).read_bytes()).hexdigest() == digest


def test_a_file_that_was_altered_stops_it(unpacked):
    [wheel] = (unpacked / "bundle" / "wheels").glob("thing*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"!")
    done = build(unpacked)
    assert done.returncode == 1
    assert wheel.name in done.stdout
    assert "the bundle is damaged" in done.stderr
    assert not (unpacked / "build").exists()


def test_nothing_that_was_built_is_in_it(unpacked):
    assert not [p for p in unpacked.iterdir() if p.name in ("build", "dist", ".venv", ".git")]


def test_the_same_clone_gives_the_same_bundle(clone):
    [archive] = clone.build.glob("*.tar")
    before = archive.read_bytes()
    assert clone.doit("bundle").returncode == 0
    assert archive.read_bytes() == before


def test_without_network_no_bundle_is_made(clone):
    done = clone.doit("offline=1", "bundle")
    assert done.returncode != 0
    assert "a bundle is made with the network" in done.stdout
