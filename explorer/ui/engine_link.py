"""The engine for the window: the client's events, brought to the GUI thread as Qt signals."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal, Slot

from explorer.engine.client import EngineClient, EngineState, Job, Phase
from explorer.engine.messages import (
    Built,
    Cancelled,
    Failed,
    JobEvent,
    Load,
    LoadRef,
    Log,
    Metric,
    ModelRef,
    Predict,
    Progress,
    Request,
    Result,
)
from explorer.engine.transport import header_of


class Task(QObject):
    """A job of the engine. It ends with `done`, `failed` or `cancelled`, and then `ended`."""

    built = Signal(object)
    progress = Signal(object)
    metric = Signal(object)
    log = Signal(str)
    done = Signal(object, object)
    """The result's value and its arrays."""
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()

    _event = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.job: Job | None = None
        self._event.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def receive(self, event: JobEvent, arrays: Sequence[np.ndarray]) -> None:
        """Called on a thread of the client."""
        with contextlib.suppress(RuntimeError):  # the window closed meanwhile
            self._event.emit(event, arrays)

    @Slot(object, object)
    def _deliver(self, event: JobEvent, arrays: Sequence[np.ndarray]) -> None:
        if isinstance(event, Built):
            self.built.emit(event)
        elif isinstance(event, Progress):
            self.progress.emit(event)
        elif isinstance(event, Metric):
            self.metric.emit(event)
        elif isinstance(event, Log):
            self.log.emit(event.text)
        else:
            self._end(event, arrays)

    def _end(self, event: Result | Failed | Cancelled, arrays: Sequence[np.ndarray]) -> None:
        if isinstance(event, Result):
            self.done.emit(event.value, arrays)
        elif isinstance(event, Failed):
            self.failed.emit(event)
        else:
            self.cancelled.emit()
        self.ended.emit()
        self.deleteLater()


class EngineLink(QObject):
    """Owns the client; `state_changed` carries an `EngineState`.

    `queue_changed` tells that a task began to wait, or ended.
    """

    state_changed = Signal(object)
    queue_changed = Signal()
    _state_arrived = Signal(object)

    def __init__(self, scratch: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = EngineState(Phase.STARTING)
        self._tasks: list[Task] = []  # in the order in which they run
        self._state_arrived.connect(self._take_state, Qt.ConnectionType.QueuedConnection)
        self.client = EngineClient(scratch, self._send_state)

    def _send_state(self, state: EngineState) -> None:
        with contextlib.suppress(RuntimeError):
            self._state_arrived.emit(state)

    @Slot(object)
    def _take_state(self, state: EngineState) -> None:
        self.state = state
        self.state_changed.emit(state)

    def start(self) -> None:
        """Start the worker; returns at once."""
        self.client.start()

    def submit(self, request: Request, arrays: Sequence[np.ndarray] = ()) -> Task:
        """Queue a request. Connect to the task's signals before returning to the event loop."""
        task = Task(self)
        task.job = self.client.submit(request, arrays, task.receive)
        self._tasks.append(task)
        task.ended.connect(lambda: self._forget(task))
        self.queue_changed.emit()
        return task

    def _forget(self, task: Task) -> None:
        self._tasks.remove(task)
        self.queue_changed.emit()

    def ahead_of(self, task: Task) -> Request | None:
        """What the engine does now, if that is another task than this one."""
        first = next(iter(self._tasks), task)
        return None if first is task or first.job is None else first.job.request

    def load(self, source: LoadRef | ModelRef) -> Task:
        """Load an artifact, or make a trained model ready."""
        return self.submit(Load(source))

    def predict(
        self,
        source: LoadRef | ModelRef,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        passed_as: Mapping[str, str] | None = None,
    ) -> Task:
        """Run a signature on named inputs."""
        headers = tuple(header_of(name, array) for name, array in inputs.items())
        request = Predict(source, signature, headers, dict(passed_as or {}))
        return self.submit(request, list(inputs.values()))

    def cancel(self, task: Task) -> None:
        """Stop a task; it ends with `cancelled`, if it has not ended by itself."""
        if task.job is not None:
            self.client.cancel(task.job)

    def close(self) -> None:
        """End the workers."""
        self.client.close()
