"""Kills and fuzzes for as long as one likes: `doit faults --minutes 60`.

    a small clone -> doit, ended at a random moment in one of several ways, again and again
                  -> run to its end: the same products as ever, no program left behind, no traceback
    in between    -> random bytes for everything that reads what others wrote (fuzz.py)

A failure is printed with what leads to it, and the clone is kept.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE)]

import fuzz  # noqa: E402
from http_server import Server, serve  # noqa: E402
from small_clone import TASKS, SmallClone  # noqa: E402

from tasks.core.ending import INTERRUPTED  # noqa: E402

ORPHANS_END_SECONDS = 10.0
EXAMPLES = 50  # of each fuzzed input, each time
ROUNDS_PER_FUZZING = 5

# How a run is ended: the signal, and whether it goes to the whole group (as a terminal's does) or
# to the one process.
WAYS = {
    "kill -9": (signal.SIGKILL, False),
    "kill -9 of the group": (signal.SIGKILL, True),
    "Ctrl-C": (signal.SIGINT, True),
    "SIGINT": (signal.SIGINT, False),
    "SIGTERM": (signal.SIGTERM, False),
    "SIGHUP": (signal.SIGHUP, True),
}


class Trial:
    """One clone that is ended again and again."""

    def __init__(self, clone: SmallClone, dice: random.Random):
        self.clone, self.dice = clone, dice
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.seconds = 12.0
        self.expected = self._whole("the first run")

    def _fail(self, text: str) -> None:
        self.failures.append(text)
        print(f"FAIL  {text}", flush=True)

    def _whole(self, after: str) -> dict[str, str]:
        start = time.monotonic()
        done = self.clone.doit(*TASKS)
        self.seconds = min(self.seconds, time.monotonic() - start)
        self.counts["runs to the end"] += 1
        if done.returncode or "Traceback" in done.stdout + done.stderr:
            self._fail(f"after {after}: status {done.returncode}: {done.stdout}{done.stderr}")
        return self.clone.products()

    def end_once(self) -> str:
        """Start a run and end it at some moment; returns how."""
        way = self.dice.choice(list(WAYS))
        number, group = WAYS[way]
        delay = self.dice.uniform(0, self.seconds)
        process = self.clone.start(*TASKS)
        time.sleep(delay)
        (os.killpg if group else os.kill)(process.pid, number)
        try:
            out, _ = process.communicate(timeout=60)
        except Exception:
            self._fail(f"{way} after {delay:.2f} s: does not end")
            process.kill()
            return way
        self.counts[way] += 1
        what = f"{way} after {delay:.2f} s"
        if "Traceback" in out:
            # Before its first line runs, a Python that was not started by bootstrap.sh has one.
            early = "ending.py" not in out and delay < 1.0 and number == signal.SIGINT
            self.counts["too early for us"] += early
            if not early:
                self._fail(f"{what}: {out}")
        elif number != signal.SIGKILL and process.returncode == -number and delay > 2:
            self.counts["said so"] += INTERRUPTED in out
        self._check_orphans(what)
        return what

    def _check_orphans(self, what: str) -> None:
        deadline = time.monotonic() + ORPHANS_END_SECONDS
        while (left := self.clone.orphans()) and time.monotonic() < deadline:
            time.sleep(0.1)
        if left:
            self._fail(f"{what}: still running: {left}")

    def spoil(self) -> str:
        """Undo a part of the work, as people and accidents do; returns what."""
        dice, build = self.dice, self.clone.build
        choice = dice.randrange(5)
        files = [path for path in build.rglob("*") if path.is_file() and "logs" not in path.parts]
        if choice == 0 and files:
            path = dice.choice(files)
            path.unlink(missing_ok=True)
            return f"without {path.name}"
        if choice == 1 and files:
            path = dice.choice(files)
            path.write_bytes(path.read_bytes()[: dice.randrange(100)])
            return f"with {path.name} cut short"
        if choice == 2:
            task = dice.choice(TASKS)
            self.clone.doit("clean", task)
            return f"after clean {task}"
        if choice == 3:
            shutil.rmtree(self.clone.cache / "downloads", ignore_errors=True)
            shutil.rmtree(build / "extracted", ignore_errors=True)
            return "without downloads"
        shutil.rmtree(build, ignore_errors=True)
        return "from nothing"

    def round(self) -> None:
        """Spoil, end a few times, run to the end, compare."""
        story = [self.spoil()]
        story += [self.end_once() for _ in range(self.dice.randint(5, 20))]
        self.counts["cases"] += 1
        made = self._whole("; ".join(story))
        differing = {n for n in {*made, *self.expected} if made.get(n) != self.expected.get(n)}
        if differing:
            self._fail(f"{'; '.join(story)}: other products: {sorted(differing)[:10]}")


def run(minutes: float, seed: int, folder: Path, server: Server) -> int:
    """Work for some minutes; returns the number of failures."""
    end = time.monotonic() + 60 * minutes
    trial = Trial(SmallClone(folder / "clone", server), random.Random(seed))
    fuzzed = fuzz_failures = 0
    while time.monotonic() < end:
        trial.round()
        if trial.counts["cases"] % ROUNDS_PER_FUZZING == 0:
            inputs, failed = fuzz.run_all(EXAMPLES, trial.dice.randrange(2**32))
            fuzzed, fuzz_failures = fuzzed + inputs, fuzz_failures + failed
        kills = sum(trial.counts[way] for way in WAYS)
        print(f"{kills} kills, {trial.counts['cases']} cases, {fuzzed} fuzzed inputs, "
              f"{len(trial.failures) + fuzz_failures} failures", flush=True)  # fmt: skip
    for name, count in sorted(trial.counts.items()):
        print(f"{count:6} {name}")
    print(
        f"{fuzzed:6} fuzzed inputs\n{len(trial.failures) + fuzz_failures:6} failures; seed {seed}"
    )
    return len(trial.failures) + fuzz_failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    with serve() as server:
        failures = run(options.minutes, options.seed, folder, server)
    if failures:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
