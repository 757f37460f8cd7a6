"""The worker process: imports TensorFlow, runs jobs, and tells the client about them.

It is started by `explorer.engine.process` with the handle of its connection as last argument, and
ends when that connection does, so that no worker outlives the window.
"""

from __future__ import annotations

import faulthandler
import io
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from explorer.engine.messages import (
    Built,
    Cancelled,
    Command,
    Envelope,
    Event,
    Failed,
    Log,
    Metric,
    Progress,
    Ready,
    Result,
)
from explorer.engine.transport import Channel, DamagedFrame
from explorer.lab.explaining import PlainError, explain
from explorer.lab.records import LayerRow
from explorer.lab.reporting import Stopped

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as _Connection
else:
    _Connection = Connection

_LONGEST = 100_000
"""Characters of a message or traceback that are sent."""


def main(argv: list[str]) -> int:
    """Run jobs until the client is gone; ``argv`` ends with the handle of the connection."""
    handle = int(argv[-1])
    if sys.platform != "win32":
        os.set_inheritable(handle, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the terminal is for the client
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)
    worker = _Worker(Channel(_Connection(handle), Command))
    sys.stdout = sys.stderr = _Lines(worker)
    threading.Thread(target=worker.listen, name="listen", daemon=True).start()
    return worker.work()


class _Worker:
    """The jobs to do, and the way back to the client."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: queue.SimpleQueue[tuple[Envelope, list[np.ndarray]]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self.current = 0

    def listen(self) -> None:
        """Take commands until the client is gone, then end the process."""
        try:
            while True:
                command, arrays = self._channel.receive()
                if isinstance(command, Envelope):
                    self._waiting.put((command, arrays))
                else:
                    self._cancelled.add(command.job)
        except (EOFError, OSError, DamagedFrame):
            os._exit(0)  # whatever the job's thread is doing

    def send(self, event: Event, arrays: Sequence[np.ndarray] = ()) -> None:
        """Tell the client."""
        self._channel.send(event, arrays)

    def is_cancelled(self, job: int) -> bool:
        """Whether the person asked for a job to end."""
        return job in self._cancelled

    def work(self) -> int:
        """Import the libraries, then run jobs one after the other."""
        try:
            import keras
            import tensorflow as tf
            import tf_keras

            from explorer.engine.jobs import Jobs
        except Exception as error:
            self.send(_failed(0, error))
            return 1
        versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
        versions["tf_keras"] = version("tf_keras") or tf_keras.__version__
        self.send(Ready(versions, os.getpid()))
        jobs = Jobs()
        while True:
            self._run(jobs, *self._waiting.get())

    def _run(self, jobs: Any, envelope: Envelope, arrays: Sequence[np.ndarray]) -> None:
        self.current = job = envelope.job
        try:
            value, found = jobs.run(envelope.request, arrays, _JobReport(self, job))
        except Stopped:
            self.send(Cancelled(job))
        except BaseException as error:
            self.send(_failed(job, error))
        else:
            self.send(Result(job, value), found)
        self.current = 0
        self._cancelled.discard(job)


def _failed(job: int, error: BaseException) -> Failed:
    kind, message = type(error).__name__, str(error)[:_LONGEST]
    if isinstance(error, PlainError):
        return Failed(job, kind, message, plain=True)
    trace = "".join(traceback.format_exception(error))[-_LONGEST:]
    return Failed(job, kind, message, explain(kind, message), trace)


class _JobReport:
    """A `Report` that sends events."""

    def __init__(self, worker: _Worker, job: int) -> None:
        self._worker = worker
        self._job = job

    def built(self, layers: Sequence[LayerRow], steps: int) -> None:
        self._worker.send(Built(self._job, tuple(layers), steps))

    def progress(self, text: str, done: int, total: int, seconds_left: float | None) -> None:
        self._worker.send(Progress(self._job, text, done, total, seconds_left))

    def metric(
        self, epoch: int, step: int, values: Mapping[str, float], seconds: float, epoch_end: bool
    ) -> None:
        self._worker.send(Metric(self._job, epoch, step, dict(values), seconds, epoch_end))

    def log(self, text: str) -> None:
        self._worker.send(Log(self._job, text))

    def check(self) -> None:
        if self._worker.is_cancelled(self._job):
            raise Stopped


class _Lines(io.TextIOBase):
    """What is printed during a job becomes its log; anything else goes to the real stderr."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._rest = ""
        self._lock = threading.RLock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._put(line.rsplit("\r", 1)[-1].replace("\b", ""))
        return len(text)

    def _put(self, line: str) -> None:
        if self._worker.current:
            self._worker.send(Log(self._worker.current, line))
        elif sys.__stderr__ is not None:
            print(line, file=sys.__stderr__, flush=True)
