"""How long work says how far it is, without knowing who shows it."""

from collections.abc import Callable

# Called with (done, total); total is None where it is not known beforehand. Bytes for
# downloads, members for archives. May be called from any thread, and often.
ProgressCallback = Callable[[int, int | None], None]


def silent(done: int, total: int | None) -> None:
    """A progress callback that shows nothing."""
