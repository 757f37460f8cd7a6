"""How long the GUI thread kept people waiting: the longest gaps between turns of its event loop."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer

_BEAT_MS = 5
_SAMPLE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Block:
    """A time in which no event was handled.

    ``seconds`` of wall time, of which the thread computed for ``busy`` and waited for a free core
    for ``queued`` (known on Linux, else 0); the rest it waited for a lock or a file. ``stack`` is
    where it was in the midst of it, empty where that could not be seen.
    """

    seconds: float
    busy: float
    queued: float
    stack: str

    def __str__(self) -> str:
        times = (self.seconds, self.busy, self.queued)
        return "{:.0f} ms, computing {:.0f}, waiting for a core {:.0f}".format(
            *(time * 1000 for time in times)
        )


class _Clock:
    """Three clocks of the thread that makes it: wall, computing, waiting for a core; in seconds."""

    def __init__(self) -> None:
        path = Path("/proc/thread-self/schedstat")
        self._scheduler = path.open("rb", buffering=0) if path.exists() else None

    def read(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.thread_time(), self._queued()

    def _queued(self) -> float:
        if self._scheduler is None:
            return 0.0
        self._scheduler.seek(0)
        return int(self._scheduler.read().split()[1]) / 1e9

    def close(self) -> None:
        if self._scheduler is not None:
            self._scheduler.close()


class Watchdog(QObject):
    """Records blocks of the thread it is made on, once; a second thread looks at the stack.

    A timer that is due every 5 ms tells by its lateness how long the event loop was away.
    """

    def __init__(self, threshold: float = 0.05, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.threshold = threshold
        self.blocks: list[Block] = []
        """The blocks over ``threshold`` seconds, in order of time."""
        self.longest = Block(0.0, 0.0, 0.0, "")
        self._beats = 0
        self._sample: tuple[int, str] = (-1, "")
        self._timer = QTimer(self, interval=_BEAT_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._stopped = threading.Event()
        self._watched = threading.get_ident()
        self._clock = _Clock()
        self._sampler = threading.Thread(target=self._look, name="watchdog", daemon=True)
        self._restart()

    def start(self) -> None:
        """Begin to watch, with the first gap from here."""
        self._restart()
        self._sampler.start()
        self._timer.start()

    def stop(self) -> None:
        """Take the last gap in and end the sampling thread."""
        self._beat()
        self._timer.stop()
        self._stopped.set()
        self._sampler.join()
        self._clock.close()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave out what happens inside, such as writing a picture of the window for a test."""
        self._beat()
        yield
        self._restart()

    def report(self) -> str:
        """The longest block, and every one over the threshold with where it was."""
        count = f"{len(self.blocks)} over {self.threshold * 1000:.0f} ms"
        lines = [f"longest block of the GUI thread: {self.longest}; {count}"]
        for block in sorted(self.blocks, key=lambda block: -block.seconds):
            lines += [f"{block}:", block.stack or "  (not seen)"]
        return "\n".join(lines)

    def _restart(self) -> None:
        self._beats += 1
        self._last = self._clock.read()

    def _beat(self) -> None:
        now = self._clock.read()
        seconds, busy, queued = (end - start for end, start in zip(now, self._last, strict=True))
        sampled, stack = self._sample
        block = Block(seconds, busy, queued, stack if sampled == self._beats else "")
        if block.seconds > self.longest.seconds:
            self.longest = block
        if block.seconds > self.threshold:
            self.blocks.append(block)
        self._restart()

    def _look(self) -> None:
        """Once in every gap that grows long, keep the stack of the watched thread."""
        while not self._stopped.wait(_SAMPLE_SECONDS):
            beats, away = self._beats, time.perf_counter() - self._last[0]
            if away < self.threshold / 2 or self._sample[0] == beats:
                continue
            frame = sys._current_frames().get(self._watched)
            self._sample = (beats, "".join(traceback.format_stack(frame)) if frame else "")
