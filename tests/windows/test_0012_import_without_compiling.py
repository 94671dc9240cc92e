"""`import ffcv` compiles nothing: each worker of DatasetWriter would wait for it."""

from pathlib import Path

from bounded import run

SCRIPT = """
from numba.core import event

with event.install_recorder("numba:compile") as compiled:
    import ffcv
    from ffcv.fields.rgb_image import IMAGE_MODES
print(sorted(IMAGE_MODES), len(compiled.buffer))
"""


def test_an_import_compiles_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, SCRIPT).split("\n")[-2] == "['jpg', 'raw'] 0"
