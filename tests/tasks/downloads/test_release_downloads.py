"""The official releases of the msvc profile, as config.yaml names them, from a local server.

The archives have the names and the layout of the real ones: a self-extracting 7z of OpenCV, the
zip of pthreads-win32, Micromamba's bare program. Everything is asked through doit's own tasks.
"""

import hashlib
import io
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import py7zr
import pytest
import setuptools
import yaml
from http_server import Page, Server, serve
from support import ROOT

WORLD = {
    "opencv/build/include/opencv2/core.hpp": b"#pragma once\n",
    "opencv/build/include/opencv2/imgproc.hpp": b"#pragma once\n",
    "opencv/build/x64/vc15/bin/opencv_world460.dll": b"MZ world\n" * 9000,
    "opencv/build/x64/vc15/bin/opencv_world460d.dll": b"MZ debug\n" * 9000,
    "opencv/build/x64/vc15/lib/opencv_world460.lib": b"!<arch>\n" * 900,
    "opencv/sources/CMakeLists.txt": b"project(OpenCV)\n",
}


def self_extracting_opencv() -> bytes:
    stub = Path(setuptools.__file__).with_name("cli-64.exe").read_bytes()
    stream = io.BytesIO()
    with py7zr.SevenZipFile(stream, "w") as archive:
        for name, content in WORLD.items():
            archive.writestr(content, name)
    return stub + stream.getvalue()


def pthreads_zip(dll: bytes = b"MZ") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("Pre-built.2/include/pthread.h", "")
        archive.writestr("Pre-built.2/dll/x64/pthreadVC2.dll", dll)
        archive.writestr("Pre-built.2/dll/x64/msvcr100.dll", b"MZ runtime")
        archive.writestr("Pre-built.2/lib/x64/pthreadVC2.lib", b"!<arch>\n")
        archive.writestr("pthreads.2/pthread.c", "")
    return stream.getvalue()


class Releases:
    """A copy of the project whose releases are on the local server."""

    def __init__(self, server: Server, folder: Path):
        self.server, self.folder, self.cache = server, folder, folder / "cache"
        for name in ("dodo.py", "config.yaml"):
            shutil.copy(ROOT / name, folder)
        for name in ("tasks", "dllwhy", "patches", "envs"):
            shutil.copytree(ROOT / name, folder / name)
        path = folder / "config.yaml"
        text = path.read_text(encoding="utf-8")
        self.urls = re.findall(r"url: (https://\S+)", text)
        path.write_text(re.sub(r"url: https://[^/]+", f"url: {server.url}", text), encoding="utf-8")

    def path(self, name: str, host: str) -> str:
        """The path on the server of the release of this file name that is on `host`."""
        [url] = [url for url in self.urls if url.endswith(name) and host in url]
        return urlsplit(url).path

    def change(self, change) -> None:
        path = self.folder / "config.yaml"
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(data["artifacts"])
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")

    def doit(self, *tasks: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "doit", "profile=msvc", f"cache={self.cache}", *tasks],
            cwd=self.folder, capture_output=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def staged(self, library: str) -> set[str]:
        prefix = self.folder / "build" / "msvc-cp311" / "libs" / library
        return {p.relative_to(prefix).as_posix() for p in prefix.rglob("*") if p.is_file()}


OPENCV = ("opencv-4.6.0-vc14_vc15.exe", "github.com")
MIRROR = ("opencv-4.6.0-vc14_vc15.exe", "sourceforge")
PTHREADS = ("pthreads-w32-2-9-1-release.zip", "sourceware")
MICROMAMBA = ("micromamba-win-64.exe", "github.com")


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Releases]:
    with serve() as server:
        yield Releases(server, tmp_path)


def serve_at(releases: Releases, release: tuple[str, str], page: Page) -> None:
    releases.server.pages[releases.path(*release)] = page


def test_opencv_is_staged_from_its_self_extracting_release(releases):
    serve_at(releases, OPENCV, Page(self_extracting_opencv()))
    status, output = releases.doit("libs:opencv")
    assert status == 0, output
    assert "no hash is known beforehand" in output
    assert releases.staged("opencv") == {
        "bin/opencv_world460.dll",
        "include/opencv2/core.hpp",
        "include/opencv2/imgproc.hpp",
        "lib/opencv_world460.lib",
    }


def test_a_release_that_is_gone_comes_from_its_mirror(releases):
    serve_at(releases, MIRROR, Page(self_extracting_opencv()))
    status, output = releases.doit("libs:opencv")
    assert status == 0, output
    assert "bin/opencv_world460.dll" in releases.staged("opencv")


def test_a_release_behind_a_redirect_keeps_its_name(releases):
    releases.server.pages["/store/9d1c?name=x"] = Page(b"")
    releases.server.pages["/store/9d1c"] = Page(self_extracting_opencv())
    serve_at(releases, OPENCV, Page(redirect=f"{releases.server.url}/store/9d1c?name=x"))
    status, output = releases.doit("extract:opencv-release")
    assert status == 0, output
    assert [p.name for p in releases.cache.rglob("*.exe")] == ["opencv-4.6.0-vc14_vc15.exe"]


def test_a_connection_that_breaks_off_is_taken_up_again(releases):
    whole = self_extracting_opencv()
    serve_at(releases, OPENCV, Page(whole, etag='"1"', drops=[1000]))
    status, output = releases.doit("fetch:opencv-release")
    assert status == 0, output
    assert [p.read_bytes() for p in releases.cache.rglob("*.exe")] == [whole]


def test_a_truncated_release_is_said_so_and_does_not_bind_the_next_download(releases):
    whole = self_extracting_opencv()
    serve_at(releases, OPENCV, Page(whole[: len(whole) // 2]))
    status, output = releases.doit("libs:opencv")
    assert status != 0
    assert "opencv-4.6.0-vc14_vc15.exe" in output and "it was discarded" in output
    assert 'Run "doit profile=msvc cache=' in output  # the settings of this very run
    assert 'fetch:opencv-release extract:opencv-release" again' in output
    serve_at(releases, OPENCV, Page(whole))
    status, output = releases.doit("libs:opencv")
    assert status == 0, output


def test_a_login_page_instead_of_a_release_does_not_bind_either(releases):
    page = Page(b"<!DOCTYPE html><html>please log in</html>", content_type="text/html")
    serve_at(releases, OPENCV, page)
    status, output = releases.doit("libs:opencv")
    assert status != 0
    assert "web page" in output or "broken" in output
    serve_at(releases, OPENCV, Page(self_extracting_opencv()))
    assert releases.doit("libs:opencv")[0] == 0


def test_a_micromamba_with_another_hash_is_refused_and_discarded(releases):
    serve_at(releases, MICROMAMBA, Page(b"MZ something else"))
    status, output = releases.doit("fetch:micromamba")
    assert status != 0
    assert re.search(r"discarded: sha256 \w+\.\.\. instead of a6d804394b24", output), output
    assert "artifacts.micromamba.sources[0]" in output
    assert not list(releases.cache.rglob("*.exe"))


def test_the_pthreads_of_another_build_is_refused_by_its_content(releases):
    archive = pthreads_zip()
    digest = hashlib.sha256(archive).hexdigest()
    releases.change(lambda a: a["pthreads-win32"]["sources"][0].update(sha256=digest))
    serve_at(releases, PTHREADS, Page(archive))
    status, output = releases.doit("libs:pthreads")
    assert status != 0
    assert "bin/pthreadVC2.dll is" in output
    assert "libraries.pthreads.recipes.prebuilt.contents" in output


def test_a_release_that_is_nowhere_names_every_place(releases):
    status, output = releases.doit("fetch:opencv-release")
    assert status != 0
    assert "sources[0]" in output and "sources[1]" in output and "404" in output
