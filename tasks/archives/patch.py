"""Applies a unified diff to a tree, and says what did not apply."""

import logging
from pathlib import Path

from tasks.core.errors import BuildError


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
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(messages)
    try:
        parsed = patch_ng.fromfile(str(patch))
        applied = parsed is not False and parsed.apply(strip=1, root=str(tree))
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
    return [item.target.decode().removeprefix("b/") for item in parsed.items]
