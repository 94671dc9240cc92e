"""Where tasks stand in the picture of the graph."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pages import layers


def test_what_follows_from_another_need_is_left_out():
    needs = {"a": [], "b": ["a"], "c": ["a", "b"]}
    assert layers.reduced(needs) == {"a": [], "b": ["a"], "c": ["b"]}


def test_every_task_stands_below_what_it_needs():
    needs = {"fetch": [], "extract": ["fetch"], "zig": [], "libs": ["extract", "zig"]}
    corners = layers.arrange(needs).corners
    for name, direct in needs.items():
        assert all(corners[need][1] < corners[name][1] for need in direct)


def test_what_needs_nothing_stands_right_above_what_needs_it():
    needs = {"a": [], "b": ["a"], "c": ["b"], "late": [], "d": ["c", "late"]}
    corners = layers.arrange(needs).corners
    assert corners["late"][1] == corners["c"][1]


def test_an_empty_graph_is_an_empty_picture():
    assert layers.arrange({}).corners == {}


@st.composite
def graphs(draw):
    number = draw(st.integers(1, 25))
    return {
        str(i): [str(j) for j in range(i) if draw(st.integers(0, 5)) == 0] for i in range(number)
    }


@given(graphs())
def test_no_box_lies_on_another_and_all_are_inside(needs):
    picture = layers.arrange(needs)
    assert picture.corners.keys() == needs.keys()
    rows: dict[float, list[float]] = {}
    for x, y in picture.corners.values():
        assert -0.01 <= x <= picture.width - layers.WIDTH + 0.01
        assert 0 <= y <= picture.height - layers.HEIGHT + 0.01
        rows.setdefault(y, []).append(x)
    for row in rows.values():
        for left, right in pairwise(sorted(row)):
            assert right - left >= layers.WIDTH + layers.GAP - 0.01


@given(graphs())
def test_every_line_goes_down_from_a_box_to_a_box(needs):
    picture = layers.arrange(needs)
    for need, name, points in picture.edges:
        assert need in needs[name]
        assert [y for _, y in points] == sorted(y for _, y in points)
        (x, y), (to_x, to_y) = points[0], points[-1]
        corner, to_corner = picture.corners[need], picture.corners[name]
        assert (x, y) == pytest.approx((corner[0] + layers.WIDTH / 2, corner[1] + layers.HEIGHT))
        assert (to_x, to_y) == pytest.approx((to_corner[0] + layers.WIDTH / 2, to_corner[1]))
