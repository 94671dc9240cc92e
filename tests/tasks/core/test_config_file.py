"""config.yaml: what is wrong with it is said in one line, with the path of the key."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from tasks.core import config_file, project
from tasks.core.errors import ConfigError


def error_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        config_file.load(path)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_projects_own_configuration_is_valid():
    loaded = config_file.load(ROOT / "config.yaml")
    assert loaded.profile.here in loaded.profiles


def test_an_unknown_key_is_named_with_the_likely_one(edit_config):
    path = edit_config(lambda c: c["artifacts"]["opencv-source"]["sources"][1].update(sha265="x"))
    assert error_of(path) == (
        "config.yaml: artifacts.opencv-source.sources[1].sha265: unknown key; "
        'did you mean "sha256"?'
    )


def test_an_unknown_key_at_the_top_is_named_with_the_likely_one(edit_config):
    path = edit_config(lambda c: c.update(profil="zig"))
    assert error_of(path) == 'config.yaml: profil: unknown key; did you mean "profile"?'


def test_an_unknown_key_deep_in_a_recipe_is_named_with_the_likely_one(edit_config):
    recipe = ["libraries", "opencv", "recipes", "cmake"]

    def change(c):
        for key in recipe:
            c = c[key]
        c["define"] = {}

    assert error_of(edit_config(change)).endswith(
        'libraries.opencv.recipes.cmake.define: unknown key; did you mean "defines"?'
    )


@pytest.mark.parametrize(
    ("stage", "key", "wrong", "likely"),
    [
        ("toolchain", "minimum_toolset", "minimal_toolset", "minimum_toolset"),
        ("environment", "accelerator", "acelerator", "accelerator"),
    ],
)
def test_an_unknown_key_of_one_kind_of_many_is_named(edit_config, stage, key, wrong, likely):
    def change(c):
        part = c["profiles"]["msvc"][stage]
        part[wrong] = part[key]

    assert error_of(edit_config(change)) == (
        f'config.yaml: profiles.msvc.{stage}.{wrong}: unknown key; did you mean "{likely}"?'
    )


def test_a_default_profile_that_does_not_exist_is_named(edit_config):
    path = edit_config(lambda c: c["profile"].update(windows="mvsc"))
    assert error_of(path) == (
        'config.yaml: profile.windows: unknown profile "mvsc"; did you mean "msvc"?'
    )


def test_a_source_without_a_hash_is_refused(edit_config):
    path = edit_config(lambda c: c["artifacts"]["ffcv"]["sources"][0].pop("sha256"))
    assert error_of(path) == "config.yaml: artifacts.ffcv.sources[0].sha256: is missing"


def test_a_hash_that_is_none_is_refused(edit_config):
    path = edit_config(lambda c: c["artifacts"]["ffcv"]["sources"][0].update(sha256="abc"))
    assert error_of(path).startswith("config.yaml: artifacts.ffcv.sources[0].sha256: ")


def test_a_wrong_type_is_named(edit_config):
    path = edit_config(lambda c: c["verify"]["import"].update(timeout_seconds="soon"))
    message = error_of(path)
    assert message.startswith("config.yaml: verify.import.timeout_seconds: ")
    assert message.endswith("not 'soon'")


def test_a_source_needs_exactly_one_place(edit_config):
    path = edit_config(lambda c: c["artifacts"]["ffcv"]["sources"][0].pop("pypi"))
    assert error_of(path) == "config.yaml: artifacts.ffcv.sources[0]: needs either url or pypi"


def test_a_recipe_with_an_unknown_artifact_is_named(edit_config):
    path = edit_config(
        lambda c: c["libraries"]["pthreads"]["recipes"]["prebuilt"].update(artifact="pthreads-win3")
    )
    assert error_of(path) == (
        "config.yaml: libraries.pthreads.recipes.prebuilt.artifact: "
        'unknown artifact "pthreads-win3"; did you mean "pthreads-win32"?'
    )


def test_a_prebuilt_library_needs_a_stage_map_in_every_source(edit_config):
    path = edit_config(lambda c: c["artifacts"]["pthreads-win32"]["sources"][1].pop("stage"))
    assert "artifacts.pthreads-win32.sources[1].stage: is missing" in error_of(path)


def test_a_profile_without_a_library_that_a_package_links_is_refused(edit_config):
    path = edit_config(lambda c: c["profiles"]["zig"]["libraries"].pop("opencv"))
    assert error_of(path) == (
        "config.yaml: profiles.zig.libraries: opencv is missing; packages.ffcv links it"
    )


def test_a_patch_that_is_not_there_is_named(edit_config):
    path = edit_config(lambda c: c["packages"]["ffcv"]["build"].update(patches={"no.patch": True}))
    assert error_of(path) == ("config.yaml: packages.ffcv.build.patches: there is no file no.patch")


def test_text_that_is_no_yaml_is_named_with_its_line(clone):
    (clone / "config.yaml").write_text("profile: zig\npython: [", encoding="utf-8")
    assert error_of(clone / "config.yaml").startswith("config.yaml: line ")


def test_an_empty_file_is_refused(clone):
    (clone / "config.yaml").write_text("", encoding="utf-8")
    assert "is empty" in error_of(clone / "config.yaml")


def test_an_unknown_profile_names_who_asked_and_the_likely_one(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zigg")
    with pytest.raises(ConfigError) as caught:
        project.load(clone)
    assert caught.value.message == 'FFCVWIN_PROFILE: unknown profile "zigg"; did you mean "zig"?'


def test_a_python_that_the_profile_lacks_lists_those_that_it_has(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    monkeypatch.setenv("FFCVWIN_PYTHON", "3.9")
    with pytest.raises(ConfigError) as caught:
        project.load(clone)
    assert caught.value.message == (
        'FFCVWIN_PYTHON: this profile has no Python "3.9"; it has 3.10, 3.11, 3.12, 3.13'
    )


def test_the_environment_overrides_the_file(clone, monkeypatch, tmp_path):
    monkeypatch.setenv("FFCVWIN_PROFILE", "zig")
    monkeypatch.setenv("FFCVWIN_PYTHON", "3.12")
    monkeypatch.setenv("FFCVWIN_CACHE", str(tmp_path / "my cache"))
    monkeypatch.setenv("FFCVWIN_OFFLINE", "1")
    loaded = project.load(clone)
    assert loaded.target.tag == "cp312"
    assert loaded.build == clone / "build" / "zig-cp312"
    assert loaded.cache == tmp_path / "my cache"
    assert loaded.offline


def test_a_flag_that_is_neither_yes_nor_no_is_refused(clone, monkeypatch):
    monkeypatch.setenv("FFCVWIN_OFFLINE", "perhaps")
    with pytest.raises(ConfigError, match="FFCVWIN_OFFLINE: should be 1 or 0"):
        project.load(clone)


def test_doit_shows_a_wrong_setting_as_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "doit", "list", "profile=zigg"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert (done.stdout + done.stderr).strip() == (
        'ERROR: doit profile=zigg: unknown profile "zigg"; did you mean "zig"?'
    )
