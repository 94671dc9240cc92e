"""A Loader leaves Numba's types as they are for everything else that is compiled."""

from pathlib import Path

from bounded import run

SCRIPT = """
import gc
import sys

import numba
import numpy as np
from ffcv.fields import BytesField
from ffcv.loader import Loader
from ffcv.writer import DatasetWriter


class Bytes:
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return (np.full(100, index, np.uint8),)


def fill(array):
    array[:] = 7


if __name__ == "__main__":
    types = [numba.uint8[::1], numba.uint8[:, ::1], numba.uint64[::1], numba.uint32[::1]]
    before = [hash(one) for one in types]
    ignored = []
    sys.unraisablehook = ignored.append
    DatasetWriter("b.beton", {"b": BytesField()}, num_workers=1).from_indexed_dataset(Bytes())
    for os_cache in (True, False):
        loader = Loader("b.beton", batch_size=4, num_workers=1, os_cache=os_cache)
        for _ in loader:
            pass
        loader.memory_manager.state_type
        del loader, _
        gc.collect()
    assert not ignored, [(one.err_msg, one.exc_value) for one in ignored]
    assert [hash(one) for one in types] == before
    array = np.zeros(3, np.uint8)
    numba.njit(numba.void(types[0]))(fill)(array)
    print(array.tolist())
"""


def test_a_type_that_was_there_before_is_the_same_after_it(tmp_path: Path) -> None:
    assert run(tmp_path, SCRIPT).split("\n")[-2] == "[7, 7, 7]"
