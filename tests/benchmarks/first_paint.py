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
    """Sees the window paint itself; its children follow in the same turn of the event loop.

    The first event of another kind, anywhere, comes when all of it is on the screen.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._began = False
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint and not self._began:
            self._began = True
            watched.removeEventFilter(self)
            QApplication.instance().installEventFilter(self)
        elif event.type() != QEvent.Type.Paint and self._began:
            QApplication.instance().removeEventFilter(self)
            self._tell(time.monotonic())
        return False

    def _tell(self, painted: float) -> None:
        print(json.dumps({"painted": painted, "tensorflow": tensorflow_is_here()}), flush=True)
        QTimer.singleShot(0, lambda: QApplication.exit(0))


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
