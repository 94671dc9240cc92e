"""The report in a real browser: on a phone, on a desk, in the dark, on paper, and by keyboard."""

import os
import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import chromium
import pytest
from reports import made_up

from tasks.pages import page

WIDTHS = (360, 768, 1280)
# Contrast of text and its ground: https://www.w3.org/TR/WCAG22/#contrast-minimum
CONTRAST = (Path(__file__).parent / "data" / "contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[chromium.Chromium]:
    program = chromium.find()
    if program is None or os.name == "nt":
        pytest.skip("there is no Chromium; on Debian: sudo apt-get install chromium")
    made = chromium.Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report ü") / "report.html"
    path.write_text(page.render(made_up()), encoding="utf-8")
    return path


@pytest.fixture
def shown(browser, report) -> chromium.Chromium:
    browser.prefer("light")
    browser.resize(1280)
    browser.open(report)
    return browser


def test_it_asks_nobody_for_anything_and_nothing_goes_wrong(shown, report):
    assert [url for url in shown.requests() if url != report.as_uri()] in ([], ["data:,"])
    assert shown.complaints() == []


def test_what_a_name_would_load_is_not_loaded(browser, tmp_path):
    evil = '<img src="http://127.0.0.1:9/x.png"><script src="http://127.0.0.1:9/x.js"></script>'
    text = page.render(made_up(title=evil)).replace("<main", f"{evil}<main")
    (tmp_path / "evil.html").write_text(text, encoding="utf-8")
    browser.open(tmp_path / "evil.html")
    blocked = [e for e in browser.complaints() if "Content Security Policy" in str(e)]
    assert len(blocked) == 2


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_at_the_side(shown, width):
    shown.resize(width)
    assert shown.run("document.scrollingElement.scrollWidth") <= width
    # What is wider than the page has its own place to be moved in, reached by keyboard, too.
    places = "[...document.querySelectorAll('.wide, pre')]"
    assert shown.run(
        f"{places}.filter(e => e.scrollWidth > e.clientWidth).every(e => e.tabIndex === 0)"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_letters_are_large_enough(shown, width):
    shown.resize(width)
    texts = "[...document.querySelectorAll('main *')].filter(e => e.childNodes.length && "
    texts += "!e.closest('svg') && parseFloat(getComputedStyle(e).fontSize) < 12)"
    assert shown.run(f"{texts}.map(e => e.outerHTML.slice(0, 80))") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(shown, scheme):
    shown.prefer(scheme)
    shown.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    dark = shown.run("matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark == (scheme == "dark")
    assert shown.run(CONTRAST) == []


def test_the_keyboard_reaches_everything_in_order(shown):
    reached = []
    for _ in range(60):
        shown.press("Tab", 9)
        what = shown.run(
            "(e => e === document.body ? '' : e.getAttribute('aria-label') || "
            "e.textContent.slice(0, 40))(document.activeElement)"
        )
        if not what:
            break
        reached.append(what)
        visible = shown.run(
            "(e => { const s = getComputedStyle(e), r = e.querySelector('rect');"
            "return s.outlineStyle !== 'none' || (r && getComputedStyle(r).strokeWidth === '4px')"
            "})(document.activeElement)"
        )
        assert visible, f"the focus on {what} cannot be seen"
    assert reached[0] == "To the content"
    for wanted in ("The graph", "The graph as a picture", "Unfold all", "_libffcv.pyd"):
        assert wanted in " ".join(reached)
    assert any(name.startswith("libs:opencv: ✓ done, ") for name in reached)


def test_enter_folds_and_unfolds(shown):
    shown.run("document.querySelector('.tree summary').focus()")
    assert shown.run("document.querySelector('.tree details').open")
    shown.press("Enter", 13)
    assert not shown.run("document.querySelector('.tree details').open")
    shown.run("document.querySelector('button[data-open=yes]').focus()")
    shown.press("Enter", 13)
    assert shown.run("[...document.querySelectorAll('#dlls details')].every(d => d.open)")


def test_a_box_of_the_picture_leads_to_its_row(shown):
    shown.run("document.querySelector('a.node[href=\"#task-libs-opencv\"]').focus()")
    shown.press("Enter", 13)
    assert shown.run("location.hash") == "#task-libs-opencv"
    assert shown.run("document.querySelector('tr:target th').textContent") == "libs:opencv"


def test_whoever_does_not_see_it_is_told_everything(shown):
    nodes = shown.call("Accessibility.getFullAXTree")["nodes"]
    said = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and "role" in node
    ]
    assert [name for role, name in said if role in ("link", "button") and not name] == []
    assert ("main", "") in said
    assert {"Contents", "The graph as a picture"} <= {name for _, name in said}
    headings = shown.run("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))


def test_on_paper_everything_is_unfolded_and_then_as_before(shown):
    closed = "[...document.querySelectorAll('details')].filter(d => !d.open).length"
    before = shown.run(closed)
    assert before > 0
    shown.run("addEventListener('beforeprint', () => { window.seen = true })")
    pdf = shown.printed()
    assert pdf.startswith(b"%PDF-")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", _inflated(pdf))) <= 8
    assert shown.run("window.seen") is True
    assert shown.run(closed) == before


def _inflated(pdf: bytes) -> bytes:
    """A PDF with its compressed streams beside it as they are without compression."""
    parts = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            parts.append(zlib.decompressobj().decompress(stream))
        except zlib.error:
            continue
    return b"\n".join(parts)
