"""What a recipe says of a compilation, as gcc and clang spell it, and as Microsoft's cl does."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tasks.core.recipe import PackageRecipe
from tasks.handover.words import Call

_COMPILES_ONLY = {"-c", "-E", "-S", "-fsyntax-only"}


def for_gcc(recipe: PackageRecipe, tree: Path) -> Callable[[Call], list[str]]:
    """The words that follow those of a compiler call: of a contradiction the last one counts.

    Args:
        tree: the source, which the recipe's folders are of.
    """
    every = [f"-D{name}={value}" for name, value in recipe.definitions.items()]
    every += [f"-I{tree / folder}" for folder in recipe.include]
    libraries = [f"-l{name}" for name in recipe.system_libraries]

    def words(call: Call) -> list[str]:
        if call.role not in ("cc", "cxx"):
            return []
        of_cxx = (recipe.std or "").startswith("c++")
        standard = [f"-std={recipe.std}"] if recipe.std and of_cxx == (call.role == "cxx") else []
        linked = [] if _COMPILES_ONLY & set(call.words) else libraries
        return [*standard, *every, *linked]

    return words


def for_msvc(recipe: PackageRecipe, tree: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The variables that cl and link read, with what they have already.

    https://learn.microsoft.com/cpp/build/reference/cl-environment-variables: "#" stands for "=".
    cl has no standard before C++14 and C11; those are what it compiles by itself.

    Args:
        tree: the source, as Windows sees it.
        given: the toolchain's variables.
    """
    known = recipe.std if recipe.std not in ("c++98", "c++03", "c++11", "c89", "c99") else None
    options = [f"/std:{known}"] if known else []
    options += [f"/D{name}#{value}" for name, value in recipe.definitions.items()]
    folders = [str(tree / folder) for folder in recipe.include]
    libraries = [f"{name}.lib" for name in recipe.system_libraries]
    made = {
        "CL": " ".join(filter(None, [given.get("CL"), subprocess.list2cmdline(options)])),
        "INCLUDE": ";".join(filter(None, [*folders, given.get("INCLUDE")])),
        "LINK": " ".join(filter(None, [given.get("LINK"), *libraries])),
    }
    return {name: value for name, value in made.items() if value}
