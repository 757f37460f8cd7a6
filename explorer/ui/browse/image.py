"""The Image tab of the inspector: a slice of the tensor as a heat map."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QVBoxLayout, QWidget

from explorer.analysis.planes import Plane, Sample, known_shape, picture_plane, sample
from explorer.formats.artifact import Tensor
from explorer.ui.background import Background
from explorer.ui.browse.heat_map import HeatMap, Legend
from explorer.ui.browse.histogram import number_text
from explorer.ui.browse.slice_bar import SliceBar
from explorer.ui.widgets import label

MOST_CELLS = 256  # along a side


class ImagePanel(QWidget):
    """Shows a slice of a numeric `Tensor`."""

    def __init__(self) -> None:
        super().__init__()
        self._tensor: Tensor | None = None
        self._reads = Background(self)
        self.slices = SliceBar("inspector.image.slice")
        self.slices.changed.connect(self._show_plane)
        self._about = label("", "small", wrap=True, name="inspector.image.about")
        self.legend = Legend("inspector.image.legend", self.tr("What the colours stand for"))
        self.map = HeatMap("inspector.image", self.tr("Heat map of the slice"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        for widget in (self.slices, self._about, self.legend):
            column.addWidget(widget)
        column.addWidget(self.map, 1)

    def show_tensor(self, tensor: Tensor) -> None:
        """Show another tensor."""
        self._tensor = tensor
        shape = known_shape(tensor.shape)
        if shape is None or 0 in shape:
            self._reads.drop()
            self._show_reason(self.tr("There are no values to draw: a dimension is 0 or unknown."))
            return
        plane = picture_plane(shape)
        self.slices.show_plane(plane)
        self._show_plane(plane)

    def _show_plane(self, plane: Plane) -> None:
        tensor = self._tensor
        if tensor is None:
            return
        self._about.setText(self.tr("Reading…"))
        self._reads.run(
            lambda: sample(tensor, plane, MOST_CELLS),
            lambda found: self._show_sample(plane, found),
            lambda error: self._show_reason(str(error) or type(error).__name__),
        )

    def _show_sample(self, plane: Plane, found: Sample) -> None:
        self._about.setText(self._describe(plane, found))
        self.legend.show()
        self.legend.set_sample(found)
        self.map.set_sample(found)

    def _describe(self, plane: Plane, found: Sample) -> str:
        text = self.tr("{slice} · {rows:,} × {columns:,}").format(
            slice=plane.text, rows=plane.rows, columns=plane.columns
        )
        numbers = found.values[np.isfinite(found.values)]
        if numbers.size:
            text += self.tr(" · {low} to {high}").format(
                low=number_text(numbers.min()), high=number_text(numbers.max())
            )
        step = max(found.row_step, found.column_step)
        if step > 1:
            text += self.tr(" · shown: 1 of {down:,} rows, 1 of {across:,} columns").format(
                down=found.row_step, across=found.column_step
            )
        return text

    def _show_reason(self, reason: str) -> None:
        self._about.setText(reason)
        self.legend.hide()
        self.map.set_sample(None)
