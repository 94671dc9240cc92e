"""Tables and picture of what was measured."""

from xml.etree import ElementTree

import pytest

from tasks.benchmarks import measure, picture, tables


@pytest.fixture
def product():
    samples = {"FFCV (zig), Linux": [10.0, 12.0], "a <rival>": [20.0, 60.0]}
    rows = measure.rows("imdecode", "us", samples, "FFCV (zig), Linux")
    return {
        "part": "product",
        "size": "small",
        "command": "doit bench --part=product --size=small",
        "measured": "2026-11-26T12:00+00:00",
        "machine": {"processor": "A processor", "threads": 2, "system": "Linux 6"},
        "load": [[0.5, 1, 1], [0.75, 1, 1]],
        "versions": {"Windows": {"numpy": "1.26.4"}},
        "reference": "FFCV (zig), Linux",
        "rows": measure.as_data(rows),
        "missing": {"another": "it is not there"},
    }


def test_a_terminal_sees_units_ratios_and_who_was_not_measured(product):
    shown = tables.text(product)
    assert "11.0 us" in shown
    assert "0.35 (0.28 to 0.42)" in shown  # of 10/20 and 12/60, and not 11/40
    assert "Not measured: another (it is not there)." in shown


def test_a_page_has_the_command_the_machine_and_the_load(product):
    page = tables.markdown([product])
    assert "`doit bench --part=product --size=small`" in page
    assert "A processor, 2 threads, Linux 6" in page
    assert "before 0.5, after 0.75" in page
    assert len([line for line in page.splitlines() if line.startswith("| ")]) == 4


def test_a_system_without_load_averages_is_told_without(product):
    assert "Load" not in tables.markdown([{**product, "load": [None, None]}])


def test_the_picture_is_valid_and_has_a_bar_for_each(product):
    root = ElementTree.fromstring(picture.svg([product]))
    tag = "{http://www.w3.org/2000/svg}"
    bars = list(root.iter(f"{tag}rect"))
    assert len(bars) == 2
    assert float(bars[1].get("width")) < float(bars[0].get("width"))
    assert "a <rival>" in {text.text for text in root.iter(f"{tag}text")}


def test_without_ratios_there_is_no_bar(product):
    for row in product["rows"]:
        row["ratio"] = None
    assert "<rect" not in picture.svg([product])
