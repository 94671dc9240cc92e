"""What reads bytes that others wrote, given any bytes: it answers, or says why not in one line.

Each function here is a property of one reader. Tests run them for a moment, the harness for long.
"""

import contextlib
import gzip
import json
import random
import tempfile
import traceback
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tasks import fetch
from tasks.archives import archive
from tasks.core import config_file, manifest, paths, urls, yaml_data
from tasks.core.errors import BuildError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (ROOT / "config.yaml").read_bytes()

# Pieces from which interesting files are put together.
NAMES = st.sampled_from(
    [
        "a",
        "a/b",
        "A",
        "../x",
        "/etc/x",
        "C:/x",
        "..\\x",
        "a/../../x",
        "con",
        "a\0b",
        "\udcff",
        "a/",
        "",
    ]
) | st.text(max_size=12)


def _mutated(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    for at, new in changes:
        place = at % (len(data) + 1)
        data = data[:place] + new + data[place + len(new) // 2 :]
    return data


CHANGES = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=8)), max_size=6)


def _zip(members: list[tuple[str, bytes]]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name.encode("utf-8", "replace").decode()
            with contextlib.suppress(Exception):  # what cannot be written is not read either
                made.writestr(info, content)
    return buffer.getvalue()


MEMBERS = st.lists(st.tuples(NAMES, st.binary(max_size=40)), max_size=6)


@given(members=MEMBERS, changes=CHANGES, compress=st.booleans())
def archives(
    members: list[tuple[str, bytes]], changes: list[tuple[int, bytes]], compress: bool
) -> None:
    """An archive is unpacked into its folder, or refused with one line."""
    data = _mutated(_zip(members), changes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "in" / "a.zip"
        file.parent.mkdir()
        file.write_bytes(gzip.compress(data) if compress else data)
        with contextlib.suppress(BuildError):
            archive.unpack(file, folder / "out" / "a")
        assert {path.name for path in folder.iterdir()} <= {"in", "out"}
        if (folder / "out").exists():
            assert {path.name for path in (folder / "out").iterdir()} <= {"a"}


@given(text=st.text(max_size=200) | st.recursive(st.text(max_size=5), st.lists, max_leaves=20).map(
    lambda value: yaml.safe_dump(value, allow_unicode=True)))  # fmt: skip
def yaml_texts(text: str) -> None:
    """Any text is data, or no YAML."""
    with contextlib.suppress(yaml_data.YAMLProblemError):
        yaml_data.parse(text)


@given(changes=CHANGES)
def configurations(changes: list[tuple[int, bytes]]) -> None:
    """config.yaml with some bytes altered is read, or refused with one line."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "config.yaml")
        path.write_bytes(_mutated(CONFIG, changes))
        try:
            config_file.load(path)
        except BuildError as error:
            assert "\n" not in error.message and len(error.message) < 2000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = ("summary", "where", "root", "files", "status", "details")


@given(data=st.fixed_dictionaries(dict.fromkeys(KEYS, JSON)), changes=CHANGES)
def manifests(data: dict[str, object], changes: list[tuple[int, bytes]]) -> None:
    """A manifest is one or none, and never speaks of what is not below its root."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "build", "manifests", "a.json")
        path.parent.mkdir(parents=True)
        path.write_bytes(_mutated(json.dumps(data).encode(), changes))
        made = manifest.read(path)
        manifest.damage(path)
        if made is not None:
            made.details.get("use")
            assert all(".." not in Path(file).parts for file in made.files)


@given(data=JSON, changes=CHANGES)
def first_uses(data: object, changes: list[tuple[int, bytes]]) -> None:
    """The record of first uses is read, or is said to be damaged."""
    with tempfile.TemporaryDirectory() as name:
        Path(name, "first-use.json").write_bytes(_mutated(json.dumps(data).encode(), changes))
        with contextlib.suppress(BuildError):
            fetch.first_use_hashes(Path(name))


@given(url=st.text(max_size=40) | st.text(max_size=20).map(lambda rest: "http://" + rest))
def addresses(url: str) -> None:
    """An address is one or not, and its password is not shown."""
    urls.file_problem(url)
    if "s3cret" not in url:
        shown = urls.public_url(f"see http://me:s3cret@host/{url}")
        assert "s3cret" not in shown


@given(pattern=st.text("ab*?[]!-/.^\\", max_size=12))
def patterns(pattern: str) -> None:
    """What is taken for a pattern can be used as one."""
    try:
        paths.checked_pattern(pattern)
    except ValueError:
        return
    from tasks.archives.members import pattern_regex

    pattern_regex(pattern)
    list((ROOT / "patches").glob(pattern))


PROPERTIES: tuple[Callable[[], None], ...] = (
    archives, yaml_texts, configurations, manifests, first_uses, addresses, patterns,
)  # fmt: skip


def run(check: Callable[[], None], examples: int, seed_: int | None = None) -> int:
    """Run one property; returns with how many inputs. Raises what the property raises."""
    count = 0
    inner = check.hypothesis.inner_test  # type: ignore[attr-defined]

    def counted(**values: object) -> None:
        nonlocal count
        count += 1
        inner(**values)

    limited = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )(given(**check.hypothesis._given_kwargs)(counted))  # type: ignore[attr-defined]
    seed(random.randrange(2**32) if seed_ is None else seed_)(limited)()
    return count


def run_all(examples: int, seed_: int) -> tuple[int, int]:
    """Run every property; returns the number of inputs, and of properties that failed."""
    inputs = failures = 0
    for check in PROPERTIES:
        try:
            inputs += run(check, examples, seed_)
        except Exception:
            failures += 1
            print(f"FAIL  {check.__name__}, seed {seed_}:\n{traceback.format_exc()}", flush=True)
    return inputs, failures
