"""The live curves: loss or a metric, for training and validation, over the batches."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from explorer.ui.background import run_in_pool
from explorer.ui.theme import color, ui_font
from explorer.ui.widgets import label

_HEIGHT = 168
_REDRAW_MS = 250
_WIDE = 1e4


class Curves(QWidget):
    """A plot of two series. The plotting library is imported after the window is on screen."""

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
        self._plot: Any = None
        self._series: dict[str, tuple[list[int], list[float]]] = {}
        self._metric = "loss"
        self._redraw = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self._draw)

    def prepare(self) -> None:
        """Import the plotting library off the GUI thread, then build the plot."""
        run_in_pool(self, _import_pyqtgraph, self._build, self._not_available)

    def _build(self, pyqtgraph: Any) -> None:
        if self._plot is not None:
            return
        self._plot = pyqtgraph.PlotWidget(background=None)
        self._plot.setObjectName("lab.plot")
        self._plot.setAccessibleName(self.tr("Training curves"))
        self._plot.setMenuEnabled(False)
        # It is made all the same, without a parent to go with.
        self._plot.getPlotItem().ctrlMenu.setParent(self._plot, Qt.WindowType.Popup)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.hideButtons()
        self._plot.getPlotItem().showGrid(x=False, y=True, alpha=0.15)
        self._plot.getAxis("left").setWidth(44)
        self._plot.getAxis("left").enableAutoSIPrefix(False)
        self._plot.getAxis("bottom").enableAutoSIPrefix(False)
        self._pyqtgraph = pyqtgraph
        self._lines = {name: self._plot.plot() for name in ("batches", "train", "validation")}
        self._column.addWidget(self._plot)
        self._paint()
        self._draw()

    def _not_available(self, error: Exception) -> None:
        self._empty.setText(self.tr("The curves cannot be drawn: {error}").format(error=error))

    def _paint(self) -> None:
        """Take the colours of the theme."""
        faint = color("accent")
        faint.setAlphaF(0.4)
        for name, tint, width, style in (
            ("batches", faint, 1.0, Qt.PenStyle.SolidLine),
            ("train", color("accent"), 1.6, Qt.PenStyle.SolidLine),
            ("validation", color("warning"), 1.6, Qt.PenStyle.DashLine),
        ):
            pen = self._pyqtgraph.mkPen(tint, width=width, style=style)
            self._lines[name].setPen(pen)
            self._lines[name].setSymbolBrush(tint)
        self._plot.setBackground(color("surface"))
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(color("border"))
            axis.setTextPen(color("muted"))
            axis.setStyle(tickFont=ui_font(11), tickLength=0)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._plot is not None:
            self._paint()

    def is_ready(self) -> bool:
        """Whether the plot is there."""
        return self._plot is not None

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
            steps, numbers = self._series.setdefault(name, ([], []))
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
        return len(self._series.get(series, ([], []))[0])

    def show_metric(self, metric: str) -> None:
        """Draw ``loss`` or another metric."""
        self._metric = metric
        self._draw()

    def _finite(self, series: str) -> tuple[list[int], list[float]]:
        """Steps and values of a series, without what is no finite number: it has no place."""
        points = zip(*self._series.get(series, ([], [])), strict=True)
        kept = [(step, value) for step, value in points if math.isfinite(value)]
        return [step for step, _ in kept], [value for _, value in kept]

    def _draw(self) -> None:
        if self._plot is None:
            return
        lines = {
            "batches": self._finite(f"batch {self._metric}"),
            "train": self._finite(self._metric),
            "validation": self._finite(f"val_{self._metric}"),
        }
        values = [value for _, numbers in lines.values() for value in numbers]
        self._show_plot(any(lines["train"] + lines["validation"]) or len(lines["batches"][0]) > 1)
        self._plot.setLogMode(y=_is_wide(values))
        for name, (steps, numbers) in lines.items():
            symbol = None if name == "batches" else "o"
            self._lines[name].setData(steps, numbers, symbol=symbol, symbolSize=5, symbolPen=None)

    def _show_plot(self, shown: bool) -> None:
        self._empty.setVisible(not shown)
        self._plot.setVisible(shown)
        series = (f"batch {self._metric}", self._metric, f"val_{self._metric}")
        values = [value for name in series for value in self._series.get(name, ([], []))[1]]
        self._empty.setText(
            self.tr("The curves appear here while the model trains.")
            if all(map(math.isfinite, values))
            else self.tr("{metric} is no finite number: there is nothing to draw.").format(
                metric=self._metric
            )
        )


def _is_wide(values: Sequence[float]) -> bool:
    """Whether the values differ so much that only a logarithmic axis shows more than the largest.

    As the loss does where the training diverges.
    """
    return bool(values and 0 < _WIDE * min(values) < max(values))


def _import_pyqtgraph() -> Any:
    return importlib.import_module("pyqtgraph")
