"""Copies what a stage map names from a tree into a uniform prefix: bin/, include/, lib/.

A rule is a file or a pattern, kept under its own name; `folder/`, whose contents are
copied as they are; or `{new name: file}`.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tasks.core import manifest
from tasks.core.config import StageMap, StageRule
from tasks.core.errors import BuildError
from tasks.core.files import copy_tree, made_whole

FOLDERS = ("bin", "include", "lib")


def _apply(rule: StageRule, tree: Path, target: Path, where: str) -> None:
    if isinstance(rule, dict):
        pairs = [(tree / file, target / new) for new, file in rule.items()]
    elif rule.endswith("/"):
        if not (tree / rule).is_dir():
            raise BuildError(f"{where}: there is no folder {rule} in {tree}")
        copy_tree(tree / rule, target)
        return
    else:
        pairs = [(path, target / path.name) for path in sorted(tree.glob(rule))]
        if not pairs:
            raise BuildError(f"{where}: nothing matches {rule} in {tree}")
    for source, copy in pairs:
        if not source.is_file():
            raise BuildError(f"{where}: there is no file {source.relative_to(tree)} in {tree}")
        shutil.copyfile(source, copy)


def stage_prefix(
    tree: Path, stage_map: StageMap, prefix: Path, *, contents: Mapping[str, str], where: str
) -> None:
    """Make a prefix from a tree, whole or not at all.

    Args:
        tree: the unpacked or installed files.
        stage_map: what goes where.
        prefix: the folder to make; an older one is replaced.
        contents: file in the prefix -> sha256 that it must have.
        where: the library's key in config.yaml, for messages.

    Raises:
        BuildError: a rule matches nothing, or a file has other content than it must.
    """
    with made_whole(prefix) as temporary:
        for folder in FOLDERS:
            (temporary / folder).mkdir()
            for rule in getattr(stage_map, folder):
                _apply(rule, tree, temporary / folder, f"{where}.stage.{folder}")
        for name, expected in contents.items():
            file = temporary / name
            found = manifest.sha256_of(file) if file.is_file() else "missing"
            if found != expected:
                raise BuildError(
                    f"{name} is {found[:12]}, expected {expected[:12]} ({where}.contents); it is "
                    "not the file that this build was tested with. Do not use it; name another "
                    "source"
                )
