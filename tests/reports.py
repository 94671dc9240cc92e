"""A report of a build that nobody made, with everything that a page can have to show."""

from tasks.pages.graph_picture import Node
from tasks.pages.page import Check, Input, Report, Row, Speed, Wheel

_NEEDS = {
    "fetch:opencv-source": [],
    "extract:opencv-source": ["fetch:opencv-source"],
    "fetch:a-rather-long-name-of-an-archive": [],
    "toolchain": [],
    "env:python": [],
    "libs:opencv": ["extract:opencv-source", "toolchain"],
    "wheel:ffcv": ["libs:opencv", "env:python", "toolchain"],
    "install:ffcv": ["wheel:ffcv"],
    "verify:import": ["install:ffcv"],
    "verify:roundtrip": ["install:ffcv"],
}
_STATES = {"verify:roundtrip": "not run", "install:ffcv": "stale", "verify:import": "failed"}


def _import(importer: str, name: str, rule: str, file: str | None = None) -> dict:
    return {"importer": importer, "import": name, "rule": rule, "file": file, "tried": []}


CLOSURE = [
    _import("_libffcv.pyd", "opencv.dll", "folder of the extension module", "/env/opencv.dll"),
    _import("_libffcv.pyd", "KERNEL32.dll", "already loaded"),
    _import(
        "opencv.dll", "pthreadVC2.dll", "folder of the extension module", "/env/pthreadVC2.dll"
    ),
    _import("opencv.dll", "api-ms-win-crt-heap-l1-1-0.dll", "API set"),
    _import("pthreadVC2.dll", "MSVCR100.dll", "missing"),
]


def made_up(states: dict[str, str] = _STATES, **changes) -> Report:
    """The report; `changes` replace what it tells."""
    rows = [
        Row(
            Node(name, states.get(name, "done"), 700.0 / (i + 1), needs),
            f"made by <{name}> & others",
            f"build/zig-cp311/manifests/{name}",
        )
        for i, (name, needs) in enumerate(_NEEDS.items())
    ]
    told = {
        "title": "FFCV on Windows: a build that nobody made",
        "made": "Profile zig, written today",
        "figures": {"Windows Python": "3.11", "compiler": "zig 0.17.0", "wheel": "4.1 MB"},
        "rows": rows,
        "wheels": [
            Wheel("ffcv-1.0.2+windows.1.zig-cp311-cp311-win_amd64.whl", 4_100_000, "ab" * 32,
                  "Apache-2.0 AND Zlib", [("OpenCV", "4.6.0", "Apache-2.0"), ("zlib", "", "Zlib")])
        ],
        "use": {"Install it": "py -3.11 -m pip install --find-links dist/ffcv ffcv " + "x" * 80},
        "closure": CLOSURE,
        "speed": [
            Speed("The product", ("what", "who", "median", "middle half", "speed"),
                  [("imdecode", "FFCV <zig>", "1,200 us", "1,179 to 1,216", "0.99 (0.96 to 0.99)")],
                  ["A processor & more, 2 threads.", "Not measured: another (it is not there)."])
        ],
        "checks": {
            "Imported": [
                Check("import ffcv", "passed", 2.25, ""),
                Check("import thing", "failed", None, "DLL load failed <b>here</b>"),
            ]
        },
        "inputs": [Input("opencv-source", "https://example.org/a.tar.gz", 90_000_000, "cd" * 32)],
        "versions": {"python": "3.11.9", "torch": "2.6.0"},
    }  # fmt: skip
    return Report(**(told | changes))
