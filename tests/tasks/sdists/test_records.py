"""What builds came to, as data and as a table."""

from dataclasses import replace
from pathlib import Path

import pytest
from wheel_files import write_wheel

from tasks.core.errors import BuildError
from tasks.core.recipe import PackageRecipe
from tasks.sdists import records
from tasks.sdists.make import Outcome
from tasks.sdists.source import Source

RECIPE = PackageRecipe(libraries=("zlib",), std="c++17", version="1.0")
FOUND = Source("Thing", "1.0", Path("thing.tar.gz"), "0" * 64)


def outcome(folder, **given):
    wheel = write_wheel(folder)
    return Outcome(wheel, "setuptools.build_meta", {"thing": ""}, seconds=20.4, **given)


def test_a_build_is_written_down_and_read(tmp_path):
    records.write(tmp_path, FOUND, RECIPE, "3.11", "zig", outcome(tmp_path))
    records.write(tmp_path, FOUND, RECIPE, "3.11", "msvc", None, "no | header")
    (tmp_path / "damaged.json").write_text("{")
    built, failed = sorted(records.read(tmp_path), key=lambda one: one.compiler, reverse=True)
    assert (built.package, built.result, built.recipe) == ("thing", "imported", ("std",))
    assert (failed.result, failed.why) == ("not built", "no | header")
    [_, _, line] = records.table([built, failed])
    assert line == (
        "| thing 1.0 | setuptools | std, zlib | imported, 20 s (0), &lt; 0.1 MB | "
        r"**not built**: no \| header |"
    )


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"wrong": ""}, "computes"),
        ({"wrong": "it printed 1"}, "computes wrongly"),
        ({"gave_up": True}, "went on without its compiled part"),
        ({"lost": ["thing._fast"]}, "went on without its compiled part"),
    ],
)
def test_what_a_wheel_came_to(given, result, tmp_path):
    assert records.result(outcome(tmp_path, **given))[0] == result


def test_a_module_that_is_not_imported(tmp_path):
    made = replace(outcome(tmp_path), imported={"thing": "ImportError: no"})
    assert records.result(made) == ("not imported", "ImportError: no")


def test_the_reason_is_the_cause_that_the_log_tells():
    log = "a.c:1:10: fatal error: 'zlib.h' file not found\n"
    assert "does not find the header zlib.h" in records.reason("it failed", log)
    assert records.reason("it failed", "") == "it failed"


def test_a_reason_names_no_folder_of_this_machine():
    told = records.reason("in /home/me/x/build/zig-cp311/packages/a/tree/a-1/src/b.h, line 2", "")
    assert told == "in a-1/src/b.h, line 2"


def test_the_table_is_made_anew_between_its_marks(tmp_path):
    file = tmp_path / "a.md"
    file.write_text(f"before\n{records.BEGIN}\nold\n{records.END}\nafter\n")
    records.write_table(file, [])
    text = file.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    file.write_text("nothing")
    with pytest.raises(BuildError, match="between which the table goes"):
        records.write_table(file, [])


def test_what_was_built_elsewhere_stays_in_the_table(tmp_path):
    file = tmp_path / "a.md"
    file.write_text(f"{records.BEGIN}\n{records.END}\n")
    records.write(tmp_path / "here", FOUND, RECIPE, "3.11", "zig", None, "no | header")
    other = replace(FOUND, name="Other")
    records.write(tmp_path / "here", other, RECIPE, "3.11", "zig", outcome(tmp_path))
    records.write_table(file, records.read(tmp_path / "here"))
    plain = PackageRecipe(std="c++14")
    records.write(tmp_path / "there", FOUND, plain, "3.11", "msvc", outcome(tmp_path, wrong=""))
    records.write_table(file, records.read(tmp_path / "there"))
    assert file.read_text().splitlines()[3:-1] == [
        "| other 1.0 | setuptools | std, zlib | imported, 20 s (0), &lt; 0.1 MB |  |",
        "| thing 1.0 | setuptools | std, zlib | **not built**: no \\| header | computes, 20 s (0), "
        "&lt; 0.1 MB |",
    ]
    records.write(tmp_path / "there", FOUND, plain, "3.11", "zig", outcome(tmp_path))
    records.write_table(file, records.read(tmp_path / "there"))
    assert file.read_text().splitlines()[4].startswith("| thing 1.0 | setuptools | std | imported")
