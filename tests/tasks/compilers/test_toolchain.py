import pytest

from tasks.compilers import toolchain
from tasks.core.errors import BuildError


def test_a_toolchain_json_that_cannot_be_read_names_the_task_to_run(tmp_path):
    with pytest.raises(BuildError, match='run "doit toolchain" again'):
        toolchain.load(tmp_path / "toolchain.json")
