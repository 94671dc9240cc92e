"""dllwhy as a package of its own: what its wheel holds, what its README says, what it costs."""

import ast
import doctest
import email
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from console_blocks import blocks, commands, difference, run
from pe_files import make_dll, make_python
from support import ROOT

import dllwhy

HERE = ROOT / "dllwhy"
README = (HERE / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("built")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    shutil.copytree(HERE, folder / "dllwhy", ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder]
    done = subprocess.run([*command, folder / "dllwhy"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def sources() -> set[str]:
    """What belongs to the package: its modules, and its data."""
    files = [path for path in HERE.rglob("*") if "__pycache__" not in path.parts]
    kept = (".py", ".yaml", ".gz", ".typed")
    return {path.relative_to(ROOT).as_posix() for path in files if path.suffix in kept} | {
        "dllwhy/py.typed"
    }


def test_the_wheel_holds_every_module_and_all_data_and_nothing_else(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == sources()


def test_the_sdist_holds_the_same_with_readme_and_licence(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name.removeprefix("dllwhy/") for name in sources()}
    assert wanted | {"README.md", "LICENSE", "pyproject.toml"} <= names


def test_the_version_is_written_once(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    [name] = (n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("/METADATA"))
    metadata = email.message_from_bytes(zipfile.ZipFile(wheel).read(name))
    assert metadata["Version"] == dllwhy.__version__
    assert metadata["Requires-Python"] == ">=3.9"


def test_the_licence_is_the_projects() -> None:
    assert (HERE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_it_imports_nothing_but_itself_and_what_it_declares() -> None:
    declared = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    names = re.findall(r'^    "(\w+)[>=]=', declared, re.MULTILINE)
    own = {"yaml" if name == "pyyaml" else name for name in names}
    found = {name for file in HERE.rglob("*.py") for name in imported(file)}
    assert found - sys.stdlib_module_names - {"dllwhy"} == own


@pytest.mark.parametrize("file", sorted(HERE.rglob("*.py")), ids=lambda path: path.name)
def test_python_3_9_reads_every_module(file: Path) -> None:
    """The syntax; and no annotation is evaluated, for 3.9 has no `X | Y` of types."""
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 9))
    annotated = any(getattr(node, "annotation", None) for node in ast.walk(tree))
    assert "annotations" in imported_from(tree, "__future__") or not annotated


def imported_from(tree: ast.AST, module: str) -> set[str]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.name for node in nodes if node.module == module for alias in node.names}


def imported(file: Path) -> set[str]:
    """The top-level modules that a source imports."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_the_names_of_the_interface_are_there() -> None:
    assert all(getattr(dllwhy, name) for name in dllwhy.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dllwhy.nothing  # noqa: B018


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the README's examples are run in."""
    python = make_python(tmp_path / "Python 3.11")
    module = python / "Lib" / "site-packages" / "package" / "module.pyd"
    make_dll(module, ["other.dll"])
    make_dll(tmp_path / "staged" / "other.dll")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readmes_commands_print_what_it_says(folder: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("the README's commands are typed into bash")
    given = [c for block in blocks(README) if block.info == ("console",) for c in commands(block)]
    start = f'dllwhy() {{ "{sys.executable}" -m dllwhy "$@"; }}'
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"}
    given[0].text = f"{start}\n{given[0].text}"
    printed = run(given, folder, environment, timeout=120)
    assert given
    wrong = [difference(c.expected, p) for c, p in zip(given, printed, strict=True)]
    assert not any(wrong), "\n".join(filter(None, wrong))


def test_the_readmes_python_example_gives_what_it_says(folder: Path) -> None:
    [example] = (b for b in blocks(README) if b.info == ("python",))
    parsed = doctest.DocTestParser().get_doctest("\n".join(example.lines), {}, "README", None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(parsed).failed == 0
