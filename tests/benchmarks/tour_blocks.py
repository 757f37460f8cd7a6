"""A child of the benchmark: takes the tour with a watchdog on the GUI thread.

``tour_blocks.py DIR`` prints the tour's status, the longest block in seconds, and where it was.
Drawing the pictures of the tour and writing them is left out: no person asks the window for them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from first_paint import tensorflow_is_here
from PySide6.QtGui import QPixmap

from explorer.ui import tour
from explorer.ui.watchdog import Watchdog
from explorer.ui.window import Window


class _Picture:
    """A picture of the window that is written while the watchdog looks away."""

    def __init__(self, pixmap: QPixmap, watchdog: Watchdog) -> None:
        self._pixmap, self._watchdog = pixmap, watchdog

    def save(self, path: str) -> bool:
        with self._watchdog.pause():
            return self._pixmap.save(path)


def main(folder: str) -> int:
    watchdogs: list[Watchdog] = []

    def begin(window: Window) -> None:
        watchdog = Watchdog(parent=window)
        watchdogs.append(watchdog)
        grab = window.grab

        def picture() -> _Picture:
            with watchdog.pause():
                return _Picture(grab(), watchdog)

        window.grab = picture
        window.closed.connect(watchdog.stop)  # from then on nobody is there to wait
        watchdog.start()

    status = tour.run(Path(folder) / "pictures", begin)
    watchdog = watchdogs[0]
    said = {
        "status": status,
        "longest": watchdog.longest.seconds,
        "own": max(block.seconds - block.queued for block in (*watchdog.blocks, watchdog.longest)),
        "report": watchdog.report(),
        "tensorflow": tensorflow_is_here(),
    }
    print(json.dumps(said), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
