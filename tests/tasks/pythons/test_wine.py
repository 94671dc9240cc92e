"""Honest Wine: nothing of its own stands in for what a clean Windows lacks."""

from pathlib import Path

from support import ROOT

from tasks.core.config_file import load
from tasks.pythons import windows_python, wine

SETTINGS = load(ROOT / "config.yaml").wine


def test_parts_of_wine_that_ask_for_a_download_are_off():
    assert "mscoree" in wine.variables(SETTINGS, Path("/prefix"))["WINEDLLOVERRIDES"]


def test_the_users_own_wine_and_python_settings_do_not_count(monkeypatch):
    monkeypatch.setenv("WINEPREFIX", "/home/me/.wine")
    monkeypatch.setenv("WINEPATH", "C:\\dlls")
    monkeypatch.setenv("PYTHONPATH", "/home/me")
    environment = wine.environment(SETTINGS, Path("/prefix"))
    assert environment["WINEPREFIX"] == str(Path("/prefix"))
    assert "WINEPATH" not in environment and "PYTHONPATH" not in environment


def test_the_last_json_object_of_the_output_counts():
    lines = ["import x", '{"a": 1}', "{half", '{"a": 2}', "wine: a message"]
    assert windows_python.last_json(lines) == {"a": 2}
    assert windows_python.last_json(["nothing"]) is None
