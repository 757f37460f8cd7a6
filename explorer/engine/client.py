"""The client: starts workers, gives them jobs, and tells what became of each. No Qt in it."""

from __future__ import annotations

import contextlib
import enum
import heapq
import itertools
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from explorer.engine.messages import (
    CancelJob,
    Cancelled,
    Envelope,
    Event,
    Failed,
    JobEvent,
    Load,
    LoadRef,
    Predict,
    Ready,
    Request,
    Result,
    Save,
)
from explorer.engine.process import Ending, WorkerProcess
from explorer.engine.transport import headers_of
from explorer.lab.placing import remove_leftovers

_CANCEL_SECONDS = 0.5
_STANDBY_SECONDS = 1.0
_START_SECONDS = 180.0
_START_TRIES = 3
_TAKEN_OVER = "Another worker takes over, with every trained model; try again."
_GIVEN_UP = (
    "It did not get ready in {n} starts. The next job starts it again; trained models are kept."
)
_NO_STANDBY = "The last job was cancelled before a second worker was ready to take over."

_log = logging.getLogger(__name__)


class Phase(enum.Enum):
    """What the engine is doing."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    STOPPED = "stopped"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class EngineState:
    """The engine's state; ``versions`` by package name, ``detail`` says how a worker ended."""

    phase: Phase
    versions: Mapping[str, str] = field(default_factory=dict)
    pid: int | None = None
    detail: str = ""


Listener = Callable[[JobEvent, Sequence[np.ndarray]], None]
"""Called on a thread of the client for every event of a job, with the arrays that follow it."""


class Job:
    """A request on its way. It ends with exactly one `Result`, `Failed` or `Cancelled`."""

    def __init__(
        self, number: int, request: Request, arrays: Sequence[np.ndarray], listener: Listener
    ) -> None:
        self.id = number
        self.request = request
        self.inputs = arrays
        self._listener = listener
        self._ended = threading.Event()
        self._last: JobEvent | None = None
        self._arrays: Sequence[np.ndarray] = ()

    def wait(self, timeout: float | None = None) -> JobEvent:
        """The event that ended the job. Raises `TimeoutError` after ``timeout`` seconds."""
        if not self._ended.wait(timeout) or self._last is None:
            raise TimeoutError(f"job {self.id} has not ended after {timeout} seconds")
        return self._last

    @property
    def arrays(self) -> Sequence[np.ndarray]:
        """The arrays of the result."""
        return self._arrays

    @property
    def ended(self) -> bool:
        """Whether the job is over."""
        return self._ended.is_set()

    def tell(self, event: JobEvent, arrays: Sequence[np.ndarray] = ()) -> None:
        """For the client: pass an event on, and note the one that ends the job."""
        last = isinstance(event, Result | Failed | Cancelled)
        if last:
            self._last, self._arrays = event, arrays
            self.inputs = ()
        try:
            self._listener(event, arrays)
        except Exception:
            _log.exception("a listener of job %d failed", self.id)
        if last:
            self._ended.set()


class EngineClient:
    """Owns the worker that runs jobs, and a warm one that takes over when it dies.

    ``on_state`` is called on a thread of the client at every change of state. ``scratch`` is the
    folder for snapshots and temporary files; the caller removes it.

    Everything happens on one thread, which runs what the others post to it: no locks are needed,
    and every method returns at once.
    """

    def __init__(
        self,
        scratch: Path,
        on_state: Callable[[EngineState], None] = lambda _state: None,
        *,
        standby: bool = True,
    ) -> None:
        self._scratch = scratch
        self._on_state = on_state
        self._wants_standby = standby
        self._state = EngineState(Phase.STARTING)
        self._numbers = itertools.count(1)
        self._timer_numbers = itertools.count()
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._active: WorkerProcess | None = None
        self._standby: WorkerProcess | None = None
        self._idle: object = None
        self._saved_to: set[Path] = set()
        self._failed_starts = 0
        self._start_error: Failed | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="engine-client", daemon=True)
        self._thread.start()

    @property
    def state(self) -> EngineState:
        """The state at this moment."""
        return self._state

    def start(self) -> None:
        """Start the worker in the background; returns at once.

        Starts a broken engine again, as the next job does.
        """
        self._inbox.put(self._begin)

    def submit(
        self,
        request: Request,
        arrays: Sequence[np.ndarray] = (),
        listener: Listener = lambda _event, _arrays: None,
    ) -> Job:
        """Queue a request; jobs run one at a time in order.

        Raises `ValueError` where ``arrays`` are not those that the request announces.
        """
        job = Job(next(self._numbers), _absolute(request), arrays, listener)
        if len(headers_of(Envelope(job.id, request))) != len(arrays):
            raise ValueError("the request announces another number of arrays")
        self._inbox.put(lambda: self._enqueue(job))
        if self._closed:
            self._drain()
        return job

    def cancel(self, job: Job) -> None:
        """Stop a job: at its next batch, or with its worker if it does not listen in time."""
        self._inbox.put(lambda: self._cancel(job))

    def close(self) -> None:
        """End both workers and every job."""
        self._inbox.put(self._shut_down)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # The client's own thread ---------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._closed:
            self._next_action()()
        self._drain()

    def _drain(self) -> None:
        """Do what is left; once closed, every job in it ends as cancelled."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._inbox.get_nowait()()

    def _next_action(self) -> Callable[[], None]:
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        try:
            return self._inbox.get(timeout=wait)
        except queue.Empty:
            return heapq.heappop(self._timers)[2]

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        due = time.monotonic() + seconds
        heapq.heappush(self._timers, (due, next(self._timer_numbers), action))

    def _become(self, phase: Phase, detail: str | None = None) -> None:
        worker = self._active
        state = EngineState(
            phase,
            worker.versions if worker else {},
            worker.pid if worker else None,
            self._state.detail if detail is None else detail,
        )
        if state == self._state:
            return
        self._state = state
        try:
            self._on_state(state)
        except Exception:
            _log.exception("the listener of the engine's state failed")

    # Workers

    def _begin(self) -> None:
        if self._active is None and not self._closed:
            self._failed_starts = 0
            self._start_error = None
            self._take_over("")

    def _spawn(self) -> WorkerProcess | None:
        try:
            worker = WorkerProcess(
                self._scratch,
                lambda *event: self._inbox.put(lambda: self._hear(*event)),
                lambda *end: self._inbox.put(lambda: self._bury(*end)),
            )
        except OSError as error:
            self._start_error = Failed(0, type(error).__name__, str(error))
            return None
        self._later(_START_SECONDS, lambda: None if worker.ready else worker.kill())
        return worker

    def _take_over(self, detail: str) -> None:
        """Make the standby the active worker, or start one."""
        self._idle = None
        self._active, self._standby = self._standby or self._spawn(), None
        if self._active is None:
            self._break_down()
        else:
            self._become(Phase.READY if self._active.ready else Phase.STARTING, detail)

    def _start_standby(self, mark: object) -> None:
        if mark is self._idle and self._standby is None and self._failed_starts < _START_TRIES:
            self._standby = self._spawn()

    def _break_down(self) -> None:
        unknown = Failed(0, "WorkerEnded", "The worker cannot be started.", plain=True)
        error = self._start_error or unknown
        text = error.message if error.plain else f"{error.exception}: {error.message}"
        self._become(Phase.BROKEN, text)
        while self._waiting:
            job = self._waiting.popleft()
            job.tell(msgspec.structs.replace(error, job=job.id))

    def _hear(self, worker: WorkerProcess, event: Event, arrays: Sequence[np.ndarray]) -> None:
        if isinstance(event, Ready):
            worker.ready, worker.versions, worker.pid = True, event.versions, event.pid
            self._failed_starts, self._start_error = 0, None
            if worker is self._active:
                self._become(Phase.READY)
                self._dispatch()
        elif event.job == 0 and isinstance(event, Failed):
            self._start_error = event
        elif worker is self._active and self._running and event.job == self._running.id:
            self._pass_on(self._running, event, arrays)

    def _pass_on(self, job: Job, event: JobEvent, arrays: Sequence[np.ndarray]) -> None:
        if not isinstance(event, Result | Failed | Cancelled):
            job.tell(event)
            return
        self._running = None
        if not self._waiting:
            self._become(Phase.READY)
        job.tell(event, arrays)
        self._dispatch()

    def _bury(self, worker: WorkerProcess, ending: Ending) -> None:
        """A worker has ended, expected or not."""
        self._tidy_up()
        if worker.ready:
            self._failed_starts = 0
        else:
            self._failed_starts += 1
            given_up = _GIVEN_UP.format(n=self._failed_starts)
            if self._start_error is None or self._start_error.plain:
                self._start_error = _failure(0, ending, given_up)
        if worker is self._standby:
            self._standby = None
            self._wait_for_standby()
        if worker is not self._active or self._closed:
            return
        self._active = None
        job, self._running = self._running, None
        if self._failed_starts >= _START_TRIES:
            self._break_down()
        else:
            self._take_over(ending.text)
        if job is not None:
            job.tell(_failure(job.id, ending, _TAKEN_OVER))
        self._dispatch()

    def _tidy_up(self) -> None:
        """Remove what saves of dead workers left; what a living one writes is locked."""
        for folder in self._saved_to:
            with contextlib.suppress(OSError):
                remove_leftovers(folder)

    def _wait_for_standby(self) -> None:
        """Start a standby if nothing has been asked for a while, so that it takes no job's time."""
        if self._wants_standby and self._standby is None:
            self._idle = mark = object()
            self._later(_STANDBY_SECONDS, lambda: self._start_standby(mark))

    # Jobs

    def _enqueue(self, job: Job) -> None:
        if self._closed:
            job.tell(Cancelled(job.id))
            return
        self._waiting.append(job)
        if self._state.phase is Phase.BROKEN:
            self._begin()
        self._dispatch()

    def _dispatch(self) -> None:
        """Give the active worker the next job; with none left, have a standby started."""
        if self._active is None or not self._active.ready or self._running is not None:
            return
        if not self._waiting:
            self._wait_for_standby()
            return
        job = self._running = self._waiting.popleft()
        self._idle = None
        if isinstance(job.request, Save):
            self._saved_to.add(Path(job.request.target).parent)
        self._become(Phase.BUSY, "")
        self._active.send(Envelope(job.id, job.request), job.inputs)

    def _cancel(self, job: Job) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
            job.tell(Cancelled(job.id))
        elif job is self._running and self._active is not None:
            self._active.send(CancelJob(job.id))
            self._later(_CANCEL_SECONDS, lambda: self._cancel_hard(job))

    def _cancel_hard(self, job: Job) -> None:
        if job is not self._running or self._active is None:
            return
        self._active.kill()
        self._running = None
        is_ready = self._standby is not None and self._standby.ready
        self._take_over("" if is_ready else _NO_STANDBY)
        job.tell(Cancelled(job.id))
        self._dispatch()

    def _shut_down(self) -> None:
        self._closed = True
        workers = [worker for worker in (self._active, self._standby) if worker is not None]
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join(_CANCEL_SECONDS)
        self._tidy_up()
        self._active = self._standby = None
        jobs = [*filter(None, [self._running]), *self._waiting]
        self._running = None
        self._waiting.clear()
        self._become(Phase.STOPPED, "")
        for job in jobs:
            job.tell(Cancelled(job.id))


def _failure(job: int, ending: Ending, what_next: str) -> Failed:
    reason = f"{ending.text} {what_next}"
    return Failed(job, "WorkerEnded", ending.how, reason, ending.tail, plain=True)


def _absolute(request: Request) -> Request:
    """The request with absolute paths: the worker runs in another folder."""
    if isinstance(request, Save):
        return msgspec.structs.replace(request, target=str(Path(request.target).absolute()))
    if isinstance(request, Load | Predict) and isinstance(request.source, LoadRef):
        path = request.source.path
        if "://" not in path:
            source = msgspec.structs.replace(request.source, path=str(Path(path).absolute()))
            return msgspec.structs.replace(request, source=source)
    return request
