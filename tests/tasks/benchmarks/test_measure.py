"""Medians, spreads, and ratios that are taken within a round."""

import pytest

from tasks.benchmarks import measure


def test_less_time_is_more_speed():
    assert measure.ratios("us", [100.0, 300.0], [50.0, 100.0]) == [2.0, 3.0]


def test_more_images_a_second_are_more_speed():
    assert measure.ratios("images/s", [100.0, 300.0], [50.0, 600.0]) == [0.5, 2.0]


def test_a_ratio_is_that_of_the_rounds_and_not_of_the_medians():
    # The machine was slow in one round of three, for both alike.
    samples = {"one": [10.0, 40.0, 10.0], "other": [20.0, 80.0, 20.0]}
    _, other = measure.rows("imdecode", "us", samples, "one")
    assert (other.ratio, other.ratio_low, other.ratio_high) == (0.5, 0.5, 0.5)
    assert (other.median, other.low, other.high) == (20.0, 20.0, 50.0)


def test_the_reference_is_one():
    [one] = measure.rows("resize", "us", {"one": [3.0, 4.0, 5.0]}, "one")
    assert (one.ratio, one.rounds, one.unit) == (1.0, 3, "us")


def test_without_the_reference_there_is_no_ratio():
    [one] = measure.rows("resize", "us", {"one": [3.0]}, "another")
    assert (one.median, one.low, one.high, one.ratio) == (3.0, 3.0, 3.0, None)


def test_contenders_of_different_rounds_are_not_compared():
    with pytest.raises(ValueError):
        measure.rows("resize", "us", {"one": [3.0, 4.0], "other": [3.0]}, "one")
