"""Runs in the Windows Python: writes and reads a dataset with FFCV, and trains on it.

Usage: python roundtrip.py FOLDER [SECONDS [CHECK...]]

Without names, every check runs; with names, those and what they need.

The checks (roundtrip_checks.py) run in a process of their own, because what they look for
crashes and hangs. This one watches it, prints progress to stderr, and at the end one JSON
object to stdout:

    {"checks": [{"name", "status", "detail", "seconds"}], "versions": {...}}

status is "passed", "failed" or "not run". The exit status is 0 if all passed.
"""

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

MARK = "@@roundtrip "
GRACE_SECONDS = 20  # a check that hangs ends itself; longer than that, it is ended from here


def read_events(process: "subprocess.Popen[str]", events: "queue.Queue[dict[str, Any]]") -> None:
    """Hand over the events of the checks; pass on what else they print."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(MARK):
            events.put(json.loads(line.removeprefix(MARK)))
        else:
            sys.stderr.write(line)
    events.put({"event": "closed"})


def kill(process: "subprocess.Popen[str]") -> None:
    """End a process and its children."""
    try:
        import psutil

        children = psutil.Process(process.pid).children(recursive=True)
    except Exception:  # psutil is missing, or the process is gone: end what can be ended
        children = []
    process.kill()
    for child in children:
        child.kill()


def watch(folder: Path, limit: float, names: list[str]) -> dict[str, Any]:
    """Run the checks.

    Args:
        folder: where to put datasets.
        limit: seconds for everything.
        names: of checks; all if empty.

    Returns:
        checks and versions, as described at the top.
    """
    checks_file = Path(__file__).with_name("roundtrip_checks.py")
    command = [sys.executable, str(checks_file), str(folder), *names]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    assert process.stdin is not None
    process.stdin.close()
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=read_events, args=(process, events), daemon=True).start()

    end = time.monotonic() + limit
    checks: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    plan: list[str] = []
    running: dict[str, Any] | None = {"name": "start", "suspect": "Python does not start"}
    deadline = min(end, time.monotonic() + 60)

    def close(status: str, detail: str, seconds: float | None) -> None:
        nonlocal running
        assert running is not None
        checks.append(
            {"name": running["name"], "status": status, "detail": detail, "seconds": seconds}
        )
        took = "" if seconds is None else f" ({seconds:.1f} s)"
        print(f"{status:8} {running['name']}{took}: {detail}", file=sys.stderr, flush=True)
        running = None

    while True:
        try:
            event = events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            kill(process)
            if running is None:
                running = {"name": "end", "suspect": "the process does not end"}
            close("failed", f"did not end in time: {running['suspect']}", None)
            break
        if event["event"] == "versions":
            versions = event["versions"]
        elif event["event"] == "plan":
            plan = event["names"]
        elif event["event"] == "start":
            running = event
            deadline = min(end, time.monotonic() + event["seconds"] + GRACE_SECONDS)
        elif event["event"] == "end":
            close(event["status"], event["detail"], event["seconds"])
        elif event["event"] == "done":
            deadline = min(end, time.monotonic() + 60)
        elif event["event"] == "closed":
            status = process.wait()
            if running is not None:
                close("failed", f"crashed (status {status:#x}): {running['suspect']}", None)
            elif status and all(check["status"] == "passed" for check in checks):
                running = {"name": "end"}
                close("failed", f"all passed, but the process ended with status {status}", None)
            break
    reached = {check["name"] for check in checks}
    last = checks[-1]["name"]
    for name in plan:
        if name not in reached:
            running = {"name": name}
            close("not run", f'the process ended at "{last}"', None)
    return {"checks": checks, "versions": versions}


def main() -> int:
    """Run the checks and print their outcome; 0 if all passed."""
    folder = Path(sys.argv[1])
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else 900.0
    outcome = watch(folder, limit, sys.argv[3:])
    print(json.dumps(outcome), flush=True)
    return 0 if all(check["status"] == "passed" for check in outcome["checks"]) else 1


if __name__ == "__main__":
    sys.exit(main())
