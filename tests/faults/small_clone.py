"""A clone of the project that is built in seconds: its own graph, with small archives.

    loopback server: python.zip, thing.zip, an index with the wheel of `thing`
      -> fetch, extract, env:python, env:packages (uv), libs:thing

The code, dodo.py and the tasks are the real ones; only config.yaml and envs/ are cut down.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from http_server import Page, Server

ROOT = Path(__file__).resolve().parents[2]
TASKS = ("fetch", "extract", "env:python", "env:packages", "libs")
# What a run makes only for itself, or for people.
_NO_PRODUCTS = {".doit.db", ".lock", ".programs", "logs", "times.json"}


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _wheel(modules: int) -> bytes:
    """The wheel of `thing` 1.0: pure Python, of many files."""
    info = "thing-1.0.dist-info"
    files = {f"thing/m{i}.py": b"x = %d\n" % i * 50 for i in range(modules)}
    files |= {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    return zip_of(files | {f"{info}/RECORD": record.encode()})


def publish(server: Server, files: int) -> dict[str, str]:
    """Put the archives on a server.

    Args:
        files: how many the larger of them hold.

    Returns:
        path -> sha256.
    """
    python = {"python.exe": b"MZ python", "libs/python311.lib": b"lib"}
    python |= {f"Lib/m{i}.py": b"y = %d\n" % i * 100 for i in range(files)}
    thing = {"bin/thing.dll": b"MZ thing" * 20_000, "lib/thing.lib": b"lib" * 100}
    thing |= {f"include/h{i}.h": b"// %d\n" % i * 100 for i in range(files)}
    wheel = _wheel(files)
    pages = {"/python.zip": zip_of(python), "/thing.zip": zip_of(thing)}
    pages["/thing-1.0-py3-none-any.whl"] = wheel
    name = "thing-1.0-py3-none-any.whl"
    link = f'<html><a href="/{name}#sha256={sha256(wheel)}">{name}</a></html>'
    server.pages["/simple/thing/"] = Page(link.encode(), "text/html")
    for path, body in pages.items():
        server.pages[path] = Page(body, etag=f'"{sha256(body)[:8]}"')
    return {path: sha256(body) for path, body in pages.items()}


def configuration(server: Server, hashes: Mapping[str, str]) -> dict[str, Any]:
    """The project's own config.yaml, with what the server has in place of what it names."""
    data: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))

    def source(path: str) -> dict[str, Any]:
        return {"url": server.url + path, "sha256": hashes[path]}

    stage = {"bin": ["bin/*.dll"], "include": ["include/"], "lib": ["lib/thing.lib"]}
    data["artifacts"]["python-3.11"] = {"sources": [source("/python.zip")]}
    data["artifacts"]["thing"] = {"sources": [{**source("/thing.zip"), "stage": stage}]}
    # Wine is not asked for in this clone; what it would get is any archive.
    data["artifacts"]["ucrtbase"] = {"sources": [source("/thing.zip")]}
    recipe = {"artifact": "thing", "link": ["thing"]}
    data["libraries"]["thing"] = {"recipes": {"prebuilt": recipe}}
    zig = data["profiles"]["zig"]
    zig["libraries"] = {"thing": "prebuilt"}
    zig["packages"] = []
    data["profiles"] = {"zig": zig}
    data["profile"] = {"windows": "zig", "elsewhere": "zig"}
    return data


class SmallClone:
    """A clone in `folder`, with a cache beside it."""

    def __init__(self, folder: Path, server: Server, files: int = 40, python: str = sys.executable):
        self.folder, self.server, self.python = folder, server, python
        self.cache = folder.with_name(folder.name + "-cache")
        hashes = publish(server, files)
        folder.mkdir(parents=True)
        for name in ("dodo.py", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        for name in ("tasks", "dllwhy", "patches", "envs"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        self.write_config(configuration(server, hashes))
        wheel = hashes["/thing-1.0-py3-none-any.whl"]
        (folder / "envs" / "zig-cp311.txt").write_text(
            f"thing==1.0 --hash=sha256:{wheel}\n", encoding="utf-8"
        )

    def write_config(self, data: dict[str, Any]) -> None:
        text = yaml.safe_dump(data)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

    @property
    def config(self) -> dict[str, Any]:
        path = self.folder / "config.yaml"
        data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return data

    @property
    def build(self) -> Path:
        return self.folder / "build" / "zig-cp311"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a run: this process's own without what would steer it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FFCVWIN_", "UV_", "PIP_", "PYTEST_"))
            and "PROXY" not in name.upper()
        }
        return {
            **kept,
            "FFCVWIN_CACHE": str(self.cache),
            "PIP_INDEX_URL": self.server.url + "/simple/",
            "PYTHONDONTWRITEBYTECODE": "",
        }

    def command(self, *arguments: str) -> list[str]:
        return [self.python, "-m", "tasks", *arguments]

    def doit(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run doit to its end."""
        variables = options.pop("variables", {})
        return subprocess.run(
            self.command(*arguments),
            **{"cwd": self.folder, "capture_output": True, "check": False, "timeout": 240,
               "encoding": "utf-8", "errors": "replace", **options},
            env=self.environment | variables,
        )  # fmt: skip

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start doit, in a session of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            **{"cwd": self.folder, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
               "stdin": subprocess.DEVNULL, "encoding": "utf-8", "errors": "replace",
               "start_new_session": True, **options},
            env=self.environment,
        )  # fmt: skip

    def products(self) -> dict[str, str]:
        """Every file that a run has made -> sha256; manifests among them."""
        return {
            path.relative_to(self.build).as_posix(): sha256(path.read_bytes())
            for path in sorted(self.build.rglob("*"))
            if path.is_file() and _NO_PRODUCTS.isdisjoint(path.relative_to(self.build).parts)
        }

    def orphans(self) -> list[str]:
        """The command lines of programs that are at work in this clone (Linux)."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                inside = str((entry / "cwd").readlink()).startswith(str(self.folder))
            except OSError:
                continue
            if inside or any(str(self.folder).encode() in word for word in words):
                found.append(b" ".join(words).decode("utf-8", "replace"))
        return [line for line in found if line and "watcher.py" not in line]
