"""What is newer than a lock, and which bounds hold something back."""

import itertools

from support import ROOT

from tasks import outdated


def test_a_lock_is_read_without_hashes_and_comments():
    text = (
        "# made\nnumpy==2.4.6 \\\n    --hash=sha256:00\n    # via numba\nx[y]==1 ; sys_platform\n"
    )
    assert outdated.pinned(text) == {"numpy": "2.4.6", "x": "1"}


def test_bounds_go_and_markers_and_extras_stay():
    text = '# why\nnumpy<2.2 ; python_version < "3.13"\nx[b,a]==1.0  # why\n\ntorch\n'
    assert outdated.without_bounds(text) == ('numpy ; python_version < "3.13"\nx[a,b]\ntorch\n')


def test_what_differs_is_told_in_words():
    old = {"numpy": "2.1", "gone": "1", "same": "3"}
    new = {"numpy": "2.2", "come": "1", "same": "3"}
    assert outdated.changes(old, new) == [
        "come (new) -> 1",
        "gone 1 -> (gone)",
        "numpy 2.1 -> 2.2",
    ]


def test_every_bound_of_the_environment_has_its_reason_above_it():
    lines = (ROOT / "envs" / "ffcv.in").read_text(encoding="utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        requirement = line.partition("#")[0].partition(";")[0]
        if any(sign in requirement for sign in "<=>~!"):
            assert above.startswith("#"), f"{line} has no reason above it"
