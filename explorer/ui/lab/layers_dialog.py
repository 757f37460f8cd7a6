"""Edit the layers of a demo model: names, units, activations, and how many features come in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from explorer.lab.catalog import ACTIVATIONS, DemoSettings, LayerSpec
from explorer.ui.lab.fields import WholeNumber
from explorer.ui.notices import shortened
from explorer.ui.theme import dress
from explorer.ui.widgets import ComboBox, button, clear_layout, describe, fit_height, label

_MOST_LAYERS = 12
_INPUT = "digits"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What every save method takes: a SavedModel refuses a name that begins with an underscore."""


class LayersDialog(QDialog):
    """Edits a copy of the settings; ``accepted_with`` is called with it when it is confirmed."""

    def __init__(
        self,
        settings: DemoSettings,
        parent: QWidget,
        accepted_with: Callable[[DemoSettings], None],
    ) -> None:
        super().__init__(parent)
        dress(self)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("layers")
        self.setWindowTitle(self.tr("Layers"))
        self.setMinimumWidth(520)
        self._settings = settings
        self._accepted_with = accepted_with
        self._rows: list[tuple[QLineEdit, WholeNumber, ComboBox]] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(10)
        column.addWidget(label(self.tr("Dense layers, from input to output"), "title"))
        self._grid = QGridLayout()
        self._grid.setColumnStretch(0, 3)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(2, 2)
        column.addLayout(self._grid)
        self._problem = label("", "problem", wrap=True, name="layers.problem")
        column.addWidget(self._problem)
        column.addLayout(self._buttons())
        self._fill(settings.layers)

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self._add = button(self.tr("Add a layer"), "layers.add")
        self._add.clicked.connect(self._add_layer)
        cancel = button(self.tr("Cancel"), "layers.cancel")
        cancel.clicked.connect(self.reject)
        confirm = button(self.tr("Use these layers"), "layers.confirm", role="primary")
        confirm.clicked.connect(self._confirm)
        confirm.setDefault(True)
        row.addWidget(self._add)
        row.addStretch(1)
        row.addWidget(cancel)
        row.addWidget(confirm)
        return row

    def _fill(self, layers: tuple[LayerSpec, ...]) -> None:
        clear_layout(self._grid)
        self._rows = []
        for column, text in enumerate((self.tr("Name"), self.tr("Units"), self.tr("Activation"))):
            self._grid.addWidget(label(text, "small"), 0, column)
        for position, layer in enumerate(layers):
            self._add_row(position, layer, removable=len(layers) > 1)
        self._add.setEnabled(len(layers) < _MOST_LAYERS)
        fit_height(self)

    def _add_row(self, position: int, layer: LayerSpec, *, removable: bool) -> None:
        name = QLineEdit(layer.name)
        describe(name, f"layers.{position}.name", self.tr("Name of the layer"))
        units = WholeNumber(f"layers.{position}.units", self.tr("Units"), 1, 4096, layer.units)
        activation = ComboBox(f"layers.{position}.activation", self.tr("Activation"))
        activation.addItems(ACTIVATIONS)
        activation.setCurrentText(layer.activation)
        remove = button(self.tr("Remove"), f"layers.{position}.remove")
        remove.setEnabled(removable)
        remove.clicked.connect(lambda: self._remove(position))
        for column, widget in enumerate((name, units, activation, remove)):
            self._grid.addWidget(widget, position + 1, column)
        self._rows.append((name, units, activation))

    def _layers(self) -> tuple[LayerSpec, ...]:
        return tuple(
            LayerSpec(name.text().strip(), units.value(), activation.currentText())
            for name, units, activation in self._rows
        )

    def _add_layer(self) -> None:
        layers = self._layers()
        new = LayerSpec(_free_name({layer.name for layer in layers}), 32, "relu")
        self._fill((*layers[:-1], new, layers[-1]))

    def _remove(self, position: int) -> None:
        layers = self._layers()
        self._fill(layers[:position] + layers[position + 1 :])

    def _confirm(self) -> None:
        layers = self._layers()
        self._problem.setText(self._wrong([layer.name for layer in layers]))
        fit_height(self)
        if not self._problem.text():
            self._accepted_with(msgspec.structs.replace(self._settings, layers=layers))
            self.accept()

    def _wrong(self, names: Sequence[str]) -> str:
        """What is wrong with what was typed; empty where nothing is."""
        wrong = next((n for n in names if not _NAME.fullmatch(n) or n == _INPUT), None)
        if wrong is not None:
            return self.tr(
                "“{name}” cannot name a layer. A name has letters A to Z, digits and underscores, "
                "starts with a letter, and is not that of the input, “digits”."
            ).format(name=shortened(wrong))
        if len(set(names)) < len(names):
            return self.tr("Each layer needs a name of its own.")
        return next((p for _, units, _ in self._rows if (p := units.problem())), "")


def _free_name(taken: set[str]) -> str:
    return next(
        name for number in range(1, _MOST_LAYERS + 2) if (name := f"dense_{number}") not in taken
    )
