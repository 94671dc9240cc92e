"""The garbage collector is held, and works again afterwards."""

import gc

import pytest

from dllwhy import collector


def test_it_works_again_whatever_happened():
    with pytest.raises(ValueError), collector.held():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off():
    gc.disable()
    try:
        with collector.held():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
