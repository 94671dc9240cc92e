"""The page says what the report tells, and nothing in the data becomes a part of it."""

import re
from html.parser import HTMLParser

import pytest
from reports import CLOSURE, made_up

from tasks.pages import dll_tree, page
from tasks.pages.graph_picture import duration

VOID = {"meta", "link", "br"}


class Tags(HTMLParser):
    """Sees that every element is closed, and collects identities and addresses."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.identities: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.identities.append(given["id"])
        self.addresses += [given[a] for a in ("href", "src") if given.get(a)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass  # <rect/> and <path/>, which have no address

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_its_links_lead_somewhere():
    tags = Tags(page.render(made_up()))
    assert tags.open == []
    assert len(tags.identities) == len(set(tags.identities))
    inside = {a[1:] for a in tags.addresses if a.startswith("#")}
    assert inside <= set(tags.identities)
    assert [a for a in tags.addresses if not a.startswith("#")] == ["data:,"]


def test_what_names_hold_is_text():
    text = page.render(made_up())
    assert "DLL load failed &lt;b&gt;here&lt;/b&gt;" in text
    assert "made by &lt;toolchain&gt; &amp; others" in text


def test_hashes_and_licences_and_versions_are_there():
    text = page.render(made_up())
    for wanted in ("ab" * 32, "cd" * 32, "Apache-2.0 AND Zlib", "4.1 MB", "90.0 MB", "torch"):
        assert wanted in text


@pytest.mark.parametrize(
    ("states", "checks", "word"),
    [
        ({}, {}, "good"),
        ({"verify:roundtrip": "not run"}, {}, "wait"),
        ({"verify:roundtrip": "not made", "verify:import": "not made"}, {}, "wait"),
        ({"verify:roundtrip": "stale", "verify:import": "stale"}, {}, "wait"),
        ({"libs:opencv": "failed"}, {}, "bad"),
        ({}, {"It": [page.Check("one", "failed", 1.0, "")]}, "bad"),
    ],
)
def test_the_verdict_is_as_good_as_the_worst(states, checks, word):
    assert page.verdict(made_up(states, checks=checks))[0] == word


def test_a_section_without_content_is_left_out():
    text = page.render(made_up(wheels=[], closure=None, checks={}, speed=[], inputs=[], use={}))
    assert re.findall(r'<section id="(\w+)"', text) == ["graph"]


def test_the_tree_has_every_import_once_below_its_importer():
    text = dll_tree.tree(CLOSURE)
    assert text.count("<code>_libffcv.pyd</code>") == 1
    assert text.index("opencv.dll") < text.index("pthreadVC2.dll") < text.index("MSVCR100.dll")
    assert '<span class="bad">missing</span>' in text
    assert text.count("1 of Windows itself") == 2


def test_imports_that_go_in_a_circle_end():
    rule = "folder of the extension module"
    rows = [
        {"importer": "m.pyd", "import": "a.dll", "rule": rule, "file": "/a.dll"},
        {"importer": "a.dll", "import": "b.dll", "rule": rule, "file": "/b.dll"},
        {"importer": "b.dll", "import": "a.dll", "rule": rule, "file": "/a.dll"},
    ]
    assert dll_tree.tree(rows).count("<code>b.dll</code>") == 1


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, ""), (0.42, "0.4 s"), (37.4, "37 s"), (372, "6 min 12 s")]
)
def test_times_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said
