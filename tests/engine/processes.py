"""Which processes run, for tests that end some."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

PROC = Path("/proc")


def worker_pids() -> set[int]:
    """The processes that this one has started and that run."""
    if PROC.exists():
        states = {int(path.name): process_state(int(path.name)) for path in PROC.glob("[0-9]*")}
        return {
            p for p, (state, parent) in states.items() if parent == os.getpid() and state != "Z"
        }
    found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True)
    return set(map(int, found.stdout.split()))


def process_state(pid: int) -> tuple[str, int]:
    """The letter of a process's state and its parent, as Linux tells them."""
    try:
        state, parent = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return "", 0
    return state, int(parent)


def is_running(pid: int) -> bool:
    if PROC.exists():
        return process_state(pid)[0] not in ("", "Z")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill_workers(others: set[int]) -> set[int]:
    """Kill the workers that are not among ``others``; one may end by itself meanwhile."""
    found = worker_pids() - others
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found
