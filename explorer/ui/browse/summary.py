"""The Summary tab of the inspector: how a tensor's values are spread, a slice, where it lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from explorer.analysis.planes import Plane, Sample, known_shape, picture_plane, sample, table_plane
from explorer.analysis.statistics import Statistics, summarize
from explorer.formats.artifact import Location, Node, Signature, SignatureTensor, Tensor
from explorer.formats.text import count_text, tuple_text
from explorer.ui.background import Background
from explorer.ui.browse.heat_map import HeatMap
from explorer.ui.browse.histogram import Histogram, number_text
from explorer.ui.browse.values_model import exact_text
from explorer.ui.widgets import Card, ElidedLabel, chip, clear_layout, label

_BINS = 48
_PREVIEW = 64  # cells along a side
_LONGEST_TEXT = 2000


@dataclass(frozen=True)
class _Reading:
    """What was read of a tensor for its summary."""

    statistics: Statistics
    plane: Plane | None = None
    sample: Sample | None = None
    value: str = ""


class Facts(QWidget):
    """Pairs of a name and a value, in ``columns`` pairs side by side."""

    def __init__(self, columns: int = 1) -> None:
        super().__init__()
        self._columns = columns
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(5)

    def set_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Replace all pairs."""
        clear_layout(self._grid)
        for position, (name, value) in enumerate(facts):
            row, column = divmod(position, self._columns)
            title = label(name, "muted")
            title.setFixedWidth(64)
            text = ElidedLabel(value, "mono")
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(title, row, column * 2)
            self._grid.addWidget(text, row, column * 2 + 1)
            self._grid.setColumnStretch(column * 2 + 1, 1)


class SummaryPanel(QWidget):
    """Shows a node that has a tensor or a signature."""

    def __init__(self) -> None:
        super().__init__()
        self._reads = Background(self)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(12)
        self._make_distribution()
        self._make_slice()
        self._location = Card(self.tr("Where it lives"))
        self._location_facts = Facts()
        self._location.body.addWidget(self._location_facts)
        self._inputs = Card(self.tr("Inputs"))
        self._outputs = Card(self.tr("Outputs"))
        self._input_facts, self._output_facts = QVBoxLayout(), QVBoxLayout()
        self._inputs.body.addLayout(self._input_facts)
        self._outputs.body.addLayout(self._output_facts)
        for card in (self._distribution, self._slice, self._location, self._inputs, self._outputs):
            self._column.addWidget(card)
        self._column.addStretch(1)

    def _make_distribution(self) -> None:
        self._distribution = Card(self.tr("Distribution"))
        self._state = label("", "muted", wrap=True, name="inspector.state")
        self._value = label("", "mono", wrap=True, name="inspector.value")
        self._value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.histogram = Histogram("inspector.histogram", self.tr("Histogram of the values"))
        self.statistics = Facts(2)
        for widget in (self._state, self._value, self.histogram, self.statistics):
            self._distribution.body.addWidget(widget)

    def _make_slice(self) -> None:
        self._slice = Card(self.tr("Slice"))
        self._slice_chip = chip("", "code", name="inspector.slice")
        self._slice.title_row.addWidget(self._slice_chip)
        self._slice.title_row.addStretch(1)
        self.preview = HeatMap("inspector.preview", self.tr("Heat map of a slice"), fill=True)
        self._slice.body.addWidget(self.preview)

    def show_node(self, node: Node, object_name: str) -> None:
        """Show another node; ``object_name`` is the tensor's place in the object graph, if any."""
        self._reads.drop()
        for card in (self._slice, self._location, self._inputs, self._outputs):
            card.hide()
        self._distribution.setVisible(node.tensor is not None)
        if node.signature is not None:
            self._show_signature(node.signature)
        if node.tensor is not None:
            self._show_location(node.tensor.location, object_name)
            self._read(node.tensor)

    def stop(self) -> None:
        """What is being read is not wanted any more."""
        self._reads.drop()

    # Tensors

    def _read(self, tensor: Tensor) -> None:
        self._show_parts(state=self.tr("Reading…"))
        self._reads.run(
            lambda: _read(tensor),
            self._show_reading,
            lambda error: self._show_parts(state=str(error) or type(error).__name__),
        )

    def _show_parts(
        self, *, state: str = "", value: str = "", figures: Statistics | None = None
    ) -> None:
        self._distribution.title.setText(self.tr("Value") if value else self.tr("Distribution"))
        self._state.setText(state)
        self._state.setVisible(bool(state))
        self._value.setText(value)
        self._value.setVisible(bool(value))
        shown = figures is not None and figures.minimum is not None
        self.histogram.setVisible(shown and bool(figures and figures.histogram))
        self.statistics.setVisible(figures is not None)
        if figures is not None:
            self.histogram.set_counts(figures.histogram, figures.edges)
            self.statistics.set_facts(_figures(figures))

    def _show_reading(self, reading: _Reading) -> None:
        figures = reading.statistics
        if reading.value:
            self._show_parts(value=reading.value)
        elif figures.minimum is None and not (figures.nans or figures.infs):
            self._show_parts(state=figures.reason)
        else:
            self._show_parts(state=figures.reason, figures=figures)
        self._show_slice(reading)

    def _show_slice(self, reading: _Reading) -> None:
        wanted = reading.sample is not None and not reading.value
        self._slice.setVisible(wanted)
        if wanted and reading.plane is not None:
            self._slice_chip.setText(reading.plane.text)
            self.preview.set_sample(reading.sample)

    def _show_location(self, location: Location | None, object_name: str) -> None:
        facts = [] if location is None else _location_facts(location, self.tr)
        if object_name:
            facts.append((self.tr("object"), object_name))
        self._location.setVisible(bool(facts))
        self._location_facts.set_facts(facts)

    # Signatures

    def _show_signature(self, signature: Signature) -> None:
        for card, column, tensors in (
            (self._inputs, self._input_facts, signature.inputs),
            (self._outputs, self._output_facts, signature.outputs),
        ):
            card.show()
            clear_layout(column)
            for tensor in tensors:
                _add_signature_tensor(column, tensor)
            if not tensors:
                column.addWidget(label(self.tr("None"), "muted"))


def _read(tensor: Tensor) -> _Reading:
    shape = known_shape(tensor.shape)
    statistics = summarize(tensor, _BINS)
    if shape is None or statistics.count == 0:
        return _Reading(statistics)
    if statistics.count == 1:
        only = table_plane(shape).read(tensor, slice(0, 1), slice(0, 1))[0, 0]
        return _Reading(statistics, value=exact_text(only)[:_LONGEST_TEXT] or '""')
    if statistics.reason and not (statistics.nans or statistics.infs):
        return _Reading(statistics)
    plane = picture_plane(shape)
    if plane.rows > plane.columns:  # the card is wide
        plane = replace(plane, down=plane.across, across=plane.down)
    return _Reading(statistics, plane, sample(tensor, plane, _PREVIEW))


def _figures(figures: Statistics) -> list[tuple[str, str]]:
    rows = []
    if figures.mean is not None and figures.std is not None:
        rows += [("mean", number_text(figures.mean)), ("std", number_text(figures.std))]
    share = 100 * figures.zeros / figures.count if figures.count else 0.0
    rows += [
        ("zeros", _share_text(figures.zeros, share)),
        ("NaN / Inf", f"{figures.nans:,} / {figures.infs:,}"),
    ]
    return rows


def _share_text(count: int, percent: float) -> str:
    """A share that is not quite nothing or everything does not look like it."""
    if count and percent < 0.1:
        return "< 0.1 %"
    return "> 99.9 %" if 99.9 < percent < 100 else f"{percent:.1f} %"


def _location_facts(location: Location, tr: Callable[[str], str]) -> list[tuple[str, str]]:
    size = f"{location.nbytes:,} bytes"
    facts = [(tr("file"), location.file)] if location.file else []
    if location.offset is None:
        facts.append((tr("stored"), tr("{size}, in pieces").format(size=size)))
    else:
        facts.append((tr("offset"), f"0x{location.offset:X} · {size}"))
    if location.checksum:
        kind, _, digits = location.checksum.partition(" ")
        facts.append((kind, digits) if digits else (tr("checksum"), kind))
    return facts


def _add_signature_tensor(column: QVBoxLayout, tensor: SignatureTensor) -> None:
    column.addWidget(ElidedLabel(tensor.name, "strong"))
    column.addWidget(ElidedLabel(f"{tensor.dtype} {tuple_text(tensor.shape)}", "mono"))
    if tensor.graph_tensor:
        column.addWidget(ElidedLabel(tensor.graph_tensor, "monoMuted"))


def values_text(tensor: Tensor) -> str:
    """``7,488 values``, or nothing where the shape is not known."""
    shape = known_shape(tensor.shape)
    if shape is None:
        return ""
    count = 1
    for size in shape:
        count *= size
    return count_text(count, "value")
