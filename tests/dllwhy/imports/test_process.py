"""The process before a module of a package is loaded."""

from pathlib import Path

import pytest
from installed_packages import DELVEWHEEL, install, make_venv
from pe_files import make_python

from dllwhy import loader
from dllwhy.flavour import Environment, detect_environment
from dllwhy.imports.process import Imports, State

NUMERIC = {
    "numeric/__init__.py": DELVEWHEEL,
    "numeric/_core.pyd": "blas.dll",
    "numeric.libs/blas.dll": "",
}


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    environment = detect_environment(make_python(tmp_path / "Python311"))
    environment.site_packages.mkdir(parents=True)
    return environment


def before(module: Path, environment: Environment) -> State:
    return Imports(State(environment, loader.startup(environment))).before(module)


def folders(module: Path, environment: Environment) -> tuple[Path, ...]:
    return before(module, environment).environment.added_directories


def test_folders_that_a_packages_source_adds_are_read_off_it(environment: Environment) -> None:
    site = install(environment, "numeric", {**NUMERIC, "other.libs/blas.dll": ""})
    assert folders(site / "numeric" / "_core.pyd", environment) == (site / "numeric.libs",)


@pytest.mark.parametrize("own", [False, True])
def test_a_venvs_own_package_hides_that_of_its_base(
    tmp_path: Path, environment: Environment, own: bool
) -> None:
    base = install(environment, "numeric", NUMERIC)
    venv = make_venv(tmp_path / "venv", environment, sees_base=True)
    site = install(venv, "numeric", NUMERIC) if own else base
    user = install(venv, "user", {"user/__init__.py": "import numeric", "user/_c.pyd": "blas.dll"})
    assert folders(user / "user" / "_c.pyd", venv) == (site / "numeric.libs",)


def test_a_folder_added_by_a_pth_file_counts_for_every_package(environment: Environment) -> None:
    bootstrap = "import os, system_dlls\nos.add_dll_directory(system_dlls.__path__[0])\n"
    files = {
        "start.pth": "tools\nimport tools_bootstrap\n",
        "tools/tools_bootstrap.py": bootstrap,
        "system_dlls/base.dll": "",
    }
    install(environment, "tools", files)
    site = install(environment, "user", {"user/_c.pyd": "base.dll"})
    assert folders(site / "user" / "_c.pyd", environment) == (site / "system_dlls",)


def test_a_module_that_is_imported_inside_a_with_block_has_its_folder_and_others_have_not(
    environment: Environment,
) -> None:
    files = {
        "p/__init__.py": "import os\nwith os.add_dll_directory(__path__[0] + '/lib'):\n"
        "    from . import _inside\n",
        "p/_inside.pyd": "own.dll",
        "p/_outside.pyd": "own.dll",
        "p/lib/own.dll": "",
    }
    site = install(environment, "p", files)
    assert folders(site / "p" / "_inside.pyd", environment) == (site / "p" / "lib",)
    assert folders(site / "p" / "_outside.pyd", environment) == ()


def test_what_is_loaded_by_ctypes_before_is_in_the_process(environment: Environment) -> None:
    files = {
        "p/__init__.py": "import ctypes, glob\nfor f in glob.glob(__path__[0] + '/lib/*.dll'):\n"
        "    ctypes.CDLL(f)\n",
        "p/_c.pyd": "own.dll",
        "p/lib/own.dll": "",
    }
    site = install(environment, "p", files)
    loaded = before(site / "p" / "_c.pyd", environment).loaded
    assert loaded["own.dll"].path == site / "p" / "lib" / "own.dll"


@pytest.mark.parametrize(("winmode", "loads"), [("", True), (", winmode=0", False)])
def test_a_load_with_winmode_0_does_not_look_beside_the_dll(
    environment: Environment, winmode: str, loads: bool
) -> None:
    source = f"import ctypes\nctypes.CDLL(__path__[0] + '/lib/own.dll'{winmode})\n"
    files = {
        "p/__init__.py": source, "p/_c.pyd": "", "p/lib/own.dll": "b.dll", "p/lib/b.dll": "",
    }  # fmt: skip
    site = install(environment, "p", files)
    loaded = before(site / "p" / "_c.pyd", environment).loaded
    assert ("own.dll" in loaded) is loads


def test_a_load_with_winmode_0_looks_on_path(environment: Environment) -> None:
    source = (
        "import ctypes, os\nlib = __path__[0] + '\\\\lib'\n"
        "os.environ['PATH'] = lib + os.pathsep + os.environ['PATH']\n"
        "ctypes.CDLL(lib + '/own.dll', winmode=0)\n"
    )
    files = {
        "p/__init__.py": source, "p/_c.pyd": "", "p/lib/own.dll": "b.dll", "p/lib/b.dll": "",
    }  # fmt: skip
    site = install(environment, "p", files)
    assert "own.dll" in before(site / "p" / "_c.pyd", environment).loaded


def test_a_folder_given_to_set_dll_directory_is_searched(environment: Environment) -> None:
    source = "import ctypes\nctypes.windll.kernel32.SetDllDirectoryW(__path__[0] + '\\\\lib')\n"
    files = {"p/__init__.py": source, "p/_c.pyd": "own.dll", "p/lib/own.dll": ""}
    site = install(environment, "p", files)
    state = before(site / "p" / "_c.pyd", environment)
    closure = loader.closure(site / "p" / "_c.pyd", state.environment, loaded=state.loaded)
    assert [(r.name, r.rule) for r in closure.resolutions] == [("own.dll", loader.Rule.SET)]
