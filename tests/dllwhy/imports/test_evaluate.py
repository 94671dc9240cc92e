"""What the evaluator understands of a package's sources; each source is a package's __init__."""

import contextlib
from pathlib import Path

import pytest
from pe_files import make_dll, make_python

from dllwhy.flavour import detect_environment
from dllwhy.imports.evaluate import Evaluator
from dllwhy.imports.events import Event
from dllwhy.imports.values import Raised


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = make_python(tmp_path / "Python311") / "Lib" / "site-packages"
    (site / "pkg" / "Qt6" / "bin").mkdir(parents=True)
    (site / "pkg.libs").mkdir()
    make_dll(site / "pkg.libs" / "blosc.dll")
    return site


def events(site: Path, source: str, **others: str) -> list[Event]:
    """Import a package `pkg` with this __init__, and with other modules in it."""
    (site / "pkg" / "__init__.py").write_text(source, encoding="utf-8")
    for name, text in others.items():
        (site / "pkg" / f"{name}.py").write_text(text, encoding="utf-8")
    evaluator = Evaluator(detect_environment(site.parents[1]), {"pkg"})
    with contextlib.suppress(Raised):
        evaluator.load("pkg")
    return evaluator.events


def added(site: Path, source: str, **others: str) -> list[str]:
    """The folders that are in the search when the import is done; in doubt with a "?"."""
    folders: list[str] = []
    for event in events(site, source, **others):
        name = event.path.relative_to(site).as_posix() if event.path else "unknown"
        if event.kind == "close":
            folders.remove(name)
        elif event.kind == "add":
            folders.append(name + "?" * bool(event.doubt))
    return folders


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.add_dll_directory(os.path.join(os.path.dirname(__file__), 'Qt6', 'bin'))",
        "import os\nos.add_dll_directory(f'{os.path.dirname(__file__)}\\\\Qt6\\\\bin')",
        "import os\nos.add_dll_directory(os.path.dirname(__file__) + '\\\\Qt6\\\\bin')",
        "import os\nos.add_dll_directory('%s/Qt6/bin' % os.path.dirname(__file__))",
        "import os\nfrom pathlib import Path\n"
        "os.add_dll_directory(str(Path(__file__).resolve().parent / 'Qt6' / 'bin'))",
        "import os, glob\nfor f in glob.glob(os.path.join(__path__[0], '*', 'bin')):\n"
        "    os.add_dll_directory(f)",
        "import os\nfrom pathlib import Path\n"
        "[os.add_dll_directory(str(p)) for p in Path(__file__).parent.rglob('bin')]",
        "import os, sys\nos.add_dll_directory(os.path.join(sys.prefix, 'Lib', 'site-packages', "
        "'pkg', 'Qt6', 'bin'))",
        "import os\nfor top, folders, files in os.walk(os.path.dirname(__file__)):\n"
        "    if os.path.basename(top) == 'bin':\n        os.add_dll_directory(top)",
        "import os, importlib.util\nspec = importlib.util.find_spec('pkg')\n"
        "os.add_dll_directory(os.path.join(spec.submodule_search_locations[0], 'Qt6', 'bin'))",
        "from importlib.resources import files\nimport os\n"
        "os.add_dll_directory(str(files('pkg') / 'Qt6' / 'bin'))",
        "from contextlib import suppress\nimport os\nwith suppress(OSError):\n"
        "    os.add_dll_directory('C:\\\\nowhere')\nos.add_dll_directory(__path__[0] + '/Qt6/bin')",
        "import os\nclass Folders:\n    def __init__(self, base):\n        self.base = base\n"
        "    def add(self):\n        os.add_dll_directory(os.path.join(self.base, 'bin'))\n"
        "Folders(os.path.join(__path__[0], 'Qt6')).add()",
    ],
)
def test_a_folder_is_understood_however_its_path_is_put_together(site: Path, source: str) -> None:
    assert added(site, source) == ["pkg/Qt6/bin"]


@pytest.mark.parametrize(
    "source",
    [
        "# os.add_dll_directory('Qt6/bin')",
        "'''os.add_dll_directory(__path__[0] + '/Qt6/bin')'''",
        "import os\nif os.name == 'posix':\n    os.add_dll_directory(__path__[0] + '/Qt6/bin')",
        "import sys, os\nif sys.platform.startswith('linux'):\n"
        "    os.add_dll_directory(__path__[0] + '/Qt6/bin')",
        "import os\nwith os.add_dll_directory(__path__[0] + '/Qt6/bin'):\n    pass",
        "import os\nhandle = os.add_dll_directory(__path__[0] + '/Qt6/bin')\nhandle.close()",
        "import os\ndef later():\n    os.add_dll_directory(__path__[0] + '/Qt6/bin')",
        "import os, sys\nif sys.version_info < (3, 8):\n"
        "    os.add_dll_directory(__path__[0] + '/Qt6/bin')",
        "import os, contextlib\nwith contextlib.ExitStack() as stack:\n"
        "    stack.enter_context(os.add_dll_directory(__path__[0] + '/Qt6/bin'))",
    ],
)
def test_a_folder_that_is_not_added_on_windows_or_no_longer_is_none(
    site: Path, source: str
) -> None:
    assert added(site, source) == []


def test_a_helper_in_another_module_is_followed(site: Path) -> None:
    helper = (
        "import os\ndef setup(*names):\n    for name in names:\n"
        "        path = os.path.join(os.path.dirname(__file__), name)\n"
        "        if os.path.isdir(path) and hasattr(os, 'add_dll_directory'):\n"
        "            os.add_dll_directory(path)\n"
    )
    source = "from .helper import setup as _setup\n_setup('absent', 'Qt6/bin')\n"
    assert added(site, source, helper=helper) == ["pkg/Qt6/bin"]


def test_the_condition_on_the_platform_of_a_real_delvewheel_holds(site: Path) -> None:
    source = (
        "import os, sys, ctypes, platform\n"
        "libs = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, 'pkg.libs'))\n"
        "conda = platform.python_implementation() == 'CPython' and (hasattr(ctypes.pythonapi, "
        "'Anaconda_GetVersion') or 'packaged by conda-forge' in sys.version)\n"
        "if sys.version_info[:2] >= (3, 8) and not conda or sys.version_info[:2] >= (3, 10):\n"
        "    if os.path.isdir(libs):\n        os.add_dll_directory(libs)\n"
    )
    assert added(site, source) == ["pkg.libs"]


def test_what_depends_on_the_environment_is_in_doubt_and_says_why(site: Path) -> None:
    source = (
        "import os\nif os.environ.get('PKG_DLLS'):\n"
        "    os.add_dll_directory(__path__[0] + '/Qt6/bin')\n"
        "os.add_dll_directory(os.environ['CUDA_PATH'])\n"
    )
    maybe, unknown = events(site, source)
    assert maybe.path == site / "pkg" / "Qt6" / "bin"
    assert maybe.doubt and "os.environ.get('PKG_DLLS')" in maybe.doubt
    assert unknown.path is None and unknown.doubt and "CUDA_PATH" in unknown.doubt
    assert unknown.where == "pkg/__init__.py:4"


def test_folders_that_are_filtered_as_torch_does_are_known_but_for_those_that_are_not(
    site: Path,
) -> None:
    source = (
        "import os\nhere = os.path.join(__path__[0], 'Qt6', 'bin')\n"
        "gone = os.path.join(__path__[0], 'absent')\n"
        "tools = os.path.join(os.getenv('TOOLS', 'C:/Tools'), 'bin')\n"
        "for path in filter(os.path.exists, [here, gone, tools]):\n"
        "    os.add_dll_directory(path)\n"
    )
    assert added(site, source) == ["pkg/Qt6/bin", "unknown?"]


def test_what_comes_after_a_return_that_may_happen_is_in_doubt(site: Path) -> None:
    source = (
        "import os\ndef setup():\n    if os.environ.get('SKIP'):\n        return\n"
        "    os.add_dll_directory(__path__[0] + '/Qt6/bin')\nsetup()\n"
    )
    assert added(site, source) == ["pkg/Qt6/bin?"]


def test_a_folder_that_is_not_there_raises_and_the_handler_runs(site: Path) -> None:
    source = (
        "import os\ntry:\n    os.add_dll_directory(__path__[0] + '/absent')\n"
        "except FileNotFoundError:\n    os.add_dll_directory(__path__[0] + '/Qt6/bin')\n"
    )
    assert added(site, source) == ["pkg/Qt6/bin"]


def test_loads_by_ctypes_are_told_with_their_flags(site: Path) -> None:
    source = (
        "import ctypes, os\nlibs = os.path.join(os.path.dirname(__path__[0]), 'pkg.libs')\n"
        "ctypes.CDLL(os.path.join(libs, 'blosc.dll'))\n"
        "ctypes.WinDLL(os.path.join(libs, 'blosc'), winmode=0)\n"
        "kernel32 = ctypes.WinDLL('kernel32.dll', use_last_error=True)\n"
        "kernel32.LoadLibraryExW(os.path.join(libs, 'blosc.dll'), None, 0x1100)\n"
    )
    found = events(site, source)
    assert {event.path for event in found} == {site / "pkg.libs" / "blosc.dll"}
    assert [(event.kind, event.winmode) for event in found] == [
        ("load", None), ("load", 0), ("load", 0x1100),
    ]  # fmt: skip


def test_a_dll_that_is_not_there_raises_an_os_error(site: Path) -> None:
    source = (
        "import ctypes, os\ntry:\n    ctypes.CDLL('absent.dll')\nexcept OSError:\n"
        "    ctypes.CDLL(os.path.join(os.path.dirname(__path__[0]), 'pkg.libs', 'blosc.dll'))\n"
    )
    assert [event.path for event in events(site, source)] == [site / "pkg.libs" / "blosc.dll"]


def test_set_dll_directory_and_path_are_told(site: Path) -> None:
    source = (
        "import ctypes, os\nfolder = os.path.join(__path__[0], 'Qt6', 'bin')\n"
        "ctypes.windll.kernel32.SetDllDirectoryW(folder)\n"
        "os.environ['PATH'] = folder + os.pathsep + os.environ['PATH']\n"
    )
    assert [event.kind for event in events(site, source)] == ["set", "path"]


def test_a_context_manager_of_the_package_is_open_while_its_body_runs(site: Path) -> None:
    make_dll(site / "pkg" / "_ext.pyd")
    source = (
        "import os\nfrom contextlib import contextmanager\n@contextmanager\ndef dlls():\n"
        "    with os.add_dll_directory(__path__[0] + '/Qt6/bin'):\n        yield\n"
        "with dlls():\n    from . import _ext\n"
    )
    assert [event.kind for event in events(site, source)] == ["add", "import", "close"]


@pytest.mark.parametrize(
    "source",
    ["def broken(:", "while True:\n    pass", "def f():\n    f()\nf()", "x = 'a' * 10**10",
     "import os\nos.add_dll_directory()", "f = lambda: f()\nf()", "\0"],
)  # fmt: skip
def test_no_source_brings_the_evaluator_down(site: Path, source: str) -> None:
    assert [e for e in events(site, source + "\n# add_dll_directory") if not e.doubt] == []
