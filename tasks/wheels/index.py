"""A folder of wheels as a package index of static files.

    DIST/index.html  DIST/ffcv/index.html  DIST/ffcv/ffcv-...{whl,whl.metadata,cdx.json}

https://packaging.python.org/specifications/simple-repository-api/ (PEP 503, and the metadata files
of PEP 658): `pip install --index-url` takes it from any static host, `--find-links` from a folder.
"""

import hashlib
import html
import re
from pathlib import Path
from urllib.parse import quote

from tasks.core import manifest
from tasks.wheels import contents

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="pypi:repository-version" content="1.0">
<title>{title}</title>
<style>body {{ font: 1rem/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; \
padding: 0 1rem; overflow-wrap: anywhere }}</style>
</head>
<body>
<h1>{title}</h1>
{links}
</body>
</html>
"""


def normalized(name: str) -> str:
    """A package's name as it stands in addresses."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _page(title: str, links: list[str]) -> str:
    return _PAGE.format(title=html.escape(title), links="\n".join(links))


def _link(wheel: Path) -> str:
    """A wheel's line: address, sha256, the Python that it wants, and its metadata's sha256."""
    members = contents.read(wheel)
    metadata = members[f"{contents.dist_info(members)}/METADATA"]
    digest = hashlib.sha256(metadata).hexdigest()
    address = f"{quote(wheel.name)}#sha256={manifest.sha256_of(wheel)}"
    attributes = f'data-core-metadata="sha256={digest}" data-dist-info-metadata="sha256={digest}"'
    return f'<p><a href="{address}" {attributes}>{html.escape(wheel.name)}</a></p>'


def write_pages(folder: Path) -> list[Path]:
    """Write the pages of an index, and beside each wheel its METADATA and its list of contents.

    Returns:
        everything that was written.

    Args:
        folder: has a folder for each package, named by `normalized`, with its wheels.
    """
    made = []
    packages = sorted({wheel.parent for wheel in folder.glob("*/*.whl")})
    for package in packages:
        wheels = sorted(package.glob("*.whl"))
        for wheel in wheels:
            members = contents.read(wheel)
            beside = wheel.with_name(f"{wheel.name}.metadata")
            folder_in_it = contents.dist_info(members)
            manifest.write_atomically(beside, members[f"{folder_in_it}/METADATA"].decode())
            made.append(beside)
            for name in members:
                if name.startswith(f"{folder_in_it}/sboms/"):
                    listed = wheel.with_suffix(".cdx.json")
                    manifest.write_atomically(listed, members[name].decode())
                    made.append(listed)
        page = package / "index.html"
        manifest.write_atomically(page, _page(package.name, [_link(wheel) for wheel in wheels]))
        made.append(page)
    links = [f'<p><a href="{quote(p.name)}/">{html.escape(p.name)}</a></p>' for p in packages]
    root = folder / "index.html"
    manifest.write_atomically(root, _page("FFCV on Windows: wheels", links))
    return [*made, root]
