"""What a source says of its build, and what it omits."""

import pytest

from tasks.core.errors import BuildError
from tasks.sdists import back_end


def test_a_source_without_pyproject_is_setuptools(tmp_path):
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    read = back_end.read(tmp_path)
    assert read.name == back_end.LEGACY
    assert read.requires == ("setuptools", "wheel")
    assert not read.added


def test_what_setup_py_imports_without_naming_it_is_added(tmp_path):
    (tmp_path / "setup.py").write_text(
        "import os, numpy\ntry:\n    from Cython.Build import cythonize\nexcept ImportError: pass\n"
    )
    assert set(back_end.read(tmp_path).added) == {"numpy", "Cython"}


def test_what_is_named_is_not_added(tmp_path):
    (tmp_path / "setup.py").write_text("import numpy\n")
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools", "NumPy>=2"]\n'
        'build-backend = "setuptools.build_meta"\n'
    )
    assert not back_end.read(tmp_path).added


def test_pkg_resources_wants_an_older_setuptools(tmp_path):
    (tmp_path / "setup.py").write_text("import pkg_resources\nprint 'python 2'\n")
    assert back_end.PKG_RESOURCES in back_end.read(tmp_path).added


def test_a_broken_pyproject_is_told_in_one_line(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[build-system\n")
    with pytest.raises(BuildError, match=r"pyproject.toml of the source cannot be read"):
        back_end.read(tmp_path)


def test_a_program_that_setup_py_calls_is_added(tmp_path):
    (tmp_path / "setup.py").write_text("import subprocess\nsubprocess.run(['cmake', '.'])\n")
    assert set(back_end.read(tmp_path).added) == {"cmake", "ninja"}
    (tmp_path / "setup.py").write_text("ours = 'cmake_is_not_called'\n")
    assert not back_end.read(tmp_path).added


@pytest.mark.parametrize(
    "text", ["Extension('x._x', ['x/x.i'])", "interface = 'Box2D.i'", "swig_opts=['-c++']"]
)
def test_an_interface_for_swig_is_translated_by_it(text, tmp_path):
    (tmp_path / "setup.py").write_text(f"{text}\n")
    assert set(back_end.read(tmp_path).added) == {"swig"}
    assert not back_end.read(tmp_path, ("swig<4.3",)).added.get("swig")


def test_cmake_is_not_without_ninja(tmp_path):
    (tmp_path / "setup.py").write_text("")
    assert set(back_end.read(tmp_path, ("cmake<4",)).added) == {"cmake<4", "ninja"}


@pytest.mark.parametrize(
    ("system", "by"),
    [
        ('requires = ["maturin>=1,<2", "puccinialin"]\nbuild-backend = "maturin"', "maturin"),
        ('requires = ["setuptools", "setuptools_rust>=1.7"]', "setuptools-rust"),
        ('requires = ["setuptools", "Cython"]', ""),
    ],
)
def test_rust_is_seen_before_anything_is_built(system, by, tmp_path):
    (tmp_path / "pyproject.toml").write_text(f"[build-system]\n{system}\n")
    assert back_end.rust(back_end.read(tmp_path)) == by


def test_what_brings_a_module_that_is_missing_is_known():
    errors = [
        "ModuleNotFoundError: No module named 'pkg_resources'",
        "ImportError: numpy.core.multiarray failed to import (auto-generated because ...)",
        "ModuleNotFoundError: No module named 'unheard_of'",
    ]
    assert back_end.providers(errors) == ["numpy", "setuptools<81"]
