"""Logs as they reach people, and the plain lines that are read in them."""

import pytest

from dllwhy.errors import DiagnosisError
from dllwhy.logs.patterns import load
from dllwhy.logs.sieve import sifted
from dllwhy.logs.text import normalised, read
from dllwhy.logs.triage import Outcome, outcome, render, triage

CAUSE = "LINK : fatal error LNK1181: cannot open input file 'turbojpeg.lib'"
NEUTRAL = "[1/9] Building CXX object modules/core/src/matrix.cpp.obj\n"


@pytest.mark.parametrize(
    "line",
    [
        f"2026-01-31T12:00:00.1234567Z {CAUSE}",
        f"2026-01-31T12:00:00.1234567Z ##[error]{CAUSE}",
        f"build\tCompile\t2026-01-31T12:00:00.1234567Z {CAUSE}",
        f"::error file=setup.py::{CAUSE}",
        f"[12:00:01] {CAUSE}",
        f"#12 3.456 {CAUSE}",
        f"1>{CAUSE}",
        f"> {CAUSE}",
        f"> > {CAUSE}",
        f"\t      {CAUSE}  ",
        f"      │ {CAUSE}",
        f"\x1b[1;31m{CAUSE}\x1b[0m",
        f"\x1b]0;title\x07{CAUSE}\x1b[K",
        f"downloading  5%\rdownloading 99%\r{CAUSE}",
        f"\u202e{CAUSE}",
    ],
)
def test_what_stands_around_a_line_is_no_part_of_it(line: str) -> None:
    assert normalised(line).text.splitlines()[-1] == CAUSE


def test_no_escape_sequence_of_a_log_reaches_the_terminal() -> None:
    text = "\x1b]52;c;ZXZpbA==\x07error: \x1b[2Jcould \x9b31mnot \x08\x08do it\x00\n"
    [finding] = triage(text)
    printed = "\n".join(render([finding]))
    assert not [
        char for char in printed if (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160
    ]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("indent", ["", "   "])
def test_lines_that_a_console_wrapped_are_one(width: int, indent: str) -> None:
    line = (
        "libdemo.lib(codec.obj) : error LNK2038: mismatch detected for 'RuntimeLibrary': value "
        "'MT_StaticRelease' doesn't match value 'MD_DynamicRelease' in module.obj "
        "[C:\\demo\\core.vcxproj]"
    )
    wrapped = [line[at : at + width] for at in range(0, len(line), width)]
    text = "\n".join(indent + part for part in ["building 'demo'", *wrapped, "LINK : fatal error"])
    [finding] = triage(text)
    assert finding.id == "runtime-mismatch" and finding.line_number == 2


def test_a_message_of_its_own_is_not_joined_to_a_line_that_fills_the_console() -> None:
    full = "a.obj : error LNK2019: unresolved external symbol tjFree referenced in function f"
    assert len(full) == 80 + 1  # an indentation of three was lost
    text = f"{full[:-1]}\n{full.replace('tjFree', 'tjInit')[:-1]}\n"
    assert len(normalised(text).text.splitlines()) == 2


def test_wide_letters_take_two_columns() -> None:
    line = "找不到指定的模块。x" * 4 + "找不"  # 80 columns
    assert normalised(f"x\n{line}\n到\n").text.splitlines()[1] == line + "到"
    assert normalised(f"x\n{line[:30]}\n到\n").text.splitlines()[1] == line[:30]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
def test_a_log_is_read_in_the_encodings_of_windows(encoding: str) -> None:
    [finding] = triage(read(f"zlib\r\n{CAUSE}\r\n".encode(encoding)))
    assert (finding.id, finding.line_number) == ("missing-library", 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"PK\x03\x04rest", "unpack it"),
        (b"\x1f\x8brest", "unpack it"),
        (b"MZ\x90\x00", "program or DLL"),
    ],
)
def test_what_is_no_log_is_told(data: bytes, message: str) -> None:
    with pytest.raises(DiagnosisError, match=message) as caught:
        read(data)
    assert "\n" not in caught.value.message


def test_no_line_of_an_example_is_lost_in_a_long_log() -> None:
    lost = []
    for pattern in load():
        for example in pattern.examples:
            lines = [
                *NEUTRAL.splitlines() * 100,
                *example.splitlines(),
                *NEUTRAL.splitlines() * 100,
            ]
            kept = set(sifted(lines))
            if not kept.issuperset(range(100, len(lines) - 100)):
                lost.append(f"{pattern.id}: {example}")
    assert lost == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        NEUTRAL * 40_000,
        "error: x" * 300_000,
        "LNK1104: 'a" * 200_000,
        "".join(
            f"{i}.obj : error LNK2019: unresolved external symbol f{i}\n" for i in range(40_000)
        ),
        "\x1b[31merror\x1b[0m x\n" * 100_000,
    ],
    ids=["progress", "one line", "one line of quotes", "many symbols", "colours"],
)
def test_a_log_of_megabytes_takes_seconds(text: str) -> None:
    findings = triage(
        text + "\nImportError: DLL load failed while importing x: Access is denied.\n"
    )
    assert "dll-denied" in [finding.id for finding in findings]


def test_each_outcome_has_an_exit_status_of_its_own() -> None:
    cases = {CAUSE: 0, "error: the demo device was not found": 1, "Successfully built demo": 3}
    for text, status in cases.items():
        assert outcome(triage(text)).exit_status == status
    assert Outcome.UNREADABLE.exit_status == 2


def test_without_a_known_cause_the_first_error_is_told_and_what_its_number_means() -> None:
    [finding] = triage(
        "demo.cpp(12): error C2065: 'demo_limit': undeclared identifier\n"
        "demo.cpp(19): error C3861: 'demo_call': identifier not found\n"
        "error: command 'cl.exe' failed with exit code 2\n"
        "error: metadata-generation-failed\n"
    )
    assert not finding.understood and finding.line_number == 1
    assert finding.consequences == (2, 3, 4)
    assert "C2065 means: a name is used that nothing declares" in finding.facts[0]
    assert finding.documentation.endswith("compiler-errors-1/compiler-error-c2065")
    assert "line 12" in finding.remedy


def test_only_the_end_of_a_traceback_is_an_error() -> None:
    [finding] = triage(
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'x'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "b.py", line 2, in g\nValueError: no x\n'
    )
    assert finding.line == "ValueError: no x" and "b.py" in finding.remedy


def test_nothing_is_said_to_stand_above_where_it_does_not() -> None:
    [finding] = triage("error: metadata-generation-failed\n")
    assert "above" not in finding.cause and not finding.understood


def test_a_later_success_does_not_hide_what_ended_for_good() -> None:
    failed = f"{CAUSE}\nerror: metadata-generation-failed\n"
    assert triage(f"{CAUSE}\nSuccessfully installed demo-1.0\n") == []
    assert triage(f"{failed}Successfully installed other-1.0\n")[0].id == "missing-library"
    assert triage(f"Successfully installed demo-1.0\n{CAUSE}\n")[0].id == "missing-library"


def test_advice_on_this_project_is_for_logs_of_this_project() -> None:
    stranger = triage(
        "x.cpp(9): fatal error C1083: Cannot open include file: 'foo_bar.h': No such file"
    )
    assert "config.yaml" not in stranger[0].remedy
    own = triage("x.cpp(9): fatal error C1083: Cannot open include file: 'foo_bar.h'", here=True)
    assert "config.yaml" in own[0].remedy
