"""The round trip notices each patch that it can see: switched off, it fails and names it.

The source comes from the graph, with the patch switched off in config.yaml. It is put before the
installed package, whose extension no patch touches, and the checks run that the patch is for.
"""

import pytest

from tasks import upstream, verify
from tasks.core.project import load
from tasks.pythons import windows_python
from tasks.source import patched_tree, source_folder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

# Patch -> the check that it is for, and what is said without it.
SEEN = {
    "0002-writer-metadata-size": ("write with 1 worker", "DatasetWriter cannot write"),
    "0003-writer-dead-workers": (
        "a dataset that fails in a worker is reported",
        "DatasetWriter waits for a worker that died",
    ),
    "0004-process-cache-reads": (
        "random crops, os_cache=False",
        "the process cache (os_cache=False) cannot read the file",
    ),
    "0005-loader-thread-errors": (
        "an error while loading is reported",
        "the loop over a Loader waits for a thread that died",
    ),
    "0006-release-files": (
        "a file can be deleted after reading, os_cache=True",
        "cannot be deleted after it was read",
    ),
}


@pytest.mark.parametrize("patch", SEEN)
def test_the_round_trip_fails_without(built, tmp_path, job, patch):
    def change(config):
        patches = config["packages"]["ffcv"]["build"]["patches"]
        patches[f"patches/ffcv-1.0.2/{patch}.patch"] = False

    check, told = SEEN[patch]
    built.change_config(change)
    assert built.doit("source:ffcv").executed == ["source:ffcv"]
    project = load(built.folder)
    overlay = upstream.overlay(project, source_folder(project, "ffcv"), tmp_path / "without")
    variables = {"PYTHONPATH": windows_python.HERE.path(overlay)}
    outcome = verify.round_trip(
        project, tmp_path / "datasets", job, checks=[check], variables=variables
    )
    assert outcome["status"] == 1
    said = verify.failure_of_round_trip(outcome)
    assert f"{check}: " in said
    assert f"patches/ffcv-1.0.2/{patch}" in said
    assert told in said


# Patches that change what another one has made.
BUILDS_ON = {"0002-batch-transforms": "0001-fasttransform"}


@pytest.mark.parametrize("package", ["ffcv", "fastxtend"])
def test_the_others_apply_without_any_one_of_the_patches(built, tmp_path, job, package):
    project = load(built.folder)
    configured = project.config.packages[package]
    patches = [built.folder / patch for patch in configured.build.patches]
    for off in patches:
        rest = [one for one in patches if off.stem not in (one.stem, BUILDS_ON.get(one.stem))]
        tree = project.source_tree(configured.artifact)
        made = patched_tree(tree, rest, tmp_path / off.stem, job)
        assert list(made.details["patches"]) == [one.name for one in rest]
