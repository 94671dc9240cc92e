"""The process cache reads the right bytes, beyond 4 GB too, and notices what is missing."""

import ctypes
import msvcrt
import threading
from pathlib import Path
from queue import Queue
from typing import Any, BinaryIO

import numpy as np
import pytest
from bounded import run

FSCTL_SET_SPARSE = 0x900C4  # winioctl.h
GIB = 1 << 30


def make_sparse(file: BinaryIO) -> None:
    """Ask for a sparse file, so that gigabytes of nothing take no room and no time."""
    handle = ctypes.c_void_p(msvcrt.get_osfhandle(file.fileno()))
    returned = ctypes.c_uint32()
    ctypes.windll.kernel32.DeviceIoControl(
        handle, FSCTL_SET_SPARSE, None, 0, None, 0, ctypes.byref(returned), None
    )


def test_reads_are_positional_and_know_offsets_beyond_4_gib(tmp_path: Path) -> None:
    from ffcv.libffcv import read

    path = tmp_path / "big"
    with path.open("wb") as file:
        make_sparse(file)
        for place in (0, 2 * GIB, 4 * GIB, 5 * GIB):
            file.seek(place + 100)
            file.write(str(place).encode().ljust(16))
    with path.open("rb") as file:
        for place in (5 * GIB, 0, 4 * GIB, 2 * GIB):
            buffer = np.zeros(16, np.uint8)
            assert read(file.fileno(), buffer, np.uint64(place + 100)) == 16
            assert buffer.tobytes().strip() == str(place).encode()


def test_a_short_read_says_how_much_came(tmp_path: Path) -> None:
    from ffcv.libffcv import read

    path = tmp_path / "short"
    path.write_bytes(b"x" * 1000)
    with path.open("rb") as file:
        assert read(file.fileno(), np.zeros(600, np.uint8), 500) == 500
        assert read(file.fileno(), np.zeros(600, np.uint8), 1000) == 0
        assert read(file.fileno(), np.zeros(600, np.uint8), 5000) == 0


def test_threads_may_share_a_file(tmp_path: Path) -> None:
    from ffcv.libffcv import read

    content = np.random.default_rng(0).integers(0, 256, 1 << 20, dtype=np.uint8)
    path = tmp_path / "shared"
    path.write_bytes(content.tobytes())
    wrong: list[int] = []

    def work(seed: int, descriptor: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(200):
            offset = int(random.integers(0, len(content) - 5000))
            buffer = np.zeros(5000, np.uint8)
            read(descriptor, buffer, offset)
            if not (buffer == content[offset : offset + 5000]).all():
                wrong.append(offset)

    with path.open("rb") as file:
        threads = [threading.Thread(target=work, args=(i, file.fileno())) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not wrong


@pytest.mark.parametrize("fault", ["cut short", "missing"])
def test_pages_that_cannot_be_read_are_an_error(tmp_path: Path, fault: str) -> None:
    from ffcv.memory_managers.process_cache.schedule import ScheduleExecutor, compute_schedule

    path = tmp_path / "pages"
    if fault == "cut short":
        path.write_bytes(bytes(4096 + 1000))
    executor = ScheduleExecutor(
        str(path), compute_schedule([{1}]), np.zeros((1, 4096), np.uint8), num_workers=2
    )
    executor.__enter__()
    outcome: Queue[Any] = Queue()

    def load() -> None:
        try:
            outcome.put(executor.load_batch(0))
        except OSError as error:
            outcome.put(error)

    threading.Thread(target=load, daemon=True).start()
    error = outcome.get(timeout=30)  # a wait for ever would be queue.Empty
    executor.__exit__()
    assert isinstance(error, OSError)
    if fault == "cut short":
        assert "got 1000 bytes of 4096 at offset 4096" in str(error)


BEYOND_4_GIB = """
import ctypes, msvcrt, sys
import numpy as np
from ffcv.fields import NDArrayField
from ffcv.loader import Loader
from ffcv.reader import Reader
from ffcv.types import ALLOC_TABLE_TYPE, HeaderType
from ffcv.writer import DatasetWriter

PAGE = 1 << 21
SHIFT = 5 << 30

class Arrays:
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return (np.full(1000, index, np.int64),)

if __name__ == "__main__":
    fields = {"array": NDArrayField(np.dtype(np.int64), (1000,))}
    writer = DatasetWriter("small.beton", fields, page_size=PAGE, num_workers=1)
    writer.from_indexed_dataset(Arrays())

    # The same dataset with its pages 5 GiB further on, in a sparse file.
    small = Reader("small.beton")
    content = np.fromfile("small.beton", np.uint8)
    first = int(small.alloc_table["ptr"].min()) // PAGE * PAGE
    table_at = int(small.header["alloc_table_ptr"])
    header = np.frombuffer(content[:HeaderType.itemsize].tobytes(), HeaderType).copy()
    header["alloc_table_ptr"] += SHIFT
    metadata = small.metadata.copy()
    metadata[metadata.dtype.names[0]] += SHIFT
    table = small.alloc_table.copy()
    table["ptr"] += SHIFT
    start = HeaderType.itemsize + small.field_descriptors.nbytes
    with open("big.beton", "wb") as file:
        returned = ctypes.c_uint32()
        ctypes.windll.kernel32.DeviceIoControl(
            ctypes.c_void_p(msvcrt.get_osfhandle(file.fileno())), 0x900C4,
            None, 0, None, 0, ctypes.byref(returned), None)
        file.write(header.tobytes())
        file.write(content[HeaderType.itemsize:start].tobytes())
        file.write(metadata.tobytes())
        file.seek(first + SHIFT)
        file.write(content[first:table_at].tobytes())
        file.write(table.tobytes())

    for os_cache in map(bool, map(int, sys.argv[1:])):
        loader = Loader("big.beton", batch_size=4, num_workers=1, os_cache=os_cache)
        values = np.concatenate([batch.numpy() for (batch,) in loader])
        assert (values == np.arange(8)[:, None]).all(), values
        print("READ", os_cache)
"""


def test_a_dataset_beyond_4_gib_is_read_through_both_caches(tmp_path: Path) -> None:
    output = run(tmp_path, BEYOND_4_GIB, 1, 0)
    assert "READ True" in output
    assert "READ False" in output
