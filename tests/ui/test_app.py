"""The program as a process of its own: it starts, and it ends without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
