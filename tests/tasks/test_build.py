"""What doit build says of a failure."""

from dllwhy.logs import patterns
from tasks import build


def test_the_causes_that_stop_every_compiler_are_triages():
    assert {one.id for one in patterns.default()} >= build._OF_NO_COMPILER
