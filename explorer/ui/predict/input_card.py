"""The input of the last run, as it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PySide6.QtGui import QResizeEvent

from explorer.formats.text import array_text
from explorer.ui.predict.array_view import ArrayTable
from explorer.ui.predict.name_box import NameBox
from explorer.ui.widgets import Card, chip, label

_ROOM_FOR_SHAPE = 380  # pixels of the card


class InputCard(Card):
    """A table of one input; a choice where there are several."""

    def __init__(self) -> None:
        super().__init__(self.tr("Input"))
        self._inputs: Mapping[str, np.ndarray] = {}
        self._name = NameBox("predict.input.shown", self.tr("Which input is shown"))
        self._name.currentIndexChanged.connect(self._show)
        self._shape = chip("", "code", name="predict.input.shape")
        self.title_row.addWidget(self._name)
        self.title_row.addWidget(self._shape)
        self.title_row.addStretch(1)
        self._remarks = label("", "small", wrap=True, name="predict.input.remarks")
        self.table = ArrayTable("predict.input.table", self.tr("Values of the input"))
        self._empty = label(self.tr("The values that go in, once it runs."), "small")
        self._earlier = label("", "warning", wrap=True, name="predict.input.earlier")
        self.body.addWidget(self._earlier)
        self.body.addWidget(self._empty)
        self.body.addWidget(self._remarks)
        self.body.addWidget(self.table, 1)
        self.body.addStretch(0)
        self.show_inputs({})

    def show_inputs(self, inputs: Mapping[str, np.ndarray], remarks: Sequence[str] = ()) -> None:
        """Take the arrays of a run; ``remarks`` say what is not as it was asked for."""
        self._inputs = inputs
        self._name.show_names(inputs, "")
        self._show_shape()
        self.table.setVisible(bool(inputs))
        self._empty.setVisible(not inputs)
        self._remarks.setText("\n".join(remarks))
        self._remarks.setVisible(bool(remarks))
        self._show()

    def show_earlier(self, text: str) -> None:
        """Say that the input is of an earlier run; nothing where it is of the last."""
        self._earlier.setText(text)
        self._earlier.setVisible(bool(text))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow card there is room for the name alone."""
        super().resizeEvent(event)
        self._show_shape()

    def _show_shape(self) -> None:
        self._shape.setVisible(bool(self._inputs) and self.width() > _ROOM_FOR_SHAPE)

    def _show(self) -> None:
        array = self._inputs.get(self._name.currentText(), np.zeros((0, 0)))
        self._shape.setText(array_text(array))
        self.table.show_array(array)
