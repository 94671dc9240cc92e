"""What instructions a module has that not every machine of the baseline has.

    module -> its functions (.pdata) -> each instruction, and the CPU feature that it is of
      -> Beyond: AVX2 and the like, in how many functions, and whether it asks what there is

A wheel for one CPU ends with "illegal instruction" on another, and says nothing before. Code that
is chosen at run time has such instructions, rightly: it asks the processor with cpuid.

Baselines: x86-64 psABI, "Micro-Architecture Levels" (https://gitlab.com/x86-psABIs/x86-64-ABI).
"""

import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dllwhy.errors import DiagnosisError

# Features beyond x86-64-v2, by iced-x86's names, which are Intel's.
_BEYOND = re.compile(
    r"AVX.*|BMI\d|F16C|FMA4?|LZCNT|MOVBE|V?AES.*|V?PCLMULQDQ|SHA.*|ADX|XOP|TBM|AMX.*|GFNI|RTM"
)
_V3 = re.compile(r"AVX|AVX2|BMI\d|F16C|FMA|LZCNT|MOVBE")
_V4 = re.compile(r"AVX512(F|BW|CD|DQ|VL)")
# What the levels add to what is beyond x86-64-v2.
_LEVELS = {"v3": (_V3,), "v4": (_V3, _V4)}
_ENTRY = struct.Struct("<III")
_UNW_FLAG_CHAININFO = 4
_CHAINED_AT_MOST = 32


@dataclass(frozen=True)
class Beyond:
    """Instructions of a module that the baseline has not.

    Args:
        features: CPU feature -> how many instructions.
        functions: how many functions have them.
        asks: whether the module asks the processor what it has.
    """

    features: dict[str, int]
    functions: int
    asks: bool

    def told(self, name: str, baseline: str) -> str:
        """A line for people; "" if there is nothing to say."""
        if not self.features:
            return ""
        features = ", ".join(self.features)
        if self.asks:
            return (
                f"{name} has {features} in {self.functions} functions beside a look at the "
                "processor (cpuid): chosen at run time"
            )
        return (
            f"warning: {name} has {sum(self.features.values()):,} instructions beyond {baseline} "
            f"({features}) in {self.functions} functions, and nothing in it asks the processor "
            "(cpuid): it ends on a machine without them. See which options its build gives "
            "(-mavx2, /arch), and whether a variable switches them off"
        )


def baseline(flags: tuple[str, ...]) -> str:
    """The x86-64 level that compiler flags name: "x86-64-v2"."""
    found = re.search(r"x86[-_]64[-_](v\d)", " ".join(flags))
    return f"x86-64-{found[1]}" if found else "x86-64"


def beyond(module: Path, level: str, *, microsoft: bool) -> Beyond:
    """Look at every function of a module.

    Args:
        level: the baseline, as `baseline` says it.
        microsoft: it is of Microsoft's compiler, whose start-up code asks the processor in one
            function (__isa_available_init), and which has tables between functions. Its standard
            library has functions that look at what that wrote down (std::find): they are not told.

    Raises:
        DiagnosisError: it is no PE file.
    """
    # Half a second for a quarter of a million instructions; nothing else needs it.
    import lief
    from iced_x86 import Code, CpuidFeature, Decoder, Mnemonic

    allowed = _LEVELS.get(level.rpartition("-")[2], ())
    names = {
        number: name
        for name, number in vars(CpuidFeature).items()
        if isinstance(number, int) and _BEYOND.fullmatch(name)
        and not any(pattern.fullmatch(name) for pattern in allowed)
    }  # fmt: skip
    parsed = lief.PE.parse(str(module))
    if not isinstance(parsed, lief.PE.Binary):
        raise DiagnosisError(f"{module.name} is no module of Windows")
    tzcnt = {Code.TZCNT_R16_RM16, Code.TZCNT_R32_RM32, Code.TZCNT_R64_RM64}  # older ones take bsf
    whole: dict[int, _Function] = {}
    asking = 0
    for start, end, first in _functions(parsed, gaps=not microsoft):
        code = bytes(parsed.get_content_from_virtual_address(start, end - start))
        function = whole.setdefault(first, _Function())
        function.parts.append((start, code))
        asks = False
        for instruction in Decoder(64, code, ip=start):
            asks |= instruction.mnemonic == Mnemonic.CPUID
            for feature in instruction.cpuid_features():
                if feature in names and instruction.code not in tzcnt:
                    function.has[names[feature]] += 1
            if instruction.is_call_near or instruction.is_jmp_short_or_near:
                function.targets.add(instruction.near_branch_target)
        asking += asks
        function.asks |= asks
    passed_over = _choosing(whole) if microsoft else set()
    features: Counter[str] = Counter()
    functions = 0
    for first, function in whole.items():
        if function.has and first not in passed_over:
            features += function.has
            functions += 1
    counted = dict(sorted(features.items(), key=lambda pair: -pair[1]))
    return Beyond(counted, functions, asking > microsoft)


@dataclass
class _Function:
    """A function, of one or several parts.

    Args:
        parts: where each begins, and its code.
        has: instructions beyond the baseline.
        targets: where it calls and jumps to.
        asks: it has cpuid.
    """

    parts: list[tuple[int, bytes]] = field(default_factory=list)
    has: Counter[str] = field(default_factory=Counter)
    targets: set[int] = field(default_factory=set)
    asks: bool = False


def _choosing(whole: Mapping[int, _Function]) -> set[int]:
    """The functions that look at what one that asks wrote down, and those that only such call."""
    written = {
        address for one in whole.values() if one.asks for part in one.parts
        for address in _written(*part)
    }  # fmt: skip
    wanted = {first for first, one in whole.items() if one.has}
    callers: dict[int, set[int]] = {first: set() for first in wanted}
    for first, one in whole.items():
        for target in one.targets & wanted - {first}:
            callers[target].add(first)
    looked_at = wanted.union(*callers.values())
    found = {
        first for first in looked_at if any(written & _read(*part) for part in whole[first].parts)
    }
    while more := {f for f in wanted - found if callers[f] and callers[f] <= found}:
        found |= more
    return found


def _read(start: int, code: bytes) -> set[int]:
    """The addresses that a function's instructions name."""
    from iced_x86 import Decoder

    return {
        one.ip_rel_memory_address
        for one in Decoder(64, code, ip=start)
        if one.is_ip_rel_memory_operand
    }


def _written(start: int, code: bytes) -> set[int]:
    """The addresses that a function writes to."""
    from iced_x86 import Decoder, InstructionInfoFactory, OpAccess

    look = InstructionInfoFactory().info
    writes = {OpAccess.WRITE, OpAccess.COND_WRITE, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE}
    return {
        one.ip_rel_memory_address
        for one in Decoder(64, code, ip=start)
        if one.is_ip_rel_memory_operand and any(m.access in writes for m in look(one).used_memory())
    }


def _functions(parsed, *, gaps: bool) -> list[tuple[int, int, int]]:  # type: ignore[no-untyped-def]
    """Begin and end of each part of a function with unwind data, and where its first part begins.

    All functions have such data that call or keep registers.
    https://learn.microsoft.com/cpp/build/exception-handling-x64#struct-runtime_function

    Args:
        parsed: lief's Binary.
        gaps: add what is between them: functions without such data, each as one.
    """
    import lief

    directory = parsed.data_directory(lief.PE.DataDirectory.TYPES.EXCEPTION_TABLE)
    table = b""
    if directory is not None and directory.size:
        table = bytes(parsed.get_content_from_virtual_address(directory.rva, directory.size))
    whole = len(table) - len(table) % _ENTRY.size
    entries = sorted({entry for entry in _ENTRY.iter_unpack(table[:whole]) if entry[0] < entry[1]})
    found = [(begin, end, _first_part(parsed, begin, data)) for begin, end, data in entries]
    if not gaps:
        return found
    made = list(found)
    for section in parsed.sections:
        if section.has_characteristic(lief.PE.Section.CHARACTERISTICS.MEM_EXECUTE):
            place, last = section.virtual_address, section.virtual_address + section.virtual_size
            inside = (pair for pair in entries if place <= pair[0] < last)
            for begin, end, _ in [*inside, (last, last, 0)]:
                if place < begin:
                    made.append((place, begin, place))
                place = max(place, end)
    return sorted(made)


def _first_part(parsed, begin: int, data: int) -> int:  # type: ignore[no-untyped-def]
    """Where the function begins of which a part begins somewhere: unwind data may be chained.

    https://learn.microsoft.com/cpp/build/exception-handling-x64#chained-unwind-info-structures

    Args:
        data: the address of the part's unwind data.
    """
    for _ in range(_CHAINED_AT_MOST):
        head = bytes(parsed.get_content_from_virtual_address(data, 4))
        if len(head) < 4 or not head[0] >> 3 & _UNW_FLAG_CHAININFO:
            break
        codes = head[2] + head[2] % 2
        entry = bytes(parsed.get_content_from_virtual_address(data + 4 + 2 * codes, _ENTRY.size))
        if len(entry) < _ENTRY.size:
            break
        begin, _, data = _ENTRY.unpack(entry)
    return begin
