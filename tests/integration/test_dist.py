"""The wheels to give away: what is in them, what they say of themselves, and that pip is enough."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from support import ROOT, cache
from wheel_files import write_wheel

from dllwhy import pe
from tasks.core import host
from tasks.pythons.portable import uv_environment
from tasks.wheels import contents

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]

# The name by which a requirement is imported, where it is another one.
IMPORTED_AS = {"opencv-python-headless": "cv2", "pillow": "PIL"}
# Imported in a function or a try, for what most people do not use; no wheel can require it.
NOT_REQUIRED = {"astor", "cupy"}


@pytest.fixture(scope="module")
def given(clone, first_run):
    """The clone with its wheels."""
    assert first_run.status == 0, first_run.output
    run = clone.doit("dist")
    assert run.status == 0, run.output
    return clone


@pytest.fixture(scope="module")
def ffcv(given) -> Path:
    [wheel] = (given.folder / "dist" / "ffcv").glob("*cp311*.whl")
    return wheel


@pytest.fixture(scope="module")
def release_tools() -> Path:
    """The programs that check a wheel before it is given away."""
    folder = ROOT / "build" / "tests" / "release tools"
    uv, env = host.runner_program("uv"), uv_environment(cache())
    python = folder / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder],
        [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes",
         "--requirements", ROOT / "envs" / "release.txt"],
    ):  # fmt: skip
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode and "error sending request" in done.stderr:
            pytest.skip("the package registry cannot be reached")
        assert done.returncode == 0, done.stderr
    return python.parent


def test_its_dlls_are_inside_under_names_of_their_own(ffcv):
    members = contents.read(ffcv)
    dlls = [name for name in members if name.endswith(".dll")]
    assert len(dlls) == 4
    assert all(re.fullmatch(r"ffcv\.libs/\S+-[0-9a-f]{32}\.dll", name) for name in dlls)


def test_its_extension_asks_for_these_names(ffcv, tmp_path):
    members = contents.read(ffcv)
    [name] = [name for name in members if name.endswith(".pyd")]
    extension = tmp_path / "it.pyd"
    extension.write_bytes(members[name])
    inside = {n.rpartition("/")[2] for n in members if n.endswith(".dll")}
    imports = {n for n in pe.read_pe(extension).imports if not n.startswith("api-ms-win-")}
    assert {n for n in imports if n.lower() not in ("kernel32.dll", "python311.dll")} < inside


def test_nothing_in_it_names_a_folder_of_this_machine(given, ffcv):
    names = [str(given.folder), str(Path.home()), str(cache()), str(ROOT)]
    for member, content in contents.read(ffcv).items():
        for name in names:
            assert name.encode() not in content, (member, name)


def imported(tree: ast.Module) -> set[str]:
    """The packages that a module imports, by their first name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names


def test_it_requires_what_it_imports_and_nothing_else(ffcv):
    members = contents.read(ffcv)
    metadata = Metadata.from_email(members[f"{contents.dist_info(members)}/METADATA"])
    wanted: dict[bool, set[str]] = {True: set(), False: set()}
    for requirement in metadata.requires_dist or []:
        name = requirement.name.lower()
        wanted[requirement.marker is None].add(IMPORTED_AS.get(name, name))
    modules = {n: ast.parse(c) for n, c in members.items() if n.endswith(".py")}
    everything = set().union(*map(imported, modules.values())) - {"ffcv"}
    assert wanted[True] <= everything
    assert everything - NOT_REQUIRED == wanted[True] | wanted[False]


def test_its_patches_are_named_with_their_reasons(ffcv):
    members = contents.read(ffcv)
    text = members[f"{contents.dist_info(members)}/METADATA"].decode()
    patches = sorted((ROOT / "patches" / "ffcv-1.0.2").glob("*.patch"))
    assert len(patches) > 5
    for patch in patches:
        assert f"- `{patch.stem}`: " in text


def test_the_list_of_what_is_in_it_is_valid_and_true(ffcv, release_tools):
    members = contents.read(ffcv)
    [name] = [name for name in members if "/sboms/" in name]
    check = (
        "import sys; from cyclonedx.schema import SchemaVersion;"
        "from cyclonedx.validation.json import JsonStrictValidator;"
        "wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read());"
        "sys.exit(str(wrong) if wrong else 0)"
    )
    done = subprocess.run(
        [release_tools / "python", "-c", check], input=members[name].decode(),
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    listed = json.loads(members[name])
    files = {f["name"] for part in listed["components"] for f in part.get("components", [])}
    assert files == {n for n in members if n.endswith(".dll")}
    names = {part["name"] for part in listed["components"]}
    assert {"OpenCV", "libjpeg-turbo", "pthreads-win32"} < names


def test_twine_has_nothing_to_complain_of(given, release_tools):
    wheels = sorted((given.folder / "dist").glob("*/*.whl"))
    done = subprocess.run(
        [release_tools / "twine", "check", "--strict", *wheels],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == len(wheels) >= 2


def test_fastxtend_asks_for_an_ffcv_that_this_one_is(given, ffcv):
    [wheel] = (given.folder / "dist" / "fastxtend").glob("*.whl")
    members = contents.read(wheel)
    metadata = Metadata.from_email(members[f"{contents.dist_info(members)}/METADATA"])
    [asked] = [
        r for r in metadata.requires_dist or [] if r.name == "ffcv" and "'ffcv'" in _marker(r)
    ]
    version = ffcv.name.split("-")[1]
    assert asked.specifier.contains(version)


def _marker(requirement: Requirement) -> str:
    return str(requirement.marker).replace('"', "'")


def test_a_second_build_elsewhere_gives_the_same_bytes(given):
    run = given.doit("reproduce")
    assert run.status == 0, run.output
    assert run.output.count("the same ") == 2
    assert not (given.folder / "build" / "again").exists()


def test_a_byte_that_differs_is_named(given, ffcv, tmp_path):
    members = contents.read(ffcv)
    [name] = [n for n in members if n.endswith(".pyd")]
    content = bytearray(members[name])
    content[4711] ^= 1
    write_wheel(tmp_path, members | {name: bytes(content)}, ffcv.name)
    [other] = (given.folder / "dist" / "fastxtend").glob("*.whl")
    (tmp_path / other.name).write_bytes(other.read_bytes())
    run = given.doit("reproduce", "--against", str(tmp_path))
    assert run.status == 1
    assert f"{name}: byte 4,711 of" in run.output


def test_the_wheels_work_where_nothing_of_this_build_is(given):
    run = given.doit("verify:dist")
    assert run.status == 0, run.output
    outcome = json.loads((given.build / "verify" / "dist.json").read_text(encoding="utf-8"))
    steps = [step["name"] for step in outcome["steps"]]
    for wanted in (
        "pip install", "import", "round trip and training", "in a venv", "beside opencv-python",
        "in the embeddable layout", "loads on a clean Windows 10", "loads on a clean Windows 11",
        "loads on a clean Windows N", "loads on a clean Windows server",
    ):  # fmt: skip
        assert wanted in steps


def test_the_workflows_are_as_github_reads_them(release_tools):
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    done = subprocess.run(
        [release_tools / "actionlint", *workflows], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_workflows_give_nothing_away(release_tools):
    done = subprocess.run(
        [release_tools / "zizmor", "--offline", "--min-severity", "medium", ".github/workflows"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
