"""Models in memory run on the same input as what was run, and what they answered beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, Signal

from explorer.analysis.agreement import Agreement, compare
from explorer.engine.messages import Loaded, Predicted
from explorer.ui.background import Background
from explorer.ui.engine_link import EngineLink, Task
from explorer.ui.session import Entry, ModelEntry


def models_to_compare(
    models: Sequence[ModelEntry], entry: Entry, inputs: Sequence[np.ndarray]
) -> list[ModelEntry]:
    """Those that take the same input: the one that ``entry`` was saved from alone, if it is there.

    Demo models take one input of rows and columns.
    """
    if len(inputs) != 1 or inputs[0].ndim != 2:
        return []
    width = inputs[0].shape[1]
    fitting = [m for m in models if m is not entry and m.ref.settings.features == width]
    if isinstance(entry, ModelEntry):
        return fitting
    return [m for m in fitting if m.ref.model_id == entry.model_id] or fitting


@dataclass
class Compared:
    """A model beside a run: ``found`` once it is compared, ``failed`` if it could not run."""

    model: ModelEntry
    found: Agreement | None = None
    failed: bool = False


class Comparison(QObject):
    """Runs models one after the other; ``changed`` tells that a row is another."""

    changed = Signal()

    def __init__(
        self,
        engine: EngineLink,
        models: Sequence[ModelEntry],
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, np.ndarray],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.rows = [Compared(model) for model in models]
        self._engine = engine
        self._inputs, self._outputs = list(inputs.values()), outputs
        self._comparing = Background(self)
        self._waiting = list(self.rows)
        self._task: Task | None = None
        self._stopped = False
        self._next()

    def stop(self) -> None:
        """Compare no more. What runs is left to end: it is short, and ending it costs a worker."""
        self._stopped = True
        self._comparing.drop()
        if self._task is not None and self._engine.ahead_of(self._task) is not None:
            self._engine.cancel(self._task)
        self.deleteLater()

    def _next(self) -> None:
        if not self._waiting or self._stopped:
            return
        row = self._waiting.pop(0)
        task = self._engine.load(row.model.ref)
        task.done.connect(lambda loaded, _arrays: self._predict(row, loaded))
        self._begin(row, task)

    def _begin(self, row: Compared, task: Task) -> None:
        self._task = task
        task.failed.connect(lambda _failed: self._finish(row, None))
        task.cancelled.connect(lambda: self._finish(row, None))

    def _predict(self, row: Compared, loaded: Loaded) -> None:
        if self._stopped:
            return
        signature = loaded.signatures[0]
        named = {t.name: array for t, array in zip(signature.inputs, self._inputs, strict=True)}
        task = self._engine.predict(row.model.ref, signature.key, named)
        task.done.connect(lambda value, arrays: self._compare(row, value, arrays))
        self._begin(row, task)

    def _compare(self, row: Compared, value: Predicted, arrays: Sequence[np.ndarray]) -> None:
        if self._stopped:
            return
        theirs = {h.name: array for h, array in zip(value.outputs, arrays, strict=True)}
        self._comparing.run(
            lambda: compare(self._outputs, theirs),
            lambda found: self._finish(row, found),
            lambda _error: self._finish(row, None),
        )

    def _finish(self, row: Compared, found: Agreement | None) -> None:
        self._task = None
        if self._stopped:
            return
        row.found, row.failed = found, found is None
        self.changed.emit()
        self._next()
