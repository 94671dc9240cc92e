"""conda packages, made from files that are here, and channels of them.

A package is a zip of two tar archives: its files, and info/, which says what they are. What solver
and installer go by are its dependencies, the hashes in paths.json, the prefix to replace, and for a
package for every Python (noarch) link.json with the programs to make:
https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html. The index of the
channel, repodata.json, is rattler's work.
"""

import asyncio
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path, PurePosixPath
from typing import Any

from http_server import Page
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Stands for the prefix where a package's text holds its path.
PREFIX = "/placehold_placehold_placehold_placehold_placehold_placehold_placehold"
SITE = "Lib/site-packages"


@dataclass(frozen=True)
class Package:
    """A package; of Windows, or for every Python.

    Args:
        files: path in the package -> content, or the file that has it.
        noarch: "python": the files of site-packages come first, and lie where the Python has them;
            "generic".
        entry_points: of noarch: python: NAME = MODULE:FUNCTION.
    """

    name: str
    version: str
    build: str = "h1_0"
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    files: Mapping[str, bytes | Path] = field(default_factory=dict)
    noarch: str | None = None
    entry_points: tuple[str, ...] = ()

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else "win-64"

    @property
    def file(self) -> str:
        """The name of its archive."""
        return f"{self.name}-{self.version}-{self.build}.conda"

    def info(self, paths: list[dict[str, Any]]) -> dict[str, bytes]:
        """The files of info/."""
        number = self.build.rpartition("_")[2]
        index: dict[str, Any] = {
            "name": self.name, "version": self.version, "build": self.build,
            "build_number": int(number) if number.isdigit() else 0, "subdir": self.subdir,
            "depends": self.depends, "constrains": self.constrains, "timestamp": 1700000000000,
            "arch": None if self.noarch else "x86_64", "platform": None if self.noarch else "win",
        }  # fmt: skip
        if self.noarch:
            index["noarch"] = self.noarch
        told: dict[str, Any] = {"index": index, "paths": {"paths": paths, "paths_version": 1}}
        if self.noarch == "python":
            noarch = {"type": "python", "entry_points": self.entry_points}
            told["link"] = {"noarch": noarch, "package_metadata_version": 1}
        return {f"info/{name}.json": json.dumps(data).encode() for name, data in told.items()}


def write(package: Package, folder: Path) -> Path:
    """Make a package's archive below a channel's folder."""
    paths: list[dict[str, Any]] = []
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, source in package.files.items():
            data = source if isinstance(source, bytes) else source.read_bytes()
            _add(archive, name, data)
            told = {"_path": name, "path_type": "hardlink", "size_in_bytes": len(data)}
            if PREFIX.encode() in data:
                told |= {"prefix_placeholder": PREFIX, "file_mode": "text"}
            paths.append(told | {"sha256": hashlib.sha256(data).hexdigest()})
    info = io.BytesIO()
    with tarfile.open(fileobj=info, mode="w") as archive:
        for name, data in package.info(paths).items():
            _add(archive, name, data)
    target = folder / package.subdir / package.file
    target.parent.mkdir(parents=True, exist_ok=True)
    stem = package.file.removesuffix(".conda")
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        for kind, tar in (("info", info), ("pkg", content)):
            archive.writestr(f"{kind}-{stem}.tar.zst", zstd.compress(tar.getbuffer(), level=1))
    return target


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))


def make_channel(folder: Path, packages: Iterable[Package]) -> Path:
    """Make a channel in a folder."""
    from rattler.index import index_fs

    for subdir in ("noarch", "win-64"):
        (folder / subdir).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(write, folder=folder), packages))
    asyncio.run(index_fs(folder, write_zst=False, write_shards=False))
    return folder


def pages(folder: Path) -> dict[str, Page]:
    """The files of a channel, for a server that has it under the name of its folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {f"/{p.relative_to(folder.parent).as_posix()}": Page(p.read_bytes()) for p in files}


# --- Small packages of the names in envs/*.yml, with the dependencies that those have.

ABI = ("python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311")
# https://github.com/conda-forge/pytorch-cpu-feedstock, https://github.com/conda-forge/cuda-version-feedstock
ON_GPU = ("__cuda", "cuda-version >=12.6,<13")
PYTHON_FILES = ("python.exe", "python311.dll", "libs/python311.lib", "Lib/os.py",
                "Lib/__pycache__/os.cpython-311.pyc")  # fmt: skip
JPEG_FILES = {
    "Library/bin/turbojpeg.dll": b"DLL",
    "Library/include/turbojpeg.h": b"header",
    "Library/lib/turbojpeg.lib": b"import library",
    "Library/lib/pkgconfig/libturbojpeg.pc": f"prefix={PREFIX}/Library\n".encode(),
}


PYTHON_ABI = Package(
    "python_abi", "3.11", "8_cp311", (), ("python 3.11.* *_cpython",), noarch="generic"
)


def pure(name: str, version: str, *depends: str, programs: tuple[str, ...] = ()) -> Package:
    """A package for every Python, with one module."""
    files = {f"site-packages/{name.replace('-', '_')}/__init__.py": b"x = 1\n"}
    depends = ("python >=3.10", *depends)
    build = "pyhd8ed1ab_0"
    return Package(name, version, build, depends, (), files, "python", programs)


def python(*files: str) -> Package:
    """A Python of these files."""
    return Package(
        "python", "3.11.9", "h631f459_0_cpython", ("vc14_runtime >=14.38",),
        ("python_abi 3.11.* *_cp311",), {name: name.encode() for name in files},
    )  # fmt: skip


def small() -> list[Package]:
    """What envs/base.yml and envs/ffcv.yml name, and what that depends on."""
    torch = {f"{SITE}/torch/__init__.py": b"x = 1\n"}
    return [
        python(*PYTHON_FILES), PYTHON_ABI,
        Package("vc14_runtime", "14.44", files={"vcruntime140.dll": b"DLL"}),
        pure("pip", "24.0", "setuptools", programs=("pip = pip:main", "pip3 = pip:main")),
        pure("python-build", "1.6.1", "packaging >=24.0", "colorama"),
        pure("packaging", "26.4"), pure("colorama", "0.4.6"), pure("setuptools", "84.2.1"),
        pure("wheel", "0.48.0", "packaging >=24.0"),
        Package("numpy", "1.26.4", "py311h1_0", ABI), Package("numpy", "2.4.6", "py311h1_0", ABI),
        Package("numba", "0.68.1", "py311h1_0", (*ABI, "numpy >=2,<2.5")),
        Package("pytorch", "2.6.0", "cpu_generic_py311_h1_0", ABI, files=torch),
        Package("pytorch", "2.6.0", "cuda126_generic_py311_h1_200", (*ABI, *ON_GPU), files=torch),
        Package("cuda-version", "12.6", "h1_3", (), ("__cuda >=12",), noarch="generic"),
        Package("torchvision", "0.21.0", "py311h1_0", (*ABI, "pytorch >=2.6", "pillow", "numpy")),
        Package("opencv", "5.0.0", "h1_0", ("py-opencv 5.0.0.*",)),
        Package("py-opencv", "5.0.0", "py311h1_0", (*ABI, "numpy >=2")),
        Package("libjpeg-turbo", "3.1.2", "h1_0", files=JPEG_FILES),
        pure("pytorch-pfn-extras", "0.9.0", "pytorch", "numpy"), pure("terminaltables", "3.1.10"),
        pure("assertpy", "1.1"), pure("tqdm", "4.70.1", "colorama"),
        Package("psutil", "7.2.2", "py311h1_0", ABI),
        pure("fastai", "2.8.12", "pytorch >=1.10,<3", "fasttransform >=0.0.3"),
        pure("fasttransform", "0.0.5"), Package("pandas", "3.1.1", "py311h1_0", (*ABI, "numpy")),
        Package("pillow", "13.0.0", "py311h1_0", ABI), pure("kornia", "0.9.0", "pytorch >=2.5.1"),
        pure("pytest", "9.2.0", "packaging", "colorama"),
    ]  # fmt: skip


# --- Packages of what pip and uv install.

# What conda-forge calls otherwise than PyPI.
NAMES = {
    "build": "python-build", "msvc-runtime": "vc14_runtime", "opencv-python-headless": "py-opencv",
    "torch": "pytorch",
}  # fmt: skip
# https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers
MACHINE = {
    "implementation_name": "cpython", "implementation_version": "3.11.9", "os_name": "nt",
    "platform_machine": "AMD64", "platform_python_implementation": "CPython",
    "platform_release": "10", "platform_system": "Windows", "platform_version": "10.0.19045",
    "python_full_version": "3.11.9", "python_version": "3.11", "sys_platform": "win32",
}  # fmt: skip


def conda_name(name: str) -> str:
    """The name of a distribution's conda package."""
    name = canonicalize_name(name)
    return NAMES.get(name, name)


def _requirements(distribution: Distribution, extra: str = "") -> list[Requirement]:
    required = map(Requirement, distribution.requires or [])
    return [
        one for one in required
        if (one.marker is None and not extra)
        or (one.marker is not None and one.marker.evaluate(MACHINE | {"extra": extra})
            and (not extra or not one.marker.evaluate(MACHINE | {"extra": ""})))
    ]  # fmt: skip


def from_installed(site_packages: Path, build: Mapping[str, str]) -> list[Package]:
    """The packages of the wheels that are installed in a folder.

    Args:
        build: distribution -> the build of its package, where that says something.
    """
    found = {
        canonicalize_name(one.metadata["Name"]): (one, path)
        for path in sorted(site_packages.glob("*.dist-info"))
        for one in [PathDistribution(path)]
    }
    return [
        _from_distribution(one, path, {name: d for name, (d, _) in found.items()}, build.get(name))
        for name, (one, path) in found.items()
    ]


def _from_distribution(
    distribution: PathDistribution,
    info: Path,
    others: Mapping[str, Distribution],
    build: str | None,
) -> Package:
    wheel = distribution.read_text("WHEEL") or ""
    pure = "Root-Is-Purelib: true" in wheel and "-none-any" in wheel
    depends = list(ABI)
    if pure:
        depends = [f"python {distribution.metadata.get('Requires-Python', '').replace(' ', '')}"]
    required = _requirements(distribution)
    for one in required:
        for extra in one.extras:
            if other := others.get(canonicalize_name(one.name)):
                required += _requirements(other, extra)
    depends += [f"{conda_name(one.name)} {_version(one)}".strip() for one in required]
    folder = "site-packages" if pure else SITE
    paths = [PurePosixPath(path) for path in distribution.files or []]
    files: dict[str, bytes | Path] = {
        f"{folder}/{path}": info.parent / path
        for path in paths
        if path.parts[0] not in ("..", "bin", "Scripts") and "__pycache__" not in path.parts
        and (info.parent / path).is_file()
    }  # fmt: skip
    programs = distribution.entry_points.select(group="console_scripts") if pure else ()
    return Package(
        conda_name(distribution.metadata["Name"]),
        distribution.version,
        build or ("pyhd8ed1ab_0" if pure else "py311h1_0"),
        tuple(dict.fromkeys(depends)),
        files=files,
        noarch="python" if pure else None,
        entry_points=tuple(f"{one.name} = {one.value}" for one in programs),
    )


def _version(required: Requirement) -> str:
    """A version specifier in conda's words: what ends in .* stands alone there."""
    told = (str(one) for one in required.specifier)
    return ",".join(s.removeprefix("==") if s.endswith(".*") else s for s in told)
