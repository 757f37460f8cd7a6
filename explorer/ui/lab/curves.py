"""The live curves: loss or a metric, for training and validation, over the batches."""

from __future__ import annotations

from array import array

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from explorer.ui.plot import Line, Plot, finite
from explorer.ui.widgets import describe, label

_HEIGHT = 168
_REDRAW_MS = 250
_WIDE = 1e4


class Curves(QWidget):
    """A plot of one metric: after each epoch in training and validation, and batch by batch."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("lab.curves")
        self.setFixedHeight(_HEIGHT)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._empty = label(
            self.tr("The curves appear here while the model trains."),
            "muted",
            wrap=True,
            name="lab.curves.empty",
        )
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._column.addWidget(self._empty)
        self._plot = Plot()
        describe(self._plot, "lab.plot", self.tr("Training curves"))
        self._plot.hide()
        self._column.addWidget(self._plot)
        self._series: dict[str, tuple[array[int], array[float]]] = {}
        self._metric = "loss"
        self._redraw = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self._draw)

    # Values

    def clear(self) -> None:
        """Start over."""
        self._series = {}
        self._draw()

    def add(self, step: int, values: dict[str, float], *, epoch_end: bool) -> None:
        """Take the values of a batch or an epoch; they are drawn a moment later, together.

        Those of batches make a faint line of their own: Keras averages them from the start of
        the epoch, so that they are no match for the values of a whole one.
        """
        for name, value in values.items():
            name = name if epoch_end else f"batch {name}"
            steps, numbers = self._series.setdefault(name, (array("q"), array("d")))
            steps.append(step)
            numbers.append(value)
        if not self._redraw.isActive():
            self._redraw.start()

    def metrics(self) -> list[str]:
        """The metrics that have values, without the validation prefix."""
        names = (name.removeprefix("batch ") for name in self._series)
        return list(dict.fromkeys(name for name in names if not name.startswith("val_")))

    def points(self, series: str) -> int:
        """How many values a series such as ``val_loss`` has."""
        return len(self._values(series)[1])

    def show_metric(self, metric: str) -> None:
        """Draw ``loss`` or another metric."""
        self._metric = metric
        self._draw()

    def _values(self, series: str) -> tuple[np.ndarray, np.ndarray]:
        steps, values = self._series.get(series, (array("q"), array("d")))
        return np.array(steps, np.float64), np.array(values, np.float64)

    def _draw(self) -> None:
        names = (f"batch {self._metric}", self._metric, f"val_{self._metric}")
        batches, train, validation = map(self._values, names)
        all_values = np.concatenate([values for _, values in (batches, train, validation)])
        drawable = all_values[np.isfinite(all_values)]
        lines = [
            Line(*finite(*batches), "accent", faint=True),
            Line(*finite(*train), "accent"),
            Line(*finite(*validation), "warning", dashed=True),
        ]
        self._plot.show_lines(lines, logarithmic=_is_wide(drawable))
        drawn = [len(line.x) for line in lines]
        self._show_plot(drawn[0] > 1 or any(drawn[1:]), len(drawable) == len(all_values))

    def _show_plot(self, shown: bool, all_finite: bool) -> None:
        self._empty.setVisible(not shown)
        self._plot.setVisible(shown)
        self._empty.setText(
            self.tr("The curves appear here while the model trains.")
            if all_finite
            else self.tr("{metric} is no finite number: there is nothing to draw.").format(
                metric=self._metric
            )
        )


def _is_wide(values: np.ndarray) -> bool:
    """Whether the values differ so much that only a logarithmic axis shows more than the largest.

    As the loss does where the training diverges.
    """
    return bool(len(values) and 0 < _WIDE * values.min() < values.max())
