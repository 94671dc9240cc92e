"""NAME=VALUE behind an option is that option's value."""

from tasks.core.arguments import given_back, values_of_options

SETTINGS = ("profile", "python")


def test_a_version_stands_behind_its_option():
    words = ["profile=zig", "build", "--package", "annoy==1.17.3", "--package", "x"]
    selected = ["build", "--package", "--package", "x"]
    assert given_back(selected, words, SETTINGS) == [
        "build", "--package", "annoy==1.17.3", "--package", "x",
    ]  # fmt: skip


def test_a_setting_behind_a_switch_stays_a_setting():
    words = ["explain", "--json", "python=3.12"]
    assert values_of_options(words, SETTINGS) == []
    assert given_back(["explain", "--json"], words, SETTINGS) == ["explain", "--json"]
