"""The readers of what others wrote, with some random inputs; `doit faults` takes far more."""

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed: run bootstrap again")

import fuzz


@pytest.mark.parametrize("check", fuzz.PROPERTIES, ids=lambda check: check.__name__)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_bytes_are_read_or_refused_with_a_line(check):
    assert fuzz.run(check, examples=15) >= 15
