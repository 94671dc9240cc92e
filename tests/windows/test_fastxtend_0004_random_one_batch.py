"""A batch of a random order is asked for an index that there is."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastai", reason="the environment has no fastai")


def test_no_index_is_beyond_the_last_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastxtend.ffcv import loader as module

    asked: list[Any] = []

    class Half(module.Loader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self._args = {"order": module.OrderOption.RANDOM}
            self.reader = SimpleNamespace(num_samples=3)
            self.batch_size, self.next_epoch = 500, 0
            self.traversal_order = self.drop_last = self.indices = None

        def __iter__(self) -> Any:
            asked.extend(self.indices)
            yield None

    monkeypatch.setitem(module.ORDER_MAP, module.OrderOption.SEQUENTIAL, lambda loader: None)
    assert list(Half()._n_batches(2)) == [None]
    assert set(asked) == {0, 1, 2} and len(asked) == 1000
