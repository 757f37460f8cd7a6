"""A client with a real worker, and the few calls that most tests make of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from explorer.engine.client import EngineClient, EngineState, Phase
from explorer.engine.messages import (
    Failed,
    JobEvent,
    Load,
    Loaded,
    LoadRef,
    ModelRef,
    Predict,
    Predicted,
    Request,
    Result,
    Save,
    Saved,
    TestSet,
    Train,
    Trained,
)
from explorer.engine.transport import named_headers
from explorer.lab.catalog import DemoSettings

PATIENCE = 120
"""Seconds after which a test gives up on a job; nothing is measured by it."""


class Bench:
    """A started client; every event of every job is kept."""

    def __init__(self, scratch: Path, *, standby: bool = False) -> None:
        self.scratch = scratch
        self.states: list[EngineState] = []
        self._state_changed = threading.Condition()
        self._numbers = itertools.count()
        self.client = EngineClient(scratch, self._take_state, standby=standby)
        self.client.start()

    def _take_state(self, state: EngineState) -> None:
        with self._state_changed:
            self.states.append(state)
            self._state_changed.notify_all()

    def wait_for(self, phase: Phase) -> EngineState:
        """Wait until the engine is in a phase."""
        return self.wait_until(lambda state: state.phase is phase)

    def wait_until(self, is_so: Callable[[EngineState], bool]) -> EngineState:
        """Wait for a state of the engine."""
        with self._state_changed:
            reached = self._state_changed.wait_for(lambda: is_so(self.client.state), PATIENCE)
        assert reached, f"{self.client.state}"
        return self.client.state

    def ask(self, request: Request, *arrays: np.ndarray) -> JobEvent:
        """How a job ends."""
        return self.client.submit(request, arrays).wait(PATIENCE)

    def answer(self, request: Request, *arrays: np.ndarray) -> Any:
        """The result of a job that shall succeed."""
        event = self.ask(request, *arrays)
        assert isinstance(event, Result), getattr(event, "traceback", "") or event
        return event.value

    def failure(self, request: Request, *arrays: np.ndarray) -> Failed:
        """How a job fails that shall fail."""
        event = self.ask(request, *arrays)
        assert isinstance(event, Failed), event
        return event

    def ref(self, settings: DemoSettings) -> ModelRef:
        """A new model to be trained."""
        name = f"model{next(self._numbers)}"
        return ModelRef(name, settings, str(self.scratch / name))

    def train(self, settings: DemoSettings) -> ModelRef:
        """A trained model."""
        trained = self.answer(Train(self.ref(settings)))
        assert isinstance(trained, Trained)
        return trained.model

    def save(self, model: ModelRef, method: str, target: Path, *, replace: bool = False) -> Saved:
        """Save a model."""
        saved = self.answer(Save(model, method, str(target), replace))
        assert isinstance(saved, Saved)
        return saved

    def load(self, path: Path, loader: str, demo: DemoSettings | None = None) -> Loaded:
        """Load an artifact."""
        loaded = self.answer(Load(LoadRef(str(path), loader, demo)))
        assert isinstance(loaded, Loaded)
        return loaded

    def test_set(self, settings: DemoSettings) -> np.ndarray:
        """The demo's test inputs."""
        job = self.client.submit(TestSet(settings))
        assert isinstance(job.wait(PATIENCE), Result)
        return job.arrays[0]

    def predict(
        self, source: LoadRef | ModelRef, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Outputs by name."""
        request = Predict(source, signature, named_headers(inputs))
        job = self.client.submit(request, list(inputs.values()))
        event = job.wait(PATIENCE)
        assert isinstance(event, Result), getattr(event, "traceback", "") or event
        assert isinstance(event.value, Predicted)
        names = [header.name for header in event.value.outputs]
        return dict(zip(names, job.arrays, strict=True))


@contextmanager
def working(scratch: Path, *, standby: bool = False) -> Iterator[Bench]:
    """A bench whose engine is ready, closed at the end."""
    bench = Bench(scratch, standby=standby)
    try:
        bench.wait_for(Phase.READY)
        yield bench
    finally:
        bench.client.close()
