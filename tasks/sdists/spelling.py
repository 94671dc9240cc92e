"""What a recipe says of a compilation, as gcc and clang spell it, and as Microsoft's cl does."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tasks.compilers.build_environment import LinkedLibrary, msvc_variables
from tasks.core.recipe import PackageRecipe
from tasks.handover.words import Call

# https://learn.microsoft.com/cpp/build/reference/arch-x64; SSE4.2 needs none.
_OF_MICROSOFT = {"x86-64-v3": "/arch:AVX2", "x86-64-v4": "/arch:AVX512"}
_COMPILES_ONLY = {"-c", "-E", "-S", "-fsyntax-only"}


def for_gcc(
    recipe: PackageRecipe, tree: Path, libraries: Sequence[LinkedLibrary]
) -> Callable[[Call], list[str]]:
    """The words that follow those of a compiler call: of a contradiction the last one counts.

    Args:
        tree: the source, which the recipe's folders are of.
        libraries: the recipe's, in their prefixes.
    """
    every = [f"-D{name}={value}" for name, value in recipe.definitions.items()]
    every += [f"-I{tree / folder}" for folder in recipe.include]
    every += [f"-I{library.prefix / 'include'}" for library in libraries]
    every += [word for header in recipe.forced_includes for word in ("-include", header)]
    linked = [str(file) for library in libraries for file in library.files()]
    linked += [f"-L{library.prefix / 'lib'}" for library in libraries]
    linked += [f"-l{name}" for name in recipe.system_libraries]

    def words(call: Call) -> list[str]:
        if call.role not in ("cc", "cxx"):
            return []
        of_cxx = (recipe.std or "").startswith("c++")
        standard = [f"-std={recipe.std}"] if recipe.std and of_cxx == (call.role == "cxx") else []
        # A link would build zig's runtimes anew for it, and for those processors.
        compiles = _COMPILES_ONLY & set(call.words)
        level = [f"-mcpu={recipe.cpu.replace('-', '_')}"] if recipe.cpu and compiles else []
        # What is asked about the compiler itself (-dumpmachine) has no file to link.
        links = not compiles and any(w[:1] != "-" for w in call.words)
        return [*level, *standard, *every, *(linked if links else [])]

    return words


def for_msvc(
    recipe: PackageRecipe,
    tree: Path,
    libraries: Sequence[LinkedLibrary],
    given: Mapping[str, str],
    seen: Callable[[Path], str],
) -> dict[str, str]:
    """The variables that cl and link read, with what they have already.

    cl has no standard before C++14 and C11; those are what it compiles by itself.

    Args:
        tree: the source, which the recipe's folders are of.
        libraries: the recipe's, in their prefixes.
        given: the toolchain's variables.
        seen: a path as Windows sees it.
    """
    known = recipe.std if recipe.std not in ("c++98", "c++03", "c++11", "c89", "c99") else None
    options = [f"/std:{known}"] if known else []
    options += [_OF_MICROSOFT[recipe.cpu]] if recipe.cpu in _OF_MICROSOFT else []
    options += [f"/D{name}#{value}" for name, value in recipe.definitions.items()]
    options += [f"/FI{header}" for header in recipe.forced_includes]
    headers = [tree / folder for folder in recipe.include]
    headers += [library.prefix / "include" for library in libraries]
    folders = [library.prefix / "lib" for library in libraries]
    linked = [file.name for library in libraries for file in library.files()]
    linked += [f"{name}.lib" for name in recipe.system_libraries]
    return msvc_variables(
        given,
        options=options,
        include=map(seen, headers),
        lib=map(seen, folders),
        linked=linked,
    )
