"""Choosing a two-dimensional slice of a tensor: which axes are shown, where the others stand."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QSpinBox, QWidget

from explorer.analysis.planes import Plane
from explorer.ui.widgets import clear_layout, describe, label


class SliceBar(QWidget):
    """One editor per axis that can be chosen. ``changed`` carries the new `Plane`."""

    changed = Signal(object)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self._plane: Plane | None = None
        self._choices: dict[str, QComboBox] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(6)
        self.hide()

    def show_plane(self, plane: Plane) -> None:
        """Offer the axes of a tensor; nothing for one of fewer than three."""
        self._plane = plane
        clear_layout(self._grid)
        self.setVisible(len(plane.shape) > 2)
        if len(plane.shape) <= 2:
            return
        self._add_axis_choice(0, self.tr("Rows"), "rows", plane.down)
        self._add_axis_choice(1, self.tr("Columns"), "columns", plane.across)
        for row, axis in enumerate(plane.fixed_axes, 2):
            self._add_index_choice(row, axis)

    def _add_axis_choice(self, row: int, title: str, key: str, chosen: int | None) -> None:
        assert self._plane is not None  # noqa: S101 - for the type checker
        choice = QComboBox()
        for axis, size in enumerate(self._plane.shape):
            choice.addItem(self.tr("axis {axis} · {size:,}").format(axis=axis, size=size))
        choice.setCurrentIndex(chosen or 0)
        describe(
            choice,
            f"{self.objectName()}.{key}",
            title,
            self.tr("Which axis is shown as {what}").format(what=title.lower()),
        )
        choice.activated.connect(lambda axis: self._choose_axis(key, axis))
        self._choices[key] = choice
        self._place(row, title, choice)

    def _add_index_choice(self, row: int, axis: int) -> None:
        assert self._plane is not None  # noqa: S101 - for the type checker
        title = self.tr("Axis {axis}").format(axis=axis)
        choice = QSpinBox()
        choice.setRange(0, max(self._plane.shape[axis] - 1, 0))
        choice.setValue(self._plane.at[axis])
        choice.setSuffix(self.tr(" of {size:,}").format(size=self._plane.shape[axis]))
        choice.setKeyboardTracking(False)
        choice.lineEdit().setTextMargins(7, 0, 0, 0)  # the style sheet's padding does not reach it
        describe(
            choice,
            f"{self.objectName()}.axis{axis}",
            title,
            self.tr("Index along axis {axis}, from 0").format(axis=axis),
        )
        choice.valueChanged.connect(lambda index: self._choose_index(axis, index))
        self._place(row, title, choice)

    def _place(self, position: int, title: str, choice: QWidget) -> None:
        """Two editors side by side."""
        row, column = divmod(position, 2)
        text = label(title, "small")
        text.setBuddy(choice)
        self._grid.addWidget(text, row, column * 2)
        self._grid.addWidget(choice, row, column * 2 + 1)
        self._grid.setColumnStretch(column * 2 + 1, 1)

    def _choose_axis(self, key: str, axis: int) -> None:
        """Show ``axis``; where the other side showed it, the two change places."""
        plane = self._plane
        if plane is None:
            return
        if key == "rows":
            across = plane.down if axis == plane.across else plane.across
            plane = replace(plane, down=axis, across=across)
        else:
            down = plane.across if axis == plane.down else plane.down
            plane = replace(plane, down=down, across=axis)
        self.show_plane(plane)
        self._choices[key].setFocus()
        self.changed.emit(plane)

    def _choose_index(self, axis: int, index: int) -> None:
        if self._plane is None:
            return
        at = tuple(index if a == axis else i for a, i in enumerate(self._plane.at))
        self._plane = replace(self._plane, at=at)
        self.changed.emit(self._plane)
