"""A folder of wheels is an index from which pip installs."""

import functools
import hashlib
import http.server
import re
import subprocess
import sys
import threading
import zipfile
from urllib.parse import unquote

import pytest
from wheel_files import MEMBERS, METADATA, write_wheel

from tasks.wheels import index

LOCAL = "thing-1.0+windows.1-py3-none-any.whl"


@pytest.fixture
def folder(tmp_path):
    version = METADATA.replace("Version: 1.0", "Version: 1.0+windows.1")
    version = "\n".join(x for x in version.splitlines() if not x.startswith("Requires")) + "\n"
    members = {
        name.replace("1.0.dist", "1.0+windows.1.dist"): content for name, content in MEMBERS.items()
    }
    members["thing-1.0+windows.1.dist-info/METADATA"] = version.encode()
    wheel = write_wheel(tmp_path / "dist" / "thing", members, LOCAL)
    index.write_pages(wheel.parent.parent)
    return wheel.parent.parent


def test_every_wheel_is_linked_with_its_hash(folder):
    page = (folder / "thing" / "index.html").read_text(encoding="utf-8")
    [(address, digest)] = re.findall(r'href="([^"#]+)#sha256=([0-9a-f]{64})"', page)
    assert unquote(address) == LOCAL
    assert digest == hashlib.sha256((folder / "thing" / LOCAL).read_bytes()).hexdigest()


def test_the_metadata_beside_a_wheel_is_the_one_in_it(folder):
    beside = (folder / "thing" / f"{LOCAL}.metadata").read_bytes()
    with zipfile.ZipFile(folder / "thing" / LOCAL) as archive:
        assert archive.read("thing-1.0+windows.1.dist-info/METADATA") == beside
    page = (folder / "thing" / "index.html").read_text(encoding="utf-8")
    assert f'data-core-metadata="sha256={hashlib.sha256(beside).hexdigest()}"' in page


def test_the_same_folder_gives_the_same_pages(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*.html")}
    index.write_pages(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*.html")} == before


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.mark.parametrize("how", ["index", "links"])
def test_pip_installs_from_it(folder, tmp_path, how):
    pytest.importorskip("pip")
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = (
        ["--index-url", f"http://127.0.0.1:{server.server_port}/"]
        if how == "index"
        else ["--no-index", "--find-links", str(folder / "thing")]
    )
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install",
             *source, "--no-cache-dir", "--target", str(tmp_path / "there"), "thing>=1.0"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        server.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "there" / "thing-1.0+windows.1.dist-info").is_dir()
