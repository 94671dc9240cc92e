"""The round trip notices each patch that it can see: switched off, it fails and names it.

These come last: they leave a build behind that other tests could not use.
"""

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(4200)]

SEEN = {
    "0002-writer-metadata-size": "DatasetWriter cannot write",
    "0003-writer-dead-workers": "DatasetWriter waits for a worker that died",
    "0004-process-cache-reads": "the process cache (os_cache=False) cannot read the file",
    "0005-loader-thread-errors": "the loop over a Loader waits for a thread that died",
    "0006-release-files": "cannot be deleted after it was read",
}


@pytest.mark.parametrize("patch", SEEN)
def test_the_round_trip_fails_without(built, patch):
    def change(config):
        patches = config["packages"]["ffcv"]["build"]["patches"]
        patches[f"patches/ffcv-1.0.2/{patch}.patch"] = False

    built.change_config(change)
    run = built.doit("verify:roundtrip")
    assert run.status == 1
    assert run.executed[-1] == "verify:roundtrip"
    assert f"patches/ffcv-1.0.2/{patch}" in run.output
    assert SEEN[patch] in run.output
