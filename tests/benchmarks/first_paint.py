"""A child of the benchmark: opens a window, says when its first picture was complete, ends.

``first_paint.py app DIR`` opens the program's window with DIR as its workspace, the way ``mfx``
does; ``first_paint.py bare`` opens an empty window of Qt for comparison.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow, QWidget


class FirstPaint(QObject):
    """Waits for the first paint event of a window; the turn of the loop after it ends the run."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self.tell)
        return False

    def tell(self) -> None:
        said = {"painted": time.monotonic(), "tensorflow": tensorflow_is_here()}
        print(json.dumps(said), flush=True)
        QApplication.exit(0)


def tensorflow_is_here() -> bool:
    """Whether this process has imported or mapped anything of TensorFlow or Keras."""
    maps = Path("/proc/self/maps")
    mapped = maps.exists() and "tensorflow" in maps.read_text()
    return mapped or not {"tensorflow", "keras", "tf_keras"}.isdisjoint(sys.modules)


def open_app(workspace: str) -> int:
    from explorer import cli
    from explorer.ui import app

    run = app.run

    def run_and_watch(*arguments: Any) -> int:
        return run(*arguments, on_window=FirstPaint)

    app.run = run_and_watch
    return cli.main(["--workspace", workspace])


def open_bare() -> int:
    app = QApplication([])
    window = QMainWindow()
    window.resize(1440, 900)
    window.show()
    FirstPaint(window)
    return app.exec()


if __name__ == "__main__":
    sys.exit(open_app(sys.argv[2]) if sys.argv[1] == "app" else open_bare())
