"""What the engine does for one entry of the library: load it, run it, compare what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, Signal

from explorer.analysis.array_files import UnusableInput
from explorer.analysis.inputs import Choice, Made, Wanted, first_choice, make_input
from explorer.engine.client import Phase
from explorer.engine.messages import (
    ArrayHeader,
    CallSignature,
    CallTensor,
    Failed,
    Loaded,
    LoadRef,
    ModelRef,
    Predicted,
    Request,
    TestSet,
    TestSetMade,
)
from explorer.lab.catalog import DemoSettings
from explorer.ui.background import Background
from explorer.ui.engine_link import EngineLink, Task
from explorer.ui.library import title_of
from explorer.ui.notices import Notice, notice_for
from explorer.ui.predict.comparison import Comparison, models_to_compare
from explorer.ui.session import ArtifactEntry, Checked, Entry, Session


@dataclass(frozen=True)
class Call:
    """A signature, what is chosen for each of its inputs, and other keywords to pass them by."""

    signature: CallSignature
    choices: Sequence[Choice]
    passed_as: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """What a call took and gave; ``remarks`` say where that is not what was asked for."""

    call: Call
    inputs: Mapping[str, np.ndarray]
    remarks: Sequence[str]
    outputs: Mapping[str, np.ndarray]
    seconds: float
    when: str


def wanted_of(tensor: CallTensor) -> Wanted:
    """What an input of a signature takes."""
    return Wanted(tensor.name, tensor.dtype, tensor.shape)


def _named(
    headers: Sequence[ArrayHeader], arrays: Sequence[np.ndarray]
) -> Mapping[str, np.ndarray]:
    return {header.name: array for header, array in zip(headers, arrays, strict=True)}


class PredictJobs(QObject):
    """Loads and runs one entry, one thing at a time, whether or not the page shows it.

    ``changed`` tells that anything here is another; ``loaded_now`` carries a `Loaded`, ``ran`` a
    `Run`, ``noticed`` a `Notice`.
    """

    changed = Signal()
    loaded_now = Signal(object)
    ran = Signal(object)
    noticed = Signal(object)

    def __init__(self, entry: Entry, session: Session, engine: EngineLink, parent: QObject) -> None:
        super().__init__(parent)
        self.entry = entry
        self.wanted_signature = ""
        self.source: LoadRef | ModelRef | None = None
        self.loaded: Loaded | None = None
        self.test_set: Mapping[str, np.ndarray] = {}
        self.call: Call | None = None
        self.last_run: Run | None = None
        self.failed_since = False
        """Whether a later run than the last one did not end."""
        self.comparison: Comparison | None = None
        self._session, self._engine = session, engine
        self._task: Task | None = None
        self._making = Background(self)
        self._is_making = False
        self._run_when_loaded = False
        engine.queue_changed.connect(self._queue_changed)
        engine.state_changed.connect(self._queue_changed)

    # State

    @property
    def busy(self) -> bool:
        """Whether something runs, or waits to run."""
        return self._task is not None or self._is_making

    def waits_for(self) -> Request | None:
        """What the engine does now, while something here waits its turn."""
        return self._engine.ahead_of(self._task) if self._task is not None else None

    def waits_for_engine(self) -> bool:
        """Whether the engine has yet to start before anything here runs."""
        return self._task is not None and self._engine.state.phase is Phase.STARTING

    def _queue_changed(self) -> None:
        if self._task is not None:
            self.changed.emit()

    def cancel(self) -> None:
        """Stop what runs or waits here."""
        self.failed_since = self.failed_since or self.busy
        self._run_when_loaded = False
        self._making.drop()
        self._is_making = False
        if self._task is not None:
            task, self._task = self._task, None
            self._engine.cancel(task)
        self.changed.emit()

    def unload(self) -> None:
        """Forget what was loaded and run."""
        self.cancel()
        self.source = self.loaded = self.call = None
        self.test_set = {}
        self._forget_run()
        self.changed.emit()

    def _forget_run(self) -> None:
        self.last_run = None
        self.failed_since = False
        self._stop_comparing()

    def _stop_comparing(self) -> None:
        if self.comparison is not None:
            self.comparison.stop()
            self.comparison = None

    def _begin(self, task: Task, failure: str) -> None:
        self._task = task
        task.failed.connect(lambda failed: self._failed(failure, failed))
        task.ended.connect(lambda: self._ended(task))
        self.changed.emit()

    def _failed(self, title: str, failed: Failed) -> None:
        self._run_when_loaded = False
        self.failed_since = True
        self.noticed.emit(notice_for(title, failed))

    def _ended(self, task: Task) -> None:
        if self._task is task:
            self._task = None
            self.changed.emit()

    # Loading

    def check(self, then: Callable[[Checked], None]) -> None:
        """Read the artifact's bytes in the background; ``then`` is called with what they are."""
        path = self.entry.path if isinstance(self.entry, ArtifactEntry) else ""
        self._is_making = True
        self.changed.emit()
        self._making.run(
            lambda: self._session.check(path),
            lambda checked: self._checked(checked, then),
            self._not_checked,
        )

    def _checked(self, checked: Checked, then: Callable[[Checked], None]) -> None:
        self._is_making = False
        self.changed.emit()
        then(checked)

    def _not_checked(self, error: Exception) -> None:
        self._is_making = False
        title = self.tr("{name} was not loaded").format(name=title_of(self.entry))
        self.noticed.emit(notice_for(title, error))
        self.changed.emit()

    def load(
        self, source: LoadRef | ModelRef, demo: DemoSettings | None, *, then_run: bool = False
    ) -> None:
        """Load, and make the test set of ``demo``; then run what is proposed, if asked to."""
        self.unload()
        self._run_when_loaded = then_run
        self.source = source
        task = self._engine.load(source)
        task.done.connect(lambda loaded, _arrays: self._take_loaded(task, loaded, demo))
        self._begin(task, self.tr("{name} was not loaded").format(name=title_of(self.entry)))

    def _take_loaded(self, task: Task, loaded: Loaded, demo: DemoSettings | None) -> None:
        if task is not self._task:
            return
        if loaded.warnings:
            title = self.tr("{name} was loaded, with a warning").format(name=title_of(self.entry))
            self.noticed.emit(Notice("warning", title, "\n".join(loaded.warnings)))
        if demo is None:
            self._be_ready(loaded)
        else:
            self._make_test_set(loaded, demo)

    def _make_test_set(self, loaded: Loaded, demo: DemoSettings) -> None:
        def done(made: TestSetMade, arrays: Sequence[np.ndarray]) -> None:
            if task is self._task:
                self.test_set = _named(made.inputs, arrays)

        task = self._engine.submit(TestSet(demo))
        task.done.connect(done)
        task.ended.connect(lambda: self._be_ready(loaded) if task is self._task else None)
        self._begin(task, self.tr("The test set was not made"))

    def _be_ready(self, loaded: Loaded) -> None:
        self._task = None
        self.loaded = loaded
        self.call = self._proposed(loaded)
        self.loaded_now.emit(loaded)
        self.changed.emit()
        if self._run_when_loaded and self.call is not None:
            self.start(self.call)

    def _proposed(self, loaded: Loaded) -> Call | None:
        """The signature that is wanted, or else serves by default, with values that fit it."""
        signatures = {signature.key: signature for signature in loaded.signatures}
        if not signatures:
            return None
        keys = (self.wanted_signature, "serving_default", next(iter(signatures)))
        signature = signatures[next(key for key in keys if key in signatures)]
        wanted = [wanted_of(tensor) for tensor in signature.inputs]
        return Call(signature, [first_choice(w, self.test_set) for w in wanted], {})

    # Running

    def start(self, call: Call) -> None:
        """Run a signature of what is loaded. Until it has, the last run is kept."""
        self._run_when_loaded = False
        self.call = call
        self._is_making = True
        self.changed.emit()
        pairs = list(zip(map(wanted_of, call.signature.inputs), call.choices, strict=True))
        test_set = self.test_set
        self._making.run(
            lambda: {wanted.name: make_input(wanted, choice, test_set) for wanted, choice in pairs},
            lambda made: self._submit(call, made),
            self._not_made,
        )

    def _not_made(self, error: Exception) -> None:
        self._is_making = False
        self.failed_since = True
        title = self.tr("The input does not fit")
        if isinstance(error, UnusableInput):
            self.noticed.emit(Notice("error", title, str(error)))
        else:
            self.noticed.emit(notice_for(title, error))
        self.changed.emit()

    def _submit(self, call: Call, made: Mapping[str, Made]) -> None:
        self._is_making = False
        if self.source is None:
            return
        inputs = {name: one.values for name, one in made.items()}
        remarks = [f"{name}: {one.remark}" for name, one in made.items() if one.remark]
        task = self._engine.predict(self.source, call.signature.key, inputs, call.passed_as)

        def done(value: Predicted, arrays: Sequence[np.ndarray]) -> None:
            if task is self._task:
                outputs = _named(value.outputs, arrays)
                when = time.strftime("%H:%M:%S")
                self._take_run(Run(call, inputs, remarks, outputs, value.seconds, when))

        task.done.connect(done)
        self._begin(task, self.tr("{name} did not run").format(name=title_of(self.entry)))

    def _take_run(self, run: Run) -> None:
        self._stop_comparing()
        self.last_run = run
        self.failed_since = False
        models = models_to_compare(self._session.models, self.entry, list(run.inputs.values()))
        self.comparison = Comparison(self._engine, models, run.inputs, run.outputs, self)
        self.comparison.changed.connect(self.changed)
        self._task = None
        self.ran.emit(run)
        self.changed.emit()
