"""A compiler call that was meant for Windows, in the words of zig's compiler on the host.

    gcc's words with Windows' paths, or cl's words, as a setup.py gives them that sees Windows
      -> Call: the program's role, its words, and what was left out and why

A wheel is for every machine of the baseline (config.yaml, profiles.zig.toolchain.flags): what is
for the building machine only, or changes what arithmetic means, is left out, and said.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.handover.request import Request

CXX_SUFFIXES = (".cc", ".cpp", ".cxx", ".c++", ".cp", ".hpp")
SOURCE_SUFFIXES = (".c", ".m", ".s", *CXX_SUFFIXES)

# What is not for a wheel, and why.
NOT_FOR_WHEELS = {
    r"-m(arch|tune|cpu)=.*": "the wheel would run on machines like this one only",
    r"/arch:.*": "the wheel would not run on every machine of the baseline",
    r"-(ffast-math|Ofast|funsafe-math-optimizations|ffinite-math-only)|/fp:fast":
        "it changes what arithmetic gives; some packages are wrong with it",
    # Without a drive's letter: under Wine that would be the host's own folder, with its headers.
    r"(-I|/I|-L|-isystem)[/\\](?![/\\]).*": "it is a folder of Unix, which no Windows has",
}  # fmt: skip
_OF_UNIX = next(pattern for pattern in NOT_FOR_WHEELS if "isystem" in pattern)
REFUSED = {
    **NOT_FOR_WHEELS,
    r"-fopenmp(=.*)?|/openmp(:.*)?|-lgomp|-lomp":
        "zig has no OpenMP; the module uses one thread",
}  # fmt: skip

# cl's words with the same meaning (learn.microsoft.com/cpp/build/reference/compiler-options).
TRANSLATED = {
    r"[/-]std:c\+\+latest": "-std=c++23",
    r"[/-]std:(.*)": r"-std=\1",
    r"/D(.+)": r"-D\1",
    r"/U(.+)": r"-U\1",
    r"/I(.+)": r"-I\1",
    r"/FI(.+)": r"-include\1",
    r"-mdll": "-shared",
    r"-l(.+)\.lib": r"-l\1",
}

# What means nothing to zig's compiler, or what it does by itself: cl's other words, optimisation
# (of the whole program as well) and debug information (the toolchain's, so that there is one
# set of zig's runtimes), and the runtime of another compiler.
IGNORED = re.compile(
    r"/.*|-O.?|-g\d?|-flto(=.*)?|-f(fat|no-fat)-lto-objects"
    r"|-lvcruntime140|-lucrt|-lmsvcr\w+|-lmsvcp\w+|-lstdc\+\+(fs)?|-lgcc(_s)?|-l(m|c|dl|rt|util)"
    r"|-D(MS_WIN64|_USE_MATH_DEFINES)(=.*)?"  # defined in every call (sdists.compiling)
    r"|-static|-static-lib.*|-mthreads|-mcygwin|-mno-cygwin|-pipe|-EHsc|-bigobj|-fPIC"
    r"|-Wl,(--enable-.*|--exclude-.*|--kill-at|--add-stdcall-alias|-?-?strip-all|-s|--gc-sections"
    r"|-Bstatic|-Bdynamic|--as-needed|--no-undefined|-?-?start-group|-?-?end-group"
    r"|-?-?dynamicbase|-?-?nxcompat|-?-?high-entropy-va|--image-base.*|--major-.*|--minor-.*)"
)
# Of code generation, which a link has none of: zig would build its runtimes anew for them, and
# with AVX2 where that is among them. CMake gives them to the linker as well.
_OF_CODE = re.compile(r"-m(?!windows|console|unicode|dll|64)[a-z].*|-f.*|-std=.*")
_PATH = re.compile(r"(-I|-L|-o|-isystem|-iquote|-include|-MF|-MT|-MQ|-B)?(.+)", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_TAKES_A_VALUE = ("-D", "-U", "-l", "-x", "-arch", "-Xclang", "-Xlinker", "-target", "-m", "-u")


@dataclass(frozen=True)
class Call:
    """What to run on the host.

    Args:
        role: the toolchain's program: "cc", "cxx", "ar", "ranlib" or "rc".
        words: its arguments.
        left_out: word -> why it was refused.
    """

    role: str
    words: list[str]
    left_out: dict[str, str] = field(default_factory=dict)


def path_word(word: str, request: Request) -> str:
    """A word with the path in it as the host knows it; other words as they are."""
    if word.startswith("-Wl,"):
        parts = re.split(r"([,=])", word)
        return "".join(path_word(part, request) for part in parts)
    match = _PATH.fullmatch(word)
    if match is None:
        return word
    mark, rest = match[1] or "", match[2].removeprefix("\\\\?\\")
    if _DRIVE.match(rest):
        return mark + request.host(rest).as_posix()
    if mark or not word.startswith(("-", "/")):
        return mark + request.relative(rest)
    return word


def compiler_call(request: Request, has_library: Callable[[str], bool]) -> Call:
    """A call of gcc, g++, cc, c++ or clang.

    Args:
        has_library: whether Windows has an import library of a name in lower case.
    """
    words: list[str] = []
    left_out: dict[str, str] = {}
    pending = False  # the word before wants this one as its value
    for word in request.arguments:
        if pending:
            if re.fullmatch(_OF_UNIX, words[-1] + word):
                left_out[words.pop() + word] = NOT_FOR_WHEELS[_OF_UNIX]
                pending = False
                continue
            is_text = words[-1] in _TAKES_A_VALUE
            words.append(word if is_text else path_word(word, request))
            pending = False
            continue
        if word.lower() == "/link":
            continue
        why = next((w for p, w in REFUSED.items() if re.fullmatch(p, word)), None)
        if why:
            left_out[word] = why
            continue
        for pattern, new in TRANSLATED.items():
            if re.fullmatch(pattern, word):
                word = re.sub(pattern, new, word)
                break
        if IGNORED.fullmatch(word):
            continue
        if word.startswith("-l") and has_library(word[2:].lower()):
            word = word.lower()
        if word.lower().endswith(".lib") and "/" not in word and "\\" not in word:
            name = word[:-4].lower()
            word = f"-l{name}" if has_library(name) else word
        words.append(_as_it_is_named(path_word(word, request), request))
        pending = word in ("-o", "-I", "-L", "-isystem", "-iquote", "-include", "-MF", "-MT",
                           "-MQ", *_TAKES_A_VALUE)  # fmt: skip
    if _links_only(words):
        words = [word for word in words if not _OF_CODE.fullmatch(word)]
    return Call(_role(request.program, words), words, left_out)


def _as_it_is_named(word: str, request: Request) -> str:
    """The file of a static library: CMake names it libX.a here, and a setup.py expects X.lib."""
    if not word.lower().endswith(".lib") or word.startswith("-"):
        return word
    asked = request.host(".") / word
    made = asked.with_name(f"lib{asked.stem}.a")
    is_made = made.is_file() and not asked.exists()
    return Path(word).with_name(made.name).as_posix() if is_made else word


def _links_only(words: Sequence[str]) -> bool:
    """Whether a call has objects to link, and no source to compile."""
    given = {Path(word).suffix.lower() for word in words if not word.startswith("-")}
    return bool(given & {".o", ".obj"}) and not given & set(SOURCE_SUFFIXES)


def _role(program: str, words: Sequence[str]) -> str:
    """C++ is what the name, a source or a link says: a module of C++ wants its runtime."""
    suffixes = {Path(word).suffix.lower() for word in words if not word.startswith("-")}
    if "++" in program or suffixes & set(CXX_SUFFIXES):
        return "cxx"
    links = not {"-c", "-E", "-S", "-fsyntax-only"} & set(words)
    return "cxx" if links and suffixes and not suffixes & set(SOURCE_SUFFIXES) else "cc"


def resource_call(request: Request) -> Call:
    """A call of windres (binutils) as one of zig's resource compiler."""
    made = ["/:output-format", "coff"]
    inputs: list[str] = []
    output = ""
    words = iter(request.arguments)
    for word in words:
        name, _, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in ("-i", "--input"):
            inputs.append(value or next(words, ""))
        elif name in ("-o", "--output"):
            output = value or next(words, "")
        elif name in ("-O", "-J", "-F", "--output-format", "--input-format", "--target"):
            _ = value or next(words, "")
        elif name in ("-I", "-D", "--include-dir", "--define"):
            mark = "/i" if name in ("-I", "--include-dir") else "/d"
            made += [mark, path_word(value or next(words, ""), request)]
        elif word.startswith(("-I", "-D")):
            made += ["/i" if word[1] == "I" else "/d", path_word(word[2:], request)]
        elif not word.startswith("-"):
            inputs.append(word)
    if len(inputs) == 2 and not output:
        output = inputs.pop()
    made += ["/fo", path_word(output, request), "--", *(path_word(i, request) for i in inputs)]
    return Call("rc", made)


def archive_call(request: Request) -> Call:
    """A call of ar or ranlib."""
    words = [path_word(word, request) for word in request.arguments]
    return Call(request.program.removeprefix("llvm-"), words)


def call_of(request: Request, has_library: Callable[[str], bool]) -> Call:
    """What a request asks of the host's programs."""
    if request.program in ("windres", "llvm-windres"):
        return resource_call(request)
    if request.program.removeprefix("llvm-") in ("ar", "ranlib"):
        return archive_call(request)
    return compiler_call(request, has_library)
