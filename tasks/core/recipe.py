"""recipes/NAME.yaml: what a package's build cannot know by itself, as a frozen, validated model.

It is read by `doit build --package NAME`, or named with --recipe. Words that compilers spell in
different ways are given once; tasks.sdists.spelling spells them.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from tasks.core import config_file, paths
from tasks.core.config import Model, Requirement, Seconds, Sha256
from tasks.core.errors import ConfigError

FOLDER = "recipes"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")]
LibraryName = Annotated[str, StringConstraints(pattern=r"^[\w.+-]+$")]
Inside = Annotated[str, AfterValidator(paths.checked_path)]
# https://gitlab.com/x86-psABIs/x86-64-ABI, "Micro-Architecture Levels"
Level = Literal["x86-64-v2", "x86-64-v3", "x86-64-v4"]
Standard = Annotated[str, StringConstraints(pattern=r"^c(\+\+)?\d\d$")]


class Check(Model):
    """What the installed package must do.

    Args:
        code: Python, run in the clean Windows Python that has the wheel.
        expected: what it prints.
        requires: what it imports beside the package.
    """

    code: str
    expected: str
    requires: tuple[Requirement, ...] = ()
    timeout_seconds: Seconds = 300


class PackageRecipe(Model):
    """A package's recipe; every key may be left out.

    Args:
        version: the one that is built where none is asked for.
        sha256: that its sdist must have.
        patches: unified diffs with a/ and b/, beside the recipe.
        build_requires: build requirements that it omits, or narrower versions of its own.
        libraries: native libraries to build first and to link: of config.yaml, or those of
            recipes/libraries.
        system_libraries: import libraries of Windows to link, without ending: ws2_32.
        definitions: preprocessor definitions, name -> value.
        std: the language's standard, as in c++17 or c11.
        cpu: the processors that the wheel is for, where its sources use instructions beyond the
            baseline everywhere: of 2015 and later (x86-64-v3: AVX2), or with AVX-512 (x86-64-v4).
        include: folders of the source that are searched for headers.
        forced_includes: headers that every source shall begin with.
        environment: variables that its build reads.
        requires: what it needs when it runs, and its own metadata does not say.
    """

    version: Annotated[str, StringConstraints(pattern=r"^[\w.!+]+$")] | None = None
    sha256: Sha256 | None = None
    patches: tuple[Inside, ...] = ()
    build_requires: tuple[Requirement, ...] = ()
    libraries: tuple[LibraryName, ...] = ()
    system_libraries: tuple[LibraryName, ...] = ()
    definitions: dict[Name, str] = Field(default_factory=dict)
    std: Standard | None = None
    cpu: Level | None = None
    include: tuple[Inside, ...] = ()
    forced_includes: tuple[Inside, ...] = ()
    environment: dict[Name, str] = Field(default_factory=dict)
    requires: tuple[Requirement, ...] = ()
    check: Check | None = None


def load(path: Path) -> PackageRecipe:
    """Read and check a recipe.

    Raises:
        ConfigError: with the path of the key that is wrong.
    """
    recipe = config_file.read(path, PackageRecipe)
    for patch in recipe.patches:
        if not (path.parent / patch).is_file():
            raise ConfigError(f"{path.name}: patches: there is no file {patch} beside it")
    return recipe
