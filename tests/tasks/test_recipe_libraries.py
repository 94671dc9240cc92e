"""Libraries that recipes name: where they are described, and what is said of one that is not."""

from dataclasses import replace
from pathlib import Path

import pytest
from support import ROOT

from tasks import recipe_libraries
from tasks.core import config_file
from tasks.core.errors import BuildError, ConfigError
from tasks.core.project import load

FILES = sorted((ROOT / "recipes" / "libraries").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_libraries_of_this_clone_can_be_read(path):
    described = config_file.load_libraries(path)
    assert path.stem in described.libraries


def test_a_recipe_may_name_them_and_those_of_the_configuration():
    names = recipe_libraries.known(load(ROOT))
    assert {"zlib", "leveldb", "opencv", "libjpeg-turbo"} <= set(names)


def test_one_that_nobody_describes_is_told_with_where_to_describe_it():
    with pytest.raises(ConfigError) as caught:
        recipe_libraries.have(load(ROOT), ["zlb"], "own.yaml", print)
    assert caught.value.message == (
        'own.yaml: libraries: unknown library "zlb"; did you mean "zlib"? '
        "(or describe it in recipes/libraries/zlb.yaml)"
    )


def _lay_down(project, **needs):
    """Libraries that need others, in recipes/libraries of a project."""
    folder = recipe_libraries.folder(project)
    folder.mkdir(parents=True)
    for name, needed in needs.items():
        text = LIBRARY.replace("own", name).replace("PATCHES", "")
        (folder / f"{name}.yaml").write_text(text.replace("link:", f"needs: {needed}, link:"))


def test_what_a_library_needs_is_described_or_told(tmp_path):
    project = replace(load(ROOT), root=tmp_path)
    _lay_down(project, one="[two]", two="[zlb]")
    with pytest.raises(ConfigError, match=r"two\.yaml: libraries: unknown library"):
        recipe_libraries.have(project, ["one"], "own.yaml", print)


def test_libraries_that_need_each_other_are_told(tmp_path):
    project = replace(load(ROOT), root=tmp_path)
    _lay_down(project, one="[two]", two="[one]")
    with pytest.raises(ConfigError, match=r"libraries need each other: (one -> two|two -> one)"):
        recipe_libraries.have(project, ["one"], "own.yaml", print)


LIBRARY = """
artifacts:
  own:
    sources: [{pypi: own==1, kind: sdist, sha256: first-use}]
    PATCHES
libraries: {own: {recipes: {cmake: {artifact: own, link: [own], stage: {}}}}}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("artifact: own", "artifact: owl", 'recipes.cmake.artifact: unknown artifact "owl"'),
        ("PATCHES", "patches: [a.patch]", "artifacts.own.patches: there is no file a.patch"),
        ("PATCHES", "added_files: {../a: b}", "artifacts.own.added_files"),
        ("link: [own], ", "needs: [own], link: [own], ", "libraries.own.recipes: it needs itself"),
        ("link: [own], ", "", "libraries.own.recipes.cmake.link: is missing"),
        ("cmake: {", "prebuilt: {", "libraries.own.recipes.prebuilt.stage: unknown key"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path: Path, old, new, said):
    path = tmp_path / "own.yaml"
    path.write_text(LIBRARY.replace(old, new).replace("PATCHES", ""))
    with pytest.raises(ConfigError) as caught:
        config_file.load_libraries(path)
    assert said in caught.value.message
    assert len(caught.value.message.splitlines()) == 1


def test_an_archive_that_cannot_be_had_is_told_with_the_file_that_names_it(tmp_path):
    project = replace(load(ROOT), root=tmp_path, cache=tmp_path / "cache")
    _lay_down(project, one="[]")
    file = recipe_libraries.folder(project) / "one.yaml"
    gone = (tmp_path / "gone.zip").as_uri()
    file.write_text(file.read_text().replace("pypi: one==1, kind: sdist", f"url: {gone}"))
    with pytest.raises(BuildError) as caught:
        recipe_libraries.have(project, ["one"], "own.yaml", print)
    assert "recipes/libraries/one.yaml, artifacts.one.sources[0]" in caught.value.message
