"""doit bench, at its smallest, of what the full run made: its structure, not its numbers."""

import json

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]


@pytest.fixture(scope="module")
def measured(clone, first_run):
    assert first_run.status == 0, first_run.output
    run = clone.doit("bench", "--part", "product", "--size", "small")
    assert run.status == 0, run.output
    return run, json.loads((clone.build / "bench" / "product.json").read_text(encoding="utf-8"))


def test_everybody_was_measured_in_every_round_of_one_run(measured):
    _, data = measured
    own = "FFCV (zig), Windows under Wine"
    assert data["reference"] == own
    by_operation = {}
    for row in data["rows"]:
        if row["contender"].startswith("FFCV (msvc"):  # another test may have built it
            continue
        by_operation.setdefault(row["what"].split()[0], []).append(row)
        assert (row["unit"], row["rounds"]) == ("us", 1)
        assert 0 < row["low"] <= row["median"] <= row["high"]
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert [row["contender"] for row in by_operation["imdecode"]] == [
        own, "simplejpeg, fastdct, Windows under Wine", "simplejpeg, Windows under Wine",
        "cv2, Windows under Wine",
    ]  # fmt: skip
    assert [row["contender"] for row in by_operation["resize"]] == [own, "cv2, Windows under Wine"]


def test_who_was_not_measured_is_named_with_the_reason(measured):
    run, data = measured
    assert data["missing"]["FFCV (native), Linux"] == "not asked for: doit bench --native"
    for who in data["missing"]:
        assert f"Not measured: {who} (" in run.output


def test_the_pictures_are_as_hard_as_photographs(measured):
    # At quality 90 photographs of half a megapixel and less take 1.5 to 3 bits a pixel.
    assert 1.5 <= measured[1]["bits_per_pixel"] <= 3.5


def test_tables_and_picture_lie_beside_the_numbers(measured, clone):
    assert "| imdecode 384x512 |" in (clone.build / "bench" / "bench.md").read_text("utf-8")
    assert (clone.build / "bench" / "bench.svg").read_text("utf-8").startswith("<svg ")
