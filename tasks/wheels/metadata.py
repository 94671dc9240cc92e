"""A wheel's METADATA, told anew: its version, what it requires, its licences, what was changed.

https://packaging.python.org/specifications/core-metadata/
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.errors import BuildError

# The first version with License-Expression and License-File (PEP 639).
_VERSION = "2.4"
_FIELD = re.compile(rb"^[a-z-]+(?=:)", re.MULTILINE)


def local_version(version: str, release: int, compiler: str | None) -> str:
    """The version of a wheel of this project: 1.0.2+windows.1.zig (PEP 440, local version).

    Args:
        version: the package's own.
        release: of this project.
        compiler: where something was compiled.
    """
    return f"{version}+windows.{release}" + (f".{compiler}" if compiler else "")


def joined_license(expressions: Sequence[str]) -> str:
    """The SPDX expression for things under each of these licences, each named once."""
    words: dict[str, None] = {}
    for expression in expressions:
        terms = [f"({expression})"] if " OR " in expression else expression.split(" AND ")
        words |= dict.fromkeys(terms)
    return " AND ".join(words)


def requirements(
    given: Sequence[str], requires: Sequence[str], extras: Mapping[str, Sequence[str]]
) -> list[str]:
    """Requires-Dist: what is always required is `requires`; extras that `extras` lacks stay.

    Args:
        given: the wheel's own Requires-Dist.
    """
    from packaging.requirements import Requirement

    kept = []
    for line in given:
        marker = Requirement(line).marker
        replaced = marker is None or any(_is_for(marker, extra) for extra in extras)
        if not replaced:
            kept.append(line)
    return [
        *requires,
        *(f"{r} ; extra == '{name}'" for name, wanted in extras.items() for r in wanted),
        *kept,
    ]


def _is_for(marker: Any, extra: str) -> bool:
    return bool(marker.evaluate({"extra": extra})) and not marker.evaluate({"extra": ""})


def rewritten(
    text: bytes,
    *,
    version: str,
    requires: Sequence[str],
    extras: Mapping[str, Sequence[str]],
    license_expression: str,
    license_files: Sequence[str],
    note: str,
) -> bytes:
    """A METADATA with what is true of this build.

    Args:
        text: the wheel's own METADATA.
        license_files: paths below .dist-info/licenses.
        note: Markdown, put in front of the description.

    Raises:
        BuildError: the result is not valid; says why.
    """
    from packaging.metadata import Metadata, parse_email

    raw, _ = parse_email(text)
    raw["metadata_version"] = _VERSION
    raw["version"] = version
    raw["requires_dist"] = requirements(raw.get("requires_dist", []), requires, extras)
    raw["provides_extra"] = list(dict.fromkeys([*extras, *raw.get("provides_extra", [])]))
    raw["license_expression"] = license_expression
    raw["license_files"] = sorted(license_files)
    # The expression supersedes the classifiers; both together are refused (PEP 639).
    raw["classifiers"] = [c for c in raw.get("classifiers", []) if not c.startswith("License ::")]
    for name in ("license", "dynamic"):
        raw.pop(name, None)  # type: ignore[misc]
    raw["description"] = f"{note.strip()}\n\n{raw.get('description', '').strip()}\n"
    raw["description_content_type"] = "text/markdown"
    try:
        made = Metadata.from_raw(raw).as_rfc822().as_bytes()
    except ExceptionGroup as group:
        reasons = "; ".join(str(error) for error in group.exceptions)
        raise BuildError(
            f"the metadata of the wheel would not be valid: {reasons}; see packages.NAME.metadata "
            "and about in config.yaml"
        ) from group
    # packaging writes the names of fields in small letters, which not everybody reads.
    head, blank, body = made.partition(b"\n\n")
    return _FIELD.sub(lambda name: name[0].title(), head) + blank + body
