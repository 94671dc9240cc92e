"""What is in a wheel, as a CycloneDX document in its .dist-info/sboms (PEP 770).

https://cyclonedx.org/docs/1.6/json/
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tasks.core.config import About


@dataclass(frozen=True)
class Origin:
    """An archive: its URL or package URL, and its sha256 where that is known beforehand."""

    url: str
    sha256: str | None


@dataclass(frozen=True)
class Part:
    """Something of others in a wheel.

    Args:
        version: None for what the compiler brings.
        origins: the archives that hold it, of which one was taken; none for what the compiler
            brings, or the environment has. All are named, so that it does not depend on which
            answered.
        files: member of the wheel -> its sha256; none for what is linked into other files.
    """

    about: About
    version: str | None
    origins: Sequence[Origin]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Patch:
    """A change of ours to a package's source.

    Args:
        title: what it does, in one line.
        reason: what breaks without it.
    """

    name: str
    title: str
    reason: str
    diff: str


def _purl(kind: str, name: str, version: str | None) -> str:
    """A package URL: https://github.com/package-url/purl-spec"""
    at = f"@{quote(version, safe='')}" if version else ""
    return f"pkg:{kind}/{quote(name.lower(), safe='')}{at}"


def _sha256(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def _distribution(origin: Origin) -> dict[str, Any]:
    known = {"hashes": _sha256(origin.sha256)} if origin.sha256 else {}
    return {"type": "distribution", "url": origin.url, **known}


def _component(part: Part) -> dict[str, Any]:
    references: list[dict[str, Any]] = [{"type": "website", "url": part.about.home}]
    references += [_distribution(origin) for origin in part.origins]
    files = [
        {"type": "file", "bom-ref": name, "name": name, "hashes": _sha256(digest)}
        for name, digest in sorted(part.files.items())
    ]
    reference = _purl("generic", part.about.name, part.version)
    return {
        "type": "library",
        "bom-ref": reference,
        "name": part.about.name,
        **({"version": part.version} if part.version else {}),
        "licenses": [{"expression": part.about.license}],
        "purl": reference,
        "externalReferences": references,
        **({"components": files} if files else {}),
    }


def _patch(patch: Patch) -> dict[str, Any]:
    return {
        "type": "unofficial",
        "diff": {"text": {"contentType": "text/x-diff", "content": patch.diff}},
        "resolves": [
            {
                "type": "defect",
                "id": patch.name,
                "name": patch.title,
                "description": patch.reason,
            }
        ],
    }


def document(
    name: str,
    version: str,
    about: About,
    origins: Sequence[Origin],
    *,
    license_expression: str,
    parts: Sequence[Part],
    patches: Sequence[Patch],
    tools: Mapping[str, str],
) -> dict[str, Any]:
    """The document of a wheel. It holds no time and no serial number: equal wheels, equal bytes.

    Args:
        name: the package's name on the index.
        version: of the wheel.
        about: the package itself.
        origins: the archives that hold it, of which one was taken.
        tools: name -> version of what made it.
    """
    reference = _purl("pypi", name, version)
    upstream = about.version or ""
    components = [_component(part) for part in parts]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "tools": {
                "components": [
                    {"type": "application", "name": tool, "version": used}
                    for tool, used in sorted(tools.items())
                ]
            },
            "component": {
                "type": "library",
                "bom-ref": reference,
                "name": name,
                "version": version,
                "licenses": [{"expression": license_expression}],
                "purl": reference,
                "externalReferences": [{"type": "website", "url": about.home}],
                "pedigree": {
                    "ancestors": [
                        {
                            "type": "library",
                            "name": name,
                            "version": upstream,
                            "licenses": [{"expression": about.license}],
                            "purl": _purl("pypi", name, upstream),
                            "externalReferences": [_distribution(o) for o in origins],
                        }
                    ],
                    **({"patches": [_patch(patch) for patch in patches]} if patches else {}),
                },
            },
        },
        "components": components,
        "dependencies": [
            {"ref": reference, "dependsOn": [component["bom-ref"] for component in components]},
            *({"ref": component["bom-ref"]} for component in components),
        ],
    }


def as_bytes(document: Mapping[str, Any]) -> bytes:
    """The document as it lies in the wheel."""
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
