"""Recipes: what may be said, and one line about what is wrong."""

import pytest
from support import ROOT

from tasks.core import recipe
from tasks.core.errors import ConfigError


@pytest.mark.parametrize("path", sorted((ROOT / recipe.FOLDER).glob("*.yaml")), ids=str)
def test_the_recipes_of_this_clone_can_be_read(path):
    assert recipe.load(path).check is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("definition: {A: '1'}", 'own.yaml: definition: unknown key; did you mean "definitions"?'),
        ("std: newest", "own.yaml: std: "),
        ("check: {code: x}", "own.yaml: check.expected: is missing"),
        (
            "check: {code: x, expected: y, expectd: y}",
            'check.expectd: unknown key; did you mean "expected"?',
        ),
        (
            "version: 1.10",
            "own.yaml: version: input should be a valid string, not '1.1'; write it in",
        ),
        ("patches: [a.patch]", "patches: there is no file a.patch beside it"),
        ("patches: [../a.patch]", "own.yaml: patches[0]: "),
        ("", "own.yaml: is empty or no mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path, text, said):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        recipe.load(path)
    assert said in caught.value.message
    assert len(caught.value.message.splitlines()) == 1


def test_a_recipe_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path):
    with pytest.raises(ConfigError, match=r"told\.yaml cannot be read: there is no file .*told"):
        recipe.load(tmp_path / "told.yaml")
