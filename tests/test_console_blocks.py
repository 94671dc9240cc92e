"""Blocks of Markdown that are run: found, taken apart, run and compared."""

import os
import subprocess
from textwrap import dedent

import pytest
from console_blocks import Block, Command, batch, blocks, commands, difference, parts, quoted, run

for_a_shell = pytest.mark.skipif(os.name == "nt", reason="commands are run by bash")


def _markdown(text: str) -> str:
    return dedent(text).replace("~", "`")


def _run(tmp_path, *texts: str) -> list[str | None]:
    return run([Command(text, 1) for text in texts], tmp_path, dict(os.environ), timeout=20)


def test_blocks_are_found_with_their_kind_their_line_and_what_stands_above():
    text = _markdown(
        """\
        Above.

        ~~~console windows
        C:\\> dir
        ~~~
        ~~~~text
        ~~~
        ~~~~
        """
    )
    assert blocks(text) == [
        Block(("console", "windows"), ("C:\\> dir",), 3, "Above."),
        Block(("text",), ("```",), 6, ""),
    ]


def test_a_fence_that_is_not_closed_is_an_error():
    with pytest.raises(ValueError, match="line 2"):
        blocks(_markdown("x\n~~~console\n$ true\n"))


def test_a_console_block_is_commands_and_what_they_print():
    [block] = blocks(_markdown("~~~console\n$ cat <<END\n> a\n>\n> END\na\n\n$ true\n~~~"))
    assert commands(block) == [
        Command("cat <<END\na\n\nEND", 2, ["a", ""]),
        Command("true", 8, []),
    ]


def test_output_that_begins_like_a_continuation_is_output_after_the_first_line():
    [block] = blocks(_markdown("~~~console\n$ x\nerror\n>>> referenced by y\n~~~"))
    assert commands(block)[0].expected == ["error", ">>> referenced by y"]


def test_output_without_a_command_is_an_error():
    with pytest.raises(ValueError, match="line 2"):
        commands(Block(("console",), ("output",), 1, ""))


@for_a_shell
def test_commands_share_a_session_and_both_streams_are_seen(tmp_path):
    printed = _run(tmp_path, "mkdir a; cd a; x=1", "pwd; echo $x >&2", "printf no-newline", "false")
    assert printed == ["", f"{tmp_path}/a\n1\n", "no-newline", ""]


@for_a_shell
def test_a_command_sees_the_exit_status_of_the_one_before(tmp_path):
    assert _run(tmp_path, "(exit 3)", "echo $?") == ["", "3\n"]


@for_a_shell
def test_commands_after_the_end_of_the_shell_are_not_reached(tmp_path):
    assert _run(tmp_path, "echo 1", "exit", "echo 2") == ["1\n", None, None]
    assert "not reached" in difference([], None)


@for_a_shell
def test_commands_have_no_input_to_wait_for(tmp_path):
    assert _run(tmp_path, "cat") == [""]


def test_a_batch_file_comes_back_from_the_scripts_that_it_runs():
    given = [Command(text, 1) for text in ('"a b.bat" x', r"C:\y.cmd", "cl x.bat.c", "set X=y.bat")]
    lines = batch(given).split("\r\n")
    assert [line.split()[0] for line in lines[1::3] if line] == ["call", "call", "cl", "set"]
    mark = lines[3].removeprefix("echo ")
    assert parts(given, f"1\r\n\r\n{mark}\r\n\r\n{mark}\r\n") == ["1\n", "", None, None]


@for_a_shell
def test_commands_that_take_too_long_are_ended(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        run([Command("sleep 60", 1)], tmp_path, dict(os.environ), timeout=0.5)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ([], ""),
        (["a"], "a\n"),
        (["a "], "a\r\n\n"),
        (["took ... s"], "took 1.5 s"),
        (["a", "...", "z"], "a\nz\n"),
        (["a", "...", "z"], "a\nb\nc\nz\n"),
        (["...", "z"], "a\n\nz\n"),
        (["a (b) [c] * ?"], "a (b) [c] * ?\n"),
    ],
)
def test_output_is_as_expected(expected, printed):
    assert difference(expected, printed) is None


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ([], "a\n"),
        (["a"], ""),
        (["a"], "a\nb\n"),
        (["a", "b"], "b\na\n"),
        (["took ... s"], "took\n1.5 s"),
        (["a", "...", "z"], "a\nb\n"),
        (["a.b"], "axb\n"),
    ],
)
def test_output_is_not_as_expected(expected, printed):
    assert printed in difference(expected, printed)


def test_a_quotation_is_whole_lines_in_order():
    log = "one\ntwo  \nthree\nfour\n"
    assert quoted(["two", "three"], log)
    assert quoted(["one", "...", "four"], log)
    assert quoted(["t...o"], log)
    assert not quoted(["three", "two"], log)
    assert not quoted(["hree"], log)
    assert not quoted(["thre"], log)
