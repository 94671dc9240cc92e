"""Instructions that not every machine has."""

import pytest
from pe_files import zig

from tasks.sdists import check, instructions

SOURCE = """
typedef double wide __attribute__((vector_size(32)));
__declspec(dllexport) void add(wide *a, const wide *b) { *a = *a * *b + *b; }
#ifdef KEPT
#include <cpuid.h>
volatile unsigned kept;
__declspec(dllexport) void start(void)
{
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    kept = c;
}
__attribute__((noinline)) static void chosen(wide *a, const wide *b) { *a = *a * *b - *b; }
__declspec(dllexport) void choose(wide *a, const wide *b)
{
    if (kept & 1)
        chosen(a, b);
}
#endif
#ifdef ASKS
#include <cpuid.h>
__declspec(dllexport) int has(void)
{
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    return c;
}
#endif
"""


def module(folder, *options):
    folder.mkdir()
    (folder / "a.c").write_text(SOURCE if "-mfma" in options else "int a(int b) { return b * 3; }")
    zig(folder, "cc", "-target", "x86_64-windows-gnu", "-mcpu=x86_64_v2", "-O1",
        "-ffp-contract=fast", "-nostdlib",
        "-shared", "-Wl,--no-entry", "-o", "a.pyd", "a.c", *options)  # fmt: skip
    return folder / "a.pyd"


def test_what_only_some_machines_have_is_a_warning(tmp_path):
    made = module(tmp_path / "a", "-mavx", "-mfma")
    found = instructions.beyond(made, "x86-64-v2", microsoft=False)
    assert {"AVX", "FMA"} <= set(found.features)
    assert found.functions == 1
    [told] = check.beyond(made.parent, "x86-64-v2", "zig")
    assert told.startswith("warning: a.pyd has ")
    assert "nothing in it asks the processor" in told
    assert not instructions.beyond(made, "x86-64-v3", microsoft=False).features


def test_what_is_chosen_at_run_time_is_said(tmp_path):
    made = module(tmp_path / "a", "-mavx", "-mfma", "-DASKS")
    [told] = check.beyond(made.parent, "x86-64-v2", "zig")
    assert told.endswith("chosen at run time")
    # One function that asks is Microsoft's start-up code.
    assert next(check.beyond(made.parent, "x86-64-v2", "msvc")).startswith("warning: ")


def test_a_function_that_looks_at_what_the_start_up_wrote_down_chooses_itself(tmp_path):
    made = module(tmp_path / "a", "-mavx", "-mfma", "-DKEPT")
    # Of `add`, which is for every call, and `chosen`, which `choose` alone calls.
    assert instructions.beyond(made, "x86-64-v2", microsoft=True).functions == 1
    assert instructions.beyond(made, "x86-64-v2", microsoft=False).functions == 2


def test_the_baseline_is_not_told(tmp_path):
    assert not list(check.beyond(module(tmp_path / "a").parent, "x86-64-v2", "zig"))


@pytest.mark.parametrize(
    ("flags", "level"),
    [(("-O2", "-mcpu=x86_64_v2"), "x86-64-v2"), (("-march=x86-64-v3",), "x86-64-v3"),
     ((), "x86-64")],
)  # fmt: skip
def test_the_baseline_is_that_of_the_flags(flags, level):
    assert instructions.baseline(flags) == level
