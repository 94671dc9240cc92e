"""verify:dist - the wheels as a user has them: pip install, and nothing of this build near.

an unpacked Windows Python and its pip, in "build/.../proof/My Python ü"
  + dependencies: locked (uv), or with verify:dist-from-index as pip finds them
  + python -m pip install ffcv fastxtend, from dist
  -> imported, a dataset written, read and trained on
the same wheel in a venv, in the layout of python.org's embeddable package, beside opencv-python
explain: does it load on a clean Windows 10, 11, N, server
  -> verify/dist.json
"""

import re
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tasks import dist, verify
from tasks.core import host, manifest, process
from tasks.core.config import PortableEnvironment, PortablePython
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, remove_tree
from tasks.core.job import Job
from tasks.core.manifest import Made
from tasks.core.project import Project
from tasks.pythons import portable, windows_python
from tasks.stage import stage

WINDOWS = ("10", "11", "N", "server")
# What python.org's Python has of Microsoft's runtime.
_OWN_RUNTIME = {"vcruntime140.dll", "vcruntime140_1.dll"}


# python -m venv, which copies files.
_VENV = ["-m", "venv"]
if windows_python.HERE.needs_wine:
    _RUN = "import runpy, sys; sys.argv[0] = 'venv'; runpy.run_module('venv', run_name='__main__')"
    _VENV = ["-c", f"{windows_python.WITHOUT_COPYFILE2}; {_RUN}"]


@dataclass
class Proof:
    """One proof: where it is, and the steps that it took.

    Attributes:
        python: the folder of the Python into which the wheels are installed.
        steps: what was shown, in how many seconds.
    """

    project: Project
    job: Job
    folder: Path
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def python(self) -> Path:
        return self.folder / "My Python ü"

    def step(self, name: str, started: float, detail: str = "") -> None:
        """A step is done, and took the time since `started` (time.monotonic())."""
        seconds = round(time.monotonic() - started, 1)
        self.steps.append({"name": name, "seconds": seconds, "detail": detail})
        self.job.note(f"{name}: {seconds} s {detail}")

    def run(
        self,
        python: Path,
        arguments: Sequence[str | Path],
        *,
        timeout: float = 1800,
        variables: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> list[str]:
        """Run a Windows Python; returns what it printed.

        Raises:
            BuildError: with `check`, if it failed.
        """
        show = windows_python.HERE.path
        finished, lines = windows_python.run(
            self.project, arguments, self.job,
            timeout=timeout, cwd=self.folder, python=python,
            variables={"PYTHONPYCACHEPREFIX": show(self.folder / "bytecode"), **(variables or {})},
        )  # fmt: skip
        if finished.status and check:
            words = " ".join(str(a.name if isinstance(a, Path) else a) for a in arguments[:4])
            raise BuildError(
                f"python {words} ended with status {finished.status}",
                log=self.job.log, tail=finished.tail,
            )  # fmt: skip
        return lines

    def pip(self, *arguments: str | Path, environment: Path | None = None) -> None:
        """Run the Windows Python's own pip, for itself or another environment."""
        options: list[str | Path] = ["-m", "pip", "--no-input", "--disable-pip-version-check"]
        if environment is not None:
            options += ["--python", environment]
        self.run(
            self.python / "python.exe",
            [*options, "install", "--progress-bar", "off", "--no-warn-script-location", *arguments],
            variables=_pip_variables(self.project),
        )

    def use(
        self, name: str, python: Path, expected: Path, variables: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Decode a picture with the FFCV of an environment, which must lie below `expected`."""
        started = time.monotonic()
        lines = self.run(python, [verify.CHECKS / "first_use.py"], variables=variables)
        outcome = windows_python.last_json(lines) or {}
        where = str(outcome.get("ffcv", ""))
        if not where.lower().startswith(windows_python.HERE.path(expected).lower()):
            raise BuildError(
                f"{name}: the FFCV that was imported is {where}, and not the one in {expected}",
                log=self.job.log,
            )
        opencv = " and ".join(outcome["opencv"])
        self.step(name, started, f"ffcv {outcome['version']} beside {opencv}")
        return outcome


def _pip_variables(project: Project) -> dict[str, str]:
    """What the Windows pip is told: where its cache and the host's certificates are."""
    show = windows_python.HERE.path
    certificates = host.environment().get("PIP_CERT")
    return {
        "PIP_CACHE_DIR": show(project.cache / "pip"),
        **({"PIP_CERT": show(Path(certificates))} if certificates else {}),
    }


def lay_python(source: Path, target: Path, keep: re.Pattern[str]) -> None:
    """Lay down an empty Windows Python, as python.org's: without a C++ runtime.

    Args:
        source: the unpacked one, with what its packer added.
        keep: names in site-packages that come along.
    """

    def ignored(folder: str, names: list[str]) -> set[str]:
        relative = Path(folder).relative_to(source).as_posix()
        if relative == "Lib/site-packages":
            return {name for name in names if not keep.fullmatch(name)}
        own = {"__pycache__"} & set(names)
        if relative != ".":
            return own
        runtime = {name for name in names if portable.CXX_RUNTIME.fullmatch(name)}
        return own | runtime | ({"Scripts"} & set(names))

    remove_tree(target)
    target.mkdir(parents=True)
    copy_tree(source, target, ignore=ignored)


def lay_embeddable(source: Path, target: Path, digits: str, packages: Sequence[Path]) -> None:
    """Lay down a Python as python.org's embeddable package has it.

    Everything is in one folder, the standard library in a zip archive, and a ._pth file says where
    modules are: https://docs.python.org/3/using/windows.html#the-embeddable-package

    Args:
        digits: of its version, as in python311.zip.
        packages: further folders for the ._pth file.
    """
    remove_tree(target)
    target.mkdir(parents=True)
    for path in [*source.glob("python*.*"), *(source / "DLLs").iterdir()]:
        if path.suffix in (".exe", ".dll", ".pyd"):
            shutil.copyfile(path, target / path.name)
    for name in _OWN_RUNTIME:
        shutil.copyfile(source / name, target / name)
    library = source / "Lib"
    with zipfile.ZipFile(target / f"python{digits}.zip", "w") as archive:
        for path in sorted(library.rglob("*.py")):
            relative = path.relative_to(library)
            if relative.parts[0] not in ("site-packages", "test", "idlelib", "lib2to3", "tkinter"):
                archive.write(path, relative.as_posix())
    lines = [f"python{digits}.zip", ".", r"Lib\site-packages"]
    lines += [windows_python.HERE.path(folder) for folder in packages]
    (target / f"python{digits}._pth").write_text("\n".join(lines) + "\n", encoding="utf-8")


def add_runtime(source: Path, target: Path) -> None:
    """Put beside python.exe what Microsoft's redistributable installs, and torch asks for."""
    for path in source.glob("*.dll"):
        if portable.CXX_RUNTIME.fullmatch(path.name):
            shutil.copyfile(path, target / path.name)


def constraints(requirements: Path) -> list[str]:
    """The pinned versions of a lock, NAME==VERSION, without their hashes."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if re.match(r"[\w.-]+==", line)]


def install(proof: Proof, locked: PortablePython, from_index: bool) -> None:
    """Install the wheels into the empty Python, with what they require."""
    project, site = proof.project, proof.python / "Lib" / "site-packages"
    wheels = [next(dist.dist_folder(project, n).glob("*.whl")) for n in dist.given_away(project)]
    requirements = project.root / locked.requirements
    started = time.monotonic()
    if from_index:
        pins = proof.folder / "constraints.txt"
        pins.write_text("\n".join(constraints(requirements)) + "\n", encoding="utf-8")
        also = project.config.verify.dist.also
        proof.pip("--constraint", pins, "--prefer-binary", *wheels, *also)
        what = f"{len(wheels)} wheels, and from the index what they require"
    else:
        portable.unpack_wheels(requirements, site, project.target, project.cache,
                               project.offline, proof.job)  # fmt: skip
        portable.place_runtime(site, proof.python, {p.name for p in proof.python.iterdir()})
        proof.step("dependencies, locked", started)
        started = time.monotonic()
        proof.pip("--no-index", *wheels)
        what = f"{len(wheels)} wheels"
    proof.step("pip install", started, what)


def prove(project: Project, from_index: bool, job: Job) -> Made:
    """Install the wheels as a user does, in every layout, and use them.

    Raises:
        BuildError: something did not work; says what.
    """
    environment = project.profile.environment
    if not windows_python.HERE.available():
        return verify.not_run()
    if not isinstance(environment, PortableEnvironment):
        return Made(
            "an empty Python is laid down from an archive, which this profile has not; "
            "run doit profile=zig verify:dist",
            status="not run",
        )
    locked = environment.pythons[project.target.version]
    source = project.source_tree(locked.artifact)
    folder = project.build / "proof"
    remove_tree(folder)
    proof = Proof(project, job, folder)
    started = time.monotonic()
    lay_python(source, proof.python, re.compile(r"pip(-.*)?"))
    proof.step("an empty Python", started)
    began = time.monotonic()
    install(proof, locked, from_index)
    in_empty(proof)
    minute = round(time.monotonic() - began, 1)
    in_layouts(proof, source)
    report = verify.report_file(project, "dist-from-index" if from_index else "dist")
    wheels = [path.name for path in dist.dist_folder(project).glob("*/*.whl")]
    manifest.write_json(
        report, {"wheels": sorted(wheels), "install_to_training": minute, "steps": proof.steps}
    )
    shutil.rmtree(folder, ignore_errors=True)
    return Made(
        f"pip install, import, round trip, training in {minute:.0f} s; {len(proof.steps)} steps",
        where=report,
    )


def in_empty(proof: Proof) -> None:
    """Import what people import, write a dataset, read it, and train on it."""
    project, python = proof.project, proof.python / "python.exe"
    started = time.monotonic()
    modules = project.config.verify.import_.modules
    proof.run(python, [verify.CHECKS / "imports.py", *modules])
    proof.step("import", started, ", ".join(modules))
    started = time.monotonic()
    data = proof.folder / "Datensätze 1"
    data.mkdir()
    seconds = project.config.verify.roundtrip.timeout_seconds
    checks = project.config.verify.dist.checks
    lines = proof.run(
        python,
        [verify.CHECKS / "roundtrip.py", data, str(seconds), *checks],
        timeout=seconds + 120,
        check=False,
    )
    outcome = windows_python.last_json(lines) or {"checks": [], "status": 1}
    failed = [check for check in outcome["checks"] if check["status"] != "passed"]
    if failed or not outcome["checks"]:
        what = "; ".join(f"{check['name']}: {check['detail']}" for check in failed)
        raise BuildError(f"the installed wheel fails: {what or 'no outcome'}", log=proof.job.log)
    names = [check["name"] for check in outcome["checks"]]
    proof.step("round trip and training", started, "; ".join(names))


def in_layouts(proof: Proof, source: Path) -> None:
    """Use the wheel in a venv, beside opencv-python and in the embeddable layout; explain it."""
    project = proof.project
    show = windows_python.HERE.path
    [wheel] = dist.dist_folder(project, "ffcv").glob("*.whl")
    only = ("--no-index", "--no-deps", "--force-reinstall", wheel)
    base = proof.python / "python.exe"

    venv = proof.folder / "venv"
    proof.run(base, [*_VENV, "--system-site-packages", "--without-pip", venv])
    proof.pip(*only, environment=venv / "Scripts" / "python.exe")
    proof.use("in a venv", venv / "Scripts" / "python.exe", venv)

    beside = proof.folder / "beside"
    [headless] = [
        line for line in constraints(_requirements(project))
        if line.startswith("opencv-python-headless==")
    ]  # fmt: skip
    process.run(
        [
            host.runner_program("uv"), "pip", "install", "--no-deps",
            "--python-platform", portable.UV_PLATFORM,
            "--python-version", project.target.version,
            "--target", beside, headless.replace("-headless", ""),
            *(["--offline"] if project.offline else []),
        ],
        log=proof.job.log, cwd=proof.folder, env=portable.uv_environment(project.cache),
        line=proof.job.line,
    )  # fmt: skip
    outcome = proof.use("beside opencv-python", base, proof.python, {"PYTHONPATH": show(beside)})
    if not outcome["cv2"].lower().startswith(show(beside).lower()):
        raise BuildError(f"the cv2 that was imported is {outcome['cv2']}", log=proof.job.log)

    embedded = proof.folder / "embeddable"
    packages = proof.python / "Lib" / "site-packages"
    lay_embeddable(source, embedded, project.target.digits, [packages])
    proof.pip("--target", embedded / "Lib" / "site-packages", *only)
    explained(proof, embedded)
    add_runtime(proof.python, embedded)
    proof.use("in the embeddable layout", embedded / "python.exe", embedded)


def explained(proof: Proof, python: Path) -> None:
    """What the model of the loader says of each clean Windows.

    Raises:
        BuildError: it does not load there.
    """
    import dllwhy

    for windows in WINDOWS:
        started = time.monotonic()
        explanation = dllwhy.explain_load("ffcv", python, windows=windows)
        if explanation.exit_status:
            raise BuildError(
                f"FFCV would not load on a clean Windows {windows}; run "
                f'doit explain --pe ffcv --env "{python}" --windows {windows}'
            )
        found = sum(len(closure.resolutions) for closure in explanation.closures)
        proof.step(f"loads on a clean Windows {windows}", started, f"{found} imports found")


def _requirements(project: Project) -> Path:
    environment = project.profile.environment
    assert isinstance(environment, PortableEnvironment)
    return project.root / environment.pythons[project.target.version].requirements


def create(project: Project) -> Iterator[dict[str, Any]]:
    """verify:dist and verify:dist-from-index."""
    wine = ["env:wine"] if windows_python.HERE.needs_wine else []
    wheels = [f"dist:{name}" for name in dist.given_away(project)]
    files = [verify.CHECKS / name for name in ("imports.py", "first_use.py")]
    files += sorted(verify.CHECKS.glob("roundtrip*.py"))
    if isinstance(project.profile.environment, PortableEnvironment):
        files.append(_requirements(project))
    for name, from_index, doc in (
        ("dist", False, "install the wheels into an empty Python, and use them"),
        ("dist-from-index", True, "the same, with what pip itself finds (not in the default run)"),
    ):
        yield stage(
            project,
            f"verify:{name}",
            doc,
            partial(prove, project, from_index),
            settings={
                "dist": project.config.verify.dist,
                "modules": project.config.verify.import_.modules,
            },
            needs=["env:python", *wine, *wheels],
            files=files,
            owns=[verify.report_file(project, name), project.build / "proof"],
        )
