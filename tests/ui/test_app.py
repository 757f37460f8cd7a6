"""The program as a process of its own: it starts, and it ends without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

_OPEN_AND_WAIT = """
import sys
from pathlib import Path
from explorer.ui.app import run
run([], Path(sys.argv[1]), None, lambda window: print(window.session.places.scratch, flush=True))
"""
_OPEN_AND_CLOSE = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from explorer.ui.app import run
paths, workspace, delay = sys.argv[1:-2], Path(sys.argv[-2]), int(sys.argv[-1])
sys.exit(run(paths, workspace, None, lambda window: QTimer.singleShot(delay, window.close)))
"""


@pytest.mark.parametrize("delay", [0, 50, 300])
def test_closing_while_files_are_still_being_read_ends_cleanly(
    corpus: Path, tmp_path: Path, delay: int
) -> None:
    paths = [str(corpus / "basic_pitch_nmp"), str(corpus / "emotion_model.hdf5")]
    home = {"XDG_DATA_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}
    ended = subprocess.run(
        [sys.executable, "-c", _OPEN_AND_CLOSE, *paths, str(tmp_path / "work"), str(delay)],
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_a_killed_window_left_is_removed_by_a_later_one(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    foreign = temporary / "mfx-abcdefgh"  # of no session: nothing in it is a lock
    foreign.mkdir(parents=True)
    variables = {"TMPDIR": str(temporary), "TEMP": str(temporary), "QT_QPA_PLATFORM": "offscreen"}
    environment = {**os.environ, **variables, "XDG_DATA_HOME": str(tmp_path)}

    def start() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", _OPEN_AND_WAIT, str(tmp_path / "work")],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    def kill(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.communicate()

    (first, killed), (second, living) = start(), start()
    kill(first)
    assert killed.parent == living.parent == temporary
    assert killed.exists()
    for folder in (killed, living):
        os.utime(folder / "lock", (0, 0))
    third, latest = start()
    try:
        end = time.monotonic() + 60
        while killed.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert living.exists()
        assert latest.exists()
        assert foreign.exists()
    finally:
        kill(second)
        kill(third)
