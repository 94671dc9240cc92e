"""DatasetWriter ends with an error when its workers die while they start."""

from pathlib import Path

from bounded import run_any

WITHOUT_MAIN_GUARD = """
from ffcv.fields import IntField
from ffcv.writer import DatasetWriter

DatasetWriter("out.beton", {"index": IntField()}, num_workers=1).from_indexed_dataset([(1,), (2,)])
"""

# What a notebook does: the class is in a __main__ that a new process does not have.
NOTEBOOK = """
from pathlib import Path

Path("cell.py").write_text(
    "class Cells:\\n"
    "    def __len__(self): return 2\\n"
    "    def __getitem__(self, index): return (index,)\\n"
)
if __name__ == "__main__":
    from ffcv.fields import IntField
    from ffcv.writer import DatasetWriter

    exec(Path("cell.py").read_text())
    DatasetWriter("out.beton", {"index": IntField()}, num_workers=2).from_indexed_dataset(Cells())
"""


def test_a_script_without_main_guard_ends_with_a_hint(tmp_path: Path) -> None:
    status, output = run_any(tmp_path, WITHOUT_MAIN_GUARD)
    assert status == 1
    assert 'Is the script protected by `if __name__ == "__main__":`' in output


def test_a_class_that_workers_do_not_have_ends_with_a_hint(tmp_path: Path) -> None:
    status, output = run_any(tmp_path, NOTEBOOK)
    assert status == 1
    assert "can its dataset be imported by a new process?" in output
