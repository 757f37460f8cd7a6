"""The client: starts workers, gives them jobs, and tells what became of each. No Qt in it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from explorer.engine.messages import Failed, JobEvent, Request, Result


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

    id: int
    request: Request

    def wait(self, timeout: float | None = None) -> JobEvent:
        """The event that ended the job. Raises `TimeoutError` after ``timeout`` seconds."""
        ...

    @property
    def arrays(self) -> Sequence[np.ndarray]:
        """The arrays of the result."""
        ...


class EngineClient:
    """Owns the worker that runs jobs, and a warm one that takes over when it dies.

    ``on_state`` is called on a thread of the client at every change of state. ``scratch`` is the
    folder for snapshots and temporary files; the caller removes it.
    """

    def __init__(
        self,
        scratch: Path,
        on_state: Callable[[EngineState], None] = lambda _state: None,
        *,
        standby: bool = True,
    ) -> None: ...

    @property
    def state(self) -> EngineState: ...

    def start(self) -> None:
        """Start the worker in the background; returns at once."""

    def submit(
        self, request: Request, arrays: Sequence[np.ndarray] = (), listener: Listener = ...
    ) -> Job:
        """Queue a request; jobs run one at a time in order."""
        ...

    def cancel(self, job: Job) -> None:
        """Stop a job: at its next batch, or with its worker if it does not listen in time."""

    def close(self) -> None:
        """End both workers and every job."""
