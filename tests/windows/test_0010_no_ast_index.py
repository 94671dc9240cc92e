"""The code of a pipeline is made without ast.Index, which Python is about to drop."""

from pathlib import Path

from bounded import run

SCRIPT = """
import ast

from ffcv.fields.basics import IntDecoder
from ffcv.pipeline.graph import DecoderNode

ast.__dict__.pop("Index", None)  # as it will be
call = DecoderNode("label", IntDecoder(), 0).func_call_ast
print(ast.unparse(ast.fix_missing_locations(call)))
"""


def test_a_pipeline_is_made_where_there_is_no_ast_index(tmp_path: Path) -> None:
    assert "metadata['f0'], storage_state)" in run(tmp_path, SCRIPT)
