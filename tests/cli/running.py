"""Runs ``mfx`` as a process of its own, in a pipe or in a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def mfx(
    *arguments: object, changes: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "explorer", *map(str, arguments)],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(changes or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shown(path: Path, *options: str) -> list[list[str]]:
    done = mfx("show", path, *options)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split("\t") for line in done.stdout.splitlines()]


def report(path: Path) -> Any:
    done = mfx("show", path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def in_terminal(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Exit status and what a command prints in a terminal; not on Windows, which has none."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "explorer", *map(str, arguments)]
    env = {**os.environ, **environment}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        text = b""
        try:
            while block := os.read(ours, 4096):
                text += block
        except OSError:  # Linux's way to say that the other end is closed
            pass
    os.close(ours)
    return process.returncode, text.decode()
