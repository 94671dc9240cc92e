"""NAME=VALUE behind an option is that option's value."""

import sys

import pytest

from tasks.core.arguments import (
    any_given,
    given_back,
    repeating_settings,
    values_of_options,
)

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


@pytest.mark.parametrize(
    ("word", "given"), [("--python", True), ("--python=3.12", True), ("--pythons", False)]
)
def test_an_option_is_given_with_its_value_behind_it_or_in_it(monkeypatch, word, given):
    monkeypatch.setattr(sys, "argv", ["doit", "build", word])
    assert any_given(["--python"]) is given


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ('run "doit fetch:x" again', 'run "doit python=3.12 profile=msvc fetch:x" again'),
        ("run doit dlls", "run doit python=3.12 profile=msvc dlls"),
        ("run doit profile=zig dlls", "run doit python=3.12 profile=zig dlls"),
        ("another doit is at work", "another doit is at work"),
    ],
)
def test_a_command_in_a_message_is_for_the_run_that_it_comes_from(message, shown):
    words = ["python=3.12", "profile=msvc", "verify:import", "--package", "a==1"]
    assert repeating_settings(message, words, SETTINGS) == shown
