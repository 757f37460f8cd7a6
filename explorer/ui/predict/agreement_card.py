"""Does it still predict the same: the run beside the models in memory, on the same input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PySide6.QtWidgets import QGridLayout

from explorer.analysis.agreement import Agreement, Verdict, compare
from explorer.engine.messages import Loaded, Predicted
from explorer.ui.engine_link import EngineLink, Task
from explorer.ui.session import Entry, ModelEntry, Session
from explorer.ui.widgets import Card, ElidedLabel, chip, clear_layout, label

_TONES = {
    Verdict.SAME: "ok",
    Verdict.CLOSE: "ok",
    Verdict.DIFFERENT: "danger",
    Verdict.OTHER_OUTPUTS: "neutral",
}


class AgreementCard(Card):
    """Runs every model in memory that takes the same inputs, and compares."""

    def __init__(self, session: Session, engine: EngineLink) -> None:
        super().__init__(self.tr("Agreement"))
        self.setObjectName("predict.agreement")
        self.title_row.addWidget(label(self.tr("with the model in memory, same input"), "small"))
        self.title_row.addStretch(1)
        self._session, self._engine = session, engine
        self._ticket = 0
        self._rows: dict[str, Agreement] = {}
        self._grid = QGridLayout()
        self._grid.setColumnStretch(0, 1)
        self._grid.setHorizontalSpacing(12)
        self.body.addLayout(self._grid)
        self._empty = label("", "small", wrap=True)
        self.body.addWidget(self._empty)
        self.clear()

    def clear(self) -> None:
        """Forget the last run, and what is under way for it."""
        self._ticket += 1
        self._rows = {}
        clear_layout(self._grid)
        self._empty.setText(
            self.tr("After a run: the largest difference from the model in memory.")
        )
        self._empty.show()

    def agreements(self) -> Mapping[str, Agreement]:
        """What was found, by the model's title."""
        return dict(self._rows)

    def check(
        self, entry: Entry, inputs: Sequence[np.ndarray], outputs: Mapping[str, np.ndarray]
    ) -> None:
        """Compare a run of ``entry`` with the models in memory, one after the other."""
        self.clear()
        models = self._candidates(entry, inputs)
        if not models:
            self._empty.setText(
                self.tr("No model in memory takes this input. Train one in the Lab to compare.")
            )
            return
        self._empty.hide()
        ticket = self._ticket
        for row, model in enumerate(models):
            self._start(ticket, row, model, inputs, outputs)

    def _candidates(self, entry: Entry, inputs: Sequence[np.ndarray]) -> list[ModelEntry]:
        """The model that it was saved from comes first, and alone if it is still in memory."""
        if len(inputs) != 1 or inputs[0].ndim != 2:
            return []
        width = inputs[0].shape[1]
        models = [
            model
            for model in self._session.models
            if model is not entry and model.ref.settings.features == width
        ]
        if isinstance(entry, ModelEntry):
            return models
        source = [model for model in models if model.ref.model_id == entry.model_id]
        return source or models

    def _start(
        self,
        ticket: int,
        row: int,
        model: ModelEntry,
        inputs: Sequence[np.ndarray],
        outputs: Mapping[str, np.ndarray],
    ) -> None:
        self._show(row, model.title, None, self.tr("running"), "neutral")

        def failed(error: object) -> None:
            if ticket == self._ticket:
                self._show(row, model.title, None, self.tr("did not run"), "warning")

        def loaded(value: Loaded, _arrays: object) -> None:
            task = self._predict(model, value, inputs)
            task.done.connect(predicted)
            task.failed.connect(failed)

        def predicted(value: Predicted, arrays: Sequence[np.ndarray]) -> None:
            if ticket != self._ticket:
                return
            names = [header.name for header in value.outputs]
            found = compare(outputs, dict(zip(names, arrays, strict=True)))
            self._rows[model.title] = found
            self._show(
                row, model.title, found.difference, found.verdict.value, _TONES[found.verdict]
            )

        load = self._engine.load(model.ref)
        load.done.connect(loaded)
        load.failed.connect(failed)

    def _predict(self, model: ModelEntry, loaded: Loaded, inputs: Sequence[np.ndarray]) -> Task:
        signature = loaded.signatures[0]
        named = {t.name: array for t, array in zip(signature.inputs, inputs, strict=True)}
        return self._engine.predict(model.ref, signature.key, named)

    def _show(
        self, row: int, title: str, difference: float | None, verdict: str, tone: str
    ) -> None:
        for column in range(3):
            item = self._grid.itemAtPosition(row, column)
            widget = item.widget() if item is not None else None
            if widget is not None:
                self._grid.removeWidget(widget)
                widget.deleteLater()
        text = "–" if difference is None else f"{difference:.2g}" if difference else "0"
        self._grid.addWidget(ElidedLabel(title), row, 0)
        self._grid.addWidget(label(text, "mono", name="predict.difference"), row, 1)
        self._grid.addWidget(chip(verdict, tone, name="predict.verdict"), row, 2)
