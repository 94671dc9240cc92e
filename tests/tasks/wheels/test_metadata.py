"""METADATA says what is true of the wheel that is given away."""

import pytest
from packaging.metadata import Metadata
from packaging.version import Version
from support import ROOT
from wheel_files import METADATA

from tasks.core import config_file
from tasks.core.errors import BuildError
from tasks.wheels import metadata


def rewritten(**changes):
    given = {
        "version": "1.0+windows.3",
        "requires": ["numpy", "torch"],
        "extras": {"gpu": ["cupy"]},
        "license_expression": "MIT AND Zlib",
        "license_files": ["thing/LICENSE", "a/COPYING"],
        "note": "Built here.",
    }
    return metadata.rewritten(METADATA.encode(), **given | changes)


def test_it_is_valid_and_says_what_it_was_told():
    made = Metadata.from_email(rewritten())
    assert made.version == Version("1.0+windows.3")
    assert made.license_expression == "MIT AND Zlib"
    assert made.license_files == ["a/COPYING", "thing/LICENSE"]
    assert made.metadata_version == "2.4"
    assert made.description is not None
    assert made.description.startswith("Built here.\n\nWhat it is: ü.")


def test_its_requirements_replace_the_unconditional_ones_and_those_of_its_extras():
    made = Metadata.from_email(rewritten())
    assert [str(r) for r in made.requires_dist or []] == [
        "numpy", "torch", 'cupy; extra == "gpu"', 'rich; extra == "all"',
    ]  # fmt: skip
    assert sorted(made.provides_extra or []) == ["all", "gpu"]


def test_what_the_expression_supersedes_is_gone():
    text = rewritten().decode()
    assert "License :: OSI" not in text
    assert "MIT License" not in text
    assert "Dynamic:" not in text
    assert "Classifier: Programming Language :: Python :: 3" in text


def test_fields_are_written_as_everybody_reads_them():
    head = rewritten().decode().partition("\n\n")[0]
    assert {"Metadata-Version", "Name", "License-File", "Requires-Dist"} <= {
        line.partition(":")[0] for line in head.splitlines()
    }


@pytest.mark.parametrize(
    "wrong",
    [{"license_expression": "MIT AND"}, {"requires": ["numpy >"]}, {"version": "one"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_is_not_valid_is_said_in_one_line(wrong):
    with pytest.raises(BuildError) as caught:
        rewritten(**wrong)
    assert "config.yaml" in caught.value.message
    assert "\n" not in caught.value.message


def test_licences_are_joined_and_named_once():
    joined = metadata.joined_license(["MIT", "IJG AND MIT", "Zlib OR Apache-2.0"])
    assert joined == "MIT AND IJG AND (Zlib OR Apache-2.0)"


def test_the_local_version_names_the_compiler_where_there_was_one():
    assert metadata.local_version("1.0.2", 4, "zig") == "1.0.2+windows.4.zig"
    assert metadata.local_version("0.1.7", 4, None) == "0.1.7+windows.4"
    assert Version("1.0.2+windows.4.zig") in metadata_specifier(">=1.0.2")


def metadata_specifier(text):
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(text)


def test_every_licence_of_the_configuration_is_an_spdx_expression_with_its_texts():
    from packaging.licenses import canonicalize_license_expression

    config = config_file.load(ROOT / "config.yaml")
    abouts = [library.about for library in config.libraries.values()]
    abouts += [package.about for package in config.packages.values()]
    abouts += [a for profile in config.profiles.values() for a in profile.toolchain.runtime]
    assert len(abouts) > 8
    for about in abouts:
        assert about is not None
        assert canonicalize_license_expression(about.license) == about.license
        for name in about.license_files:
            assert name.startswith("licenses/")
            assert (ROOT / name).stat().st_size > 100
