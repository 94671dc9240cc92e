"""Microsoft's own compiler in the graph: fetched, checked, called through Wine, and used.

libjpeg-turbo is built by it as everybody's is. OpenCV takes minutes: where the store has it (a
full run of the profile msvc-portable puts it there) FFCV's wheel is built against that, imported
and put to the checks of the round trip; elsewhere lib.exe makes import libraries of what FFCV
calls, and the wheel is looked at, not run.
"""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import lief
import pytest
from conftest import Clone, Run
from support import ROOT, lay_files

from dllwhy import pe
from tasks.core import project

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

PROFILE = "msvc-portable"
WHEEL = "ffcv-1.0.2-cp311-cp311-win_amd64.whl"
# What FFCV calls of OpenCV, by the names that Microsoft's compiler gives.
OPENCV = {
    "opencv_core460": [
        "??0Mat@cv@@QEAA@HHHPEAX_K@Z",
        "??1Mat@cv@@QEAA@XZ",
        "??0_InputArray@cv@@QEAA@AEBVMat@1@@Z",
    ],
    "opencv_imgproc460": ["?resize@cv@@YAXAEBV_InputArray@1@AEBV_OutputArray@1@V?$Size_@H@1@NNH@Z"],
}


class Msvc(Clone):
    """A clone that is built with Microsoft's compiler."""

    @property
    def build(self) -> Path:
        return self.folder / "build" / f"{PROFILE}-cp311"

    def doit(self, *arguments: str) -> Run:
        return super().doit(f"profile={PROFILE}", *arguments)

    def call(self, program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Call a program of the toolchain, in the environment of a build."""
        text = (self.build / "toolchain" / "toolchain.json").read_text(encoding="utf-8")
        toolchain = json.loads(text)
        return subprocess.run(
            [toolchain["programs"][program], *arguments], cwd=cwd, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
            env={**os.environ, **toolchain["environment"]},
        )  # fmt: skip


@pytest.fixture(scope="module")
def msvc() -> Iterator[Msvc]:
    """A clone with toolchain, libjpeg-turbo and FFCV's patched source."""
    if os.name == "nt":
        pytest.skip("calls the compiler through Wine")
    if shutil.which("wine") is None:
        pytest.skip("wine was not found; on Debian or Ubuntu: sudo apt-get install wine wine64")
    if not project.load(ROOT).accept_msvc_licence:
        pytest.skip(
            "Microsoft's compiler is used by those who accept its licence: "
            "FFCVWIN_ACCEPT_MSVC_LICENCE=yes (README, \"Microsoft's compiler\")"
        )
    made = Msvc(ROOT / "build" / "tests" / "FFCV mit Microsofts Übersetzer")
    made.folder.mkdir(parents=True, exist_ok=True)
    lay_files(made.folder)
    run = made.doit("toolchain", "libs:libjpeg-turbo", "libs:pthreads", "source", "env:python")
    if "cannot be reached" in run.output or "cannot be resolved" in run.output:
        pytest.skip("the package registry cannot be reached")
    assert run.status == 0, run.output
    yield made
    lay_files(made.folder)
