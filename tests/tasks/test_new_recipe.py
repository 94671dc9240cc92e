"""doit new: what is written is a recipe, and says what the source asks for."""

from dataclasses import replace

import pytest
from support import ROOT

from tasks import new_recipe
from tasks.core import recipe
from tasks.core.errors import BuildError
from tasks.core.project import load
from tasks.core.recipe import PackageRecipe
from tasks.sdists.source import Source


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "setup.py").write_text(
        "import numpy\nfrom setuptools import Extension, setup\n"
        "setup(ext_modules=[Extension('x', ['x.c'], libraries=['ws2_32'])])\n"
    )
    (tmp_path / "x.c").write_text("#include <zlib.h>\n#include <sys/socket.h>\n")
    (tmp_path / "PKG-INFO").write_text("Name: own\nSummary: Does: things\n")
    return tmp_path


def test_what_is_written_can_be_read_as_a_recipe(tree):
    found = Source("own", "1.0", tree, "a" * 64)
    text = new_recipe.written(load(ROOT), found, tree)
    file = tree / "own.yaml"
    file.write_text(text)
    made = recipe.load(file)
    assert made.version == "1.0"
    assert made.build_requires == ("numpy",)
    assert made.libraries == ("zlib",)
    assert made.check is not None
    assert made.check.expected == "own"
    assert "# own 1.0: Does: things" in text
    assert "# x.c includes <zlib.h>, which is neither in the source nor in Windows" in text
    assert "# For other systems it includes <sys/socket.h>" in text
    assert "# setup.py links ws2_32, which Windows has" in text


def test_every_key_of_a_recipe_is_in_it(tree):
    text = new_recipe.written(load(ROOT), Source("own", "1.0", tree, "a" * 64), tree)
    for key in PackageRecipe.model_fields:
        assert f"\n{key}:" in text or f"\n# {key}:" in text


def test_a_recipe_that_is_there_is_kept(tree, tmp_path):
    project = replace(load(ROOT), root=tmp_path)
    (tmp_path / "recipes").mkdir()
    file = tmp_path / "recipes" / f"{tree.name.lower().replace('_', '-')}.yaml"
    file.write_text("std: c11\n")
    with pytest.raises(BuildError, match="is there already"):
        new_recipe.new(project, str(tree))
    assert file.read_text() == "std: c11\n"
