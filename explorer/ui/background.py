"""Work off the GUI thread: a function runs in a pool, its result comes back as a call here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar, cast

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, Signal, Slot

T = TypeVar("T")
_LONGEST_WAIT = 3000  # milliseconds


class _Courier(QObject):
    """Carries a result to the GUI thread, where this object lives."""

    _finished = Signal(object, object)

    def __init__(
        self, parent: QObject, deliver: Callable[[object, Exception | None], None]
    ) -> None:
        super().__init__(parent)
        self._deliver = deliver
        self._finished.connect(self._arrive, Qt.ConnectionType.QueuedConnection)

    def send(self, result: object, error: Exception | None) -> None:
        """Called on the pool's thread."""
        self._finished.emit(result, error)

    @Slot(object, object)
    def _arrive(self, result: object, error: Exception | None) -> None:
        self._deliver(result, error)
        self.deleteLater()


class _Work(QRunnable):
    def __init__(self, work: Callable[[], object], courier: _Courier) -> None:
        super().__init__()
        self._work = work
        self._courier = courier

    def run(self) -> None:
        result, error = None, None
        try:
            result = self._work()
        except Exception as caught:  # handed to whoever asked for the work
            error = caught
        # RuntimeError: the window closed, and the courier with it, while this ran.
        with contextlib.suppress(RuntimeError):
            self._courier.send(result, error)


def run_in_pool(
    owner: QObject,
    work: Callable[[], T],
    done: Callable[[T], None],
    failed: Callable[[Exception], None],
) -> None:
    """Run ``work`` in the pool, then ``done`` or ``failed`` on the GUI thread.

    Neither is called once ``owner`` is gone.
    """

    def deliver(result: object, error: Exception | None) -> None:
        if error is None:
            done(cast("T", result))
        else:
            failed(error)

    QThreadPool.globalInstance().start(_Work(work, _Courier(owner, deliver)))


def end_pool() -> None:
    """Start nothing more and wait for what runs, at the end of the program.

    A thread that still delivers while Qt is taken down would reach for objects that are gone.
    """
    pool = QThreadPool.globalInstance()
    pool.clear()
    pool.waitForDone(_LONGEST_WAIT)


class Background(QObject):
    """Runs one kind of work for one owner; a new call makes the result of the last one void."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._latest = 0

    def run(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Run ``work`` in the pool, then ``done`` or ``failed`` if nothing newer was asked for."""
        self._latest += 1
        ticket = self._latest

        def is_latest() -> bool:
            return ticket == self._latest

        run_in_pool(
            self,
            work,
            lambda result: done(result) if is_latest() else None,
            lambda error: failed(error) if is_latest() else None,
        )

    def drop(self) -> None:
        """Forget the work under way: its result will not be delivered."""
        self._latest += 1
