"""The pipeline: what starting, unpacking, downloading, copying and diagnosing cost, beside others.

Everything runs on the host. Each discipline has a reference of its own, which is named in the row.
"""

import hashlib
import http.server
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tasks.archives import archive
from tasks.benchmarks import cold, places
from tasks.benchmarks.asked import Asked, Measured
from tasks.benchmarks.measure import Row, rows
from tasks.core import host, manifest, process
from tasks.core.errors import BuildError
from tasks.core.files import remove_tree
from tasks.core.job import Job
from tasks.core.project import Project
from tasks.core.store import Store
from tasks.downloads import download

Contender = Callable[[], float]
Part = tuple[list[Row], dict[str, str]]

SIZES: dict[str, dict[str, Any]] = {
    "small": {"rounds": 1, "megabytes": 4, "source": "libjpeg-turbo-source", "whole": False},
    "full": {"rounds": 7, "megabytes": 256, "source": "opencv-source", "whole": True},
}
EMPTY_DODO = 'def task_nothing():\n    return {"actions": None}\n'


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def take_turns(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Measure in turns, backwards every second time; a first turn of each is not counted."""
    if rounds > 1:
        for work in contenders.values():
            work()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in list(contenders)[:: 1 if number % 2 == 0 else -1]:
            samples[name].append(contenders[name]())
    return samples


def _run(words: Sequence[str | Path], job: Job, cwd: Path) -> process.Finished:
    return process.run(words, log=job.log, cwd=cwd, env=host.environment({"CI": "1"}), check=False)


def settings_of(project: Project) -> list[str]:
    """doit's arguments for the same profile, Python and cache."""
    return [
        f"profile={project.profile_name}",
        f"python={project.target.version}",
        f"cache={project.cache}",
        f"offline={int(project.offline)}",
    ]


def starting(project: Project, size: Mapping[str, Any], job: Job) -> Part:
    """doit where nothing is to be done, beside an empty dodo.py."""
    empty = places.folder(project) / "empty"
    empty.mkdir(parents=True, exist_ok=True)
    (empty / "dodo.py").write_text(EMPTY_DODO, encoding="utf-8")
    doit = [sys.executable, "-m", "doit"]
    own = [*doit, *settings_of(project), "dlls"]
    first = _run(own, job, project.root)
    if first.status or not any("0 of " in line for line in first.tail):
        return [], {"doit dlls, nothing to do": "something is still to be done; run doit first"}
    contenders = {
        "an empty dodo.py": lambda: seconds(lambda: _run(doit, job, empty)),
        "doit dlls": lambda: seconds(lambda: _run(own, job, project.root)),
        "doit list": lambda: seconds(lambda: _run([*doit, "list"], job, project.root)),
    }
    samples = take_turns(contenders, size["rounds"])
    return rows("nothing to do", "s", samples, "an empty dodo.py"), {}


def _fresh(folder: Path, work: Callable[[], object]) -> float:
    """Seconds that filling a folder takes, which is made or emptied before."""
    remove_tree(folder)
    folder.mkdir(parents=True)
    return seconds(work)


def unpacking(project: Project, size: Mapping[str, Any], job: Job) -> Part:
    """Our checking unpacker beside 7zz and bsdtar, for each format."""
    work = places.folder(project) / "unpacking"
    source = project.source_tree(size["source"])
    if not source.is_dir():
        return [], {"unpacking": f"{size['source']} is not here; run doit extract:{size['source']}"}
    target = work / "out"
    bsdtar = host.program("bsdtar") or (host.program("tar") if host.WINDOWS else None)
    seven = host.program("7zz") or host.program("7z")
    found: list[Row] = []
    missing = {
        **({} if bsdtar else {"bsdtar": "not found; Debian's package libarchive-tools"}),
        **({} if seven else {"7zz": "not found; Debian's package 7zip"}),
    }
    for kind in ("tar.gz", "zip", "7z"):
        packed = _packed(source, work / f"{size['source']}.{kind}", kind)
        contenders: dict[str, Contender] = {
            "this project": lambda packed=packed: seconds(  # type: ignore[misc]
                lambda: archive.unpack(packed, target)
            )
        }
        if bsdtar:
            words: list[str | Path] = [bsdtar, "-xf", packed, "-C", target]
            contenders["bsdtar"] = partial(_fresh, target, partial(_run, words, job, work))
        if seven and kind != "tar.gz":  # of which it makes a .tar
            words = [seven, "x", "-y", f"-o{target}", packed]
            contenders["7zz"] = partial(_fresh, target, partial(_run, words, job, work))
        samples = take_turns(contenders, size["rounds"])
        reference = "7zz" if "7zz" in samples else "bsdtar"
        found += rows(f"unpack {packed.name}", "s", samples, reference)
    remove_tree(target)
    return found, missing


def _packed(source: Path, file: Path, kind: str) -> Path:
    """A folder as an archive, made once."""
    if file.is_file():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(file.name + ".tmp")
    if kind == "7z":
        import py7zr

        with py7zr.SevenZipFile(unfinished, "w") as made:
            made.writeall(source, source.name)
        return unfinished.replace(file)
    form = {"tar.gz": "gztar", "zip": "zip"}[kind]
    made_as = shutil.make_archive(str(unfinished), form, source.parent, source.name)
    return Path(made_as).replace(file)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Sends one file, by the system's own sendfile."""

    file: Path

    def do_GET(self) -> None:
        with self.file.open("rb") as stream:
            self.send_response(200)
            self.send_header("Content-Length", str(os.fstat(stream.fileno()).st_size))
            self.end_headers()
            self.connection.sendfile(stream)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the screen is for the numbers."""


@contextmanager
def _served(file: Path) -> Iterator[str]:
    """A file at an address of this machine."""
    handler = type("Handler", (_Handler,), {"file": file})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{file.name}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def downloading(project: Project, size: Mapping[str, Any], job: Job) -> Part:
    """Our download, which verifies as it receives, beside curl on the loopback interface."""
    curl = host.program("curl")
    work = places.folder(project) / "downloading"
    work.mkdir(parents=True, exist_ok=True)
    megabytes, file = size["megabytes"], work / f"{size['megabytes']}.bin"
    if not file.is_file():
        file.write_bytes(os.urandom(megabytes * 1_000_000))
    digest = manifest.sha256_of(file)
    target = work / "received"

    def rate(work_: Callable[[], object]) -> float:
        target.unlink(missing_ok=True)
        return float(megabytes) / seconds(work_)

    with _served(file) as url:
        contenders: dict[str, Contender] = {
            "this project": lambda: rate(lambda: download.download(url, target, sha256=digest))
        }
        if curl:
            words: list[str | Path] = [curl, "-sS", "--noproxy", "*", "-o", target, url]
            contenders["curl"] = lambda: rate(lambda: _run(words, job, work))

            def checked() -> None:
                _run(words, job, work)
                with target.open("rb") as stream:
                    if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                        raise BuildError("curl received another file")

            contenders["curl, then sha256"] = lambda: rate(checked)
        samples = take_turns(contenders, size["rounds"])
    for path in (target, target.with_name(target.name + ".lock")):
        path.unlink(missing_ok=True)
    missing = {} if curl else {"curl": "not found"}
    return rows(f"download {megabytes} MB, loopback", "MB/s", samples, "curl"), missing


def copying(project: Project, size: Mapping[str, Any], job: Job) -> Part:
    """A library from the store, which is checked against its list, beside a plain copy."""
    store = Store(project.store, job.warn)
    kept = [entry for entry in store.entries() if entry.key.name in project.profile.libraries]
    if not kept:
        return [], {"the store": "it is empty"}
    entry = max(kept, key=lambda entry: entry.size)
    target = places.folder(project) / "copying"

    def plain() -> float:
        remove_tree(target)
        return seconds(lambda: shutil.copytree(entry.folder, target))

    def taken() -> float:
        remove_tree(target)
        return seconds(lambda: store.take(entry.key, target))

    samples = take_turns({"a plain copy": plain, "the store": taken}, size["rounds"])
    remove_tree(target)
    return rows(f"{entry.key.name}, {entry.size / 1e6:.0f} MB", "s", samples, "a plain copy"), {}


def diagnosing(project: Project, size: Mapping[str, Any], job: Job) -> Part:
    """dllwhy for a file, a package and a whole environment, beside the import of its reader."""
    found = sorted((project.site_packages / "ffcv").glob("_libffcv*.pyd"))
    if not found:
        return [], {"dllwhy": "FFCV is not built here"}
    python: list[str | Path] = [sys.executable]
    why: list[str | Path] = [*python, "-m", "dllwhy"]
    here: list[str | Path] = ["--env", project.environment]
    words: dict[str, list[str | Path]] = {
        "import lief": [*python, "-c", "import lief"],
        "dllwhy FILE": [*why, found[0], *here],
        "dllwhy ffcv": [*why, "ffcv", *here],
    }
    if size["whole"]:
        words["dllwhy audit, whole environment"] = [*why, "audit", *here]
    contenders: dict[str, Contender] = {
        name: lambda each=each: seconds(  # type: ignore[misc]
            lambda: _run(each, job, project.root)
        )
        for name, each in words.items()
    }
    return rows("dllwhy", "s", take_turns(contenders, min(size["rounds"], 3)), "import lief"), {}


def run(project: Project, asked: Asked, job: Job) -> Measured:
    """Measure.

    Returns:
        rows; what was not measured, and why; details.
    """
    chosen, found, missing = SIZES[asked.size], list[Row](), dict[str, str]()
    details: dict[str, Any] = {"reference": "the one with 1.00"}
    for part in (starting, unpacking, downloading, copying, diagnosing):
        job.note(f"pipeline: {part.__name__}")
        more, why = part(project, chosen, job)
        found += more
        missing |= why
    if chosen["whole"]:
        job.note("pipeline: a cold run up to dlls, in a copy of this clone")
        more, details["cold run"] = cold.run(project, settings_of(project), asked.needs, job)
        found += more
    else:
        missing["a cold run"] = "size small"
    return found, missing, details
