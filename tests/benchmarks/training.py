"""A child of the benchmark: trains in the real window and in a bare script, in turns.

``training.py WORKSPACE keras3|keras2 EPOCHS REPEATS`` prints, for each turn, the seconds of both:
``fit`` alone, and everything from the click to the model in the library, against building,
compiling and fitting in the script.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QPushButton, QSpinBox, QToolButton

from explorer.engine.client import Phase
from explorer.lab.catalog import Line
from explorer.ui import app
from explorer.ui.window import Window

_SETTLE_MS = 15_000  # until the worker that stands by has imported its libraries too


class BareScript:
    """The other side: one process that has its libraries imported, as the worker has."""

    def __init__(self, line: Line, epochs: int) -> None:
        script = Path(__file__).with_name("bare_training.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), line.module, str(epochs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def train(self) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()


class Turns:
    """Drives the window: waits for the engine, then lets both sides train one after the other."""

    def __init__(self, window: Window, line: Line, epochs: int, repeats: int) -> None:
        self._window, self._repeats = window, repeats
        self._bare = BareScript(line, epochs)
        window.findChild(QToolButton, f"lab.line.{line.value}").click()
        window.findChild(QSpinBox, "lab.epochs").setValue(epochs)

    def run(self) -> None:
        while self._window.engine.state.phase is not Phase.READY:
            pass_time(50)
        self._train()
        self._bare.train()
        pass_time(_SETTLE_MS)
        turns = [{"app": self._train(), "bare": self._bare.train()} for _ in range(self._repeats)]
        print(json.dumps(turns), flush=True)
        self._bare.close()
        self._window.close()

    def _train(self) -> dict[str, float]:
        models = self._window.session.models
        before = len(models)
        loop = QEventLoop()
        self._window.session.changed.connect(loop.quit)
        self._window.session.notice.connect(loop.quit)
        start = time.perf_counter()
        self._window.findChild(QPushButton, "lab.train").click()
        loop.exec()
        whole = time.perf_counter() - start
        assert len(models) == before + 1, self._window.notice()
        return {"fit": models[-1].trained.seconds, "whole": whole}


def pass_time(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def main(workspace: str, line: str, epochs: str, repeats: str) -> int:
    def begin(window: Window) -> None:
        turns = Turns(window, Line(line), int(epochs), int(repeats))
        QTimer.singleShot(0, turns.run)

    return app.run([], Path(workspace), "light", begin)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
