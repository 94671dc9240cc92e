"""Applies a unified diff to a tree, and says what did not apply.

patch-ng wants a hunk's lines where the hunk says that they are. They may have moved: another patch
of the same file, which a user has switched off, added lines above. So they are looked for first.
"""

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.core.errors import BuildError

# What a patch says in place of a file that it makes or removes.
NO_FILE = b"/dev/null"

# Tasks are threads of one process: what patch-ng logs must be that of one patch.
_ONE_AT_A_TIME = threading.Lock()


class _Messages(logging.Handler):
    """Keeps what patch-ng logs: only there does it name the hunk that did not apply."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split()))


def apply_patch(patch: Path, tree: Path) -> list[str]:
    """Apply a unified diff (with a/ and b/ before the paths) to a tree.

    Returns:
        the files that it changed, relative to the tree.

    Raises:
        BuildError: a hunk does not apply; names it.
    """
    import patch_ng

    messages = _Messages()
    logger = logging.getLogger("patch_ng")
    with _ONE_AT_A_TIME:
        propagate, logger.propagate = logger.propagate, False
        logger.addHandler(messages)
        try:
            parsed = patch_ng.fromfile(str(patch))
            items = parsed.items if parsed is not False else []
            changed = [_changed(item.source, item.target) for item in items]
            # Not apply(root=tree): it changes the current folder, which is that of all threads.
            for item in items:
                item.source, item.target = _within(tree, item.source), _within(tree, item.target)
                if (file := Path(os.fsdecode(item.source))).is_file():
                    _follow(item.hunks, file.read_bytes().splitlines())
            applied = parsed is not False and parsed.apply()
        finally:
            logger.removeHandler(messages)
            logger.propagate = propagate
    # patch-ng takes "already patched" for success; here it means that two patches are one.
    if not applied or any("already patched" in line for line in messages.lines):
        reason = "; ".join(messages.lines) or "it is no unified diff"
        raise BuildError(
            f"{patch.name} does not apply ({reason}); was it made for another version? Mend it, or "
            "switch it off: in config.yaml, packages.NAME.build.patches, or in the recipe"
        )
    return changed


def _follow(hunks: Sequence[Any], lines: Sequence[bytes]) -> None:
    """Move hunks to where their lines are now: to the nearest place, as patch(1) does.

    https://www.gnu.org/software/diffutils/manual/html_node/Inexact.html; context that differs is no
    match here. A hunk whose lines are nowhere stays, and patch-ng says what it expected.
    """
    after = moved = 0
    for hunk in hunks:
        wanted = [line[1:].rstrip(b"\r\n") for line in hunk.text if line[:1] in (b" ", b"-")]
        expected = hunk.startsrc - 1 + moved
        places = [
            start
            for start in range(after, len(lines) - len(wanted) + 1)
            if lines[start : start + len(wanted)] == wanted
        ]
        if wanted and places:
            start = min(places, key=lambda place: abs(place - expected))
            after, moved = start + len(wanted), start + 1 - hunk.startsrc
            hunk.startsrc, hunk.starttgt = hunk.startsrc + moved, hunk.starttgt + moved


def _changed(source: bytes, target: bytes) -> str:
    """The file that a part of a patch is for, without a/ or b/."""
    return (source if target == NO_FILE else target).decode().partition("/")[2]


def _within(tree: Path, name: bytes) -> bytes:
    """Where a file of a patch is; patch-ng has taken ".." and the like off its name."""
    return name if name == NO_FILE else os.fsencode(tree / name.decode().partition("/")[2])
