"""The Summary tab of the inspector: how a tensor's values are spread, a slice, where it lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from explorer.analysis.planes import Plane, Sample, known_shape, picture_plane, sample, table_plane
from explorer.analysis.statistics import Statistics, summarize
from explorer.formats.artifact import Artifact, Node, Signature, SignatureTensor, Tensor
from explorer.formats.text import exact_text, type_and_shape
from explorer.ui.background import Background
from explorer.ui.browse.facts import Fact, Facts, contents, figures, origin, place
from explorer.ui.browse.heat_map import HeatMap
from explorer.ui.browse.histogram import Histogram
from explorer.ui.widgets import Card, ElidedLabel, chip, clear_layout, label

_BINS = 48
_PREVIEW = 64  # cells along a side
_LONGEST_TEXT = 2000
_LATE = 120  # milliseconds of reading before it is said; less would only flicker


@dataclass(frozen=True)
class _Reading:
    """What was read of a tensor for its summary."""

    statistics: Statistics
    plane: Plane | None = None
    sample: Sample | None = None
    value: str = ""


class SummaryPanel(QWidget):
    """Shows a node that has a tensor or a signature."""

    def __init__(self) -> None:
        super().__init__()
        self._reads = Background(self)
        self._late = QTimer(self, interval=_LATE, singleShot=True)
        self._late.timeout.connect(self._show_wait)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(12)
        self._make_distribution()
        self._make_slice()
        self._location, self._place = self._fact_card(self.tr("Where it lives"))
        self._contents, self._held = self._fact_card(self.tr("What it holds"), 118)
        self._origin, self._written = self._fact_card(self.tr("Where it comes from"), 84)
        self._inputs = Card(self.tr("Inputs"))
        self._outputs = Card(self.tr("Outputs"))
        self._input_facts, self._output_facts = QVBoxLayout(), QVBoxLayout()
        self._inputs.body.addLayout(self._input_facts)
        self._outputs.body.addLayout(self._output_facts)
        self._cards = (
            self._distribution,
            self._slice,
            self._location,
            self._contents,
            self._origin,
            self._inputs,
            self._outputs,
        )
        for card in self._cards:
            card.hide()
            self._column.addWidget(card)
        self._column.addStretch(1)

    def _fact_card(self, title: str, name_width: int = 64) -> tuple[Card, Facts]:
        card, facts = Card(title), Facts(name_width=name_width)
        card.body.addWidget(facts)
        return card, facts

    def _make_distribution(self) -> None:
        self._distribution = Card()
        self._heading = label("", "cardTitle")
        self._distribution.body.addWidget(self._heading)
        self._state = label("", "muted", wrap=True, name="inspector.state")
        self._value = label("", "mono", wrap=True, name="inspector.value")
        self._value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.histogram = Histogram("inspector.histogram", self.tr("Histogram of the values"))
        self.statistics = Facts(2, name_width=0)
        for widget in (self._state, self._value, self.histogram, self.statistics):
            self._distribution.body.addWidget(widget)

    def _make_slice(self) -> None:
        self._slice = Card(self.tr("Slice"))
        self._slice_chip = chip("", "code", name="inspector.slice")
        self._slice.title_row.addWidget(self._slice_chip)
        self._slice.title_row.addStretch(1)
        self.preview = HeatMap("inspector.preview", self.tr("Heat map of a slice"), fill=True)
        self._slice.body.addWidget(self.preview)

    def show_node(self, node: Node, artifact: Artifact | None) -> None:
        """Show another node; ``artifact`` where the node stands for all of it."""
        self.stop()
        wanted = (self._distribution, self._slice) if node.tensor is not None else ()
        for card in self._cards:
            if card not in wanted:
                card.hide()
        if artifact is not None:
            self._show_facts(self._contents, self._held, contents(artifact.contents))
            self._show_facts(self._origin, self._written, origin(artifact))
        if node.signature is not None:
            self._show_signature(node.signature)
        if node.tensor is not None:
            self._distribution.show()
            self._show_facts(self._location, self._place, place(node.tensor))
            self._read(node.tensor)

    def stop(self) -> None:
        """What is being read is not wanted any more."""
        self._reads.drop()
        self._late.stop()

    # Tensors

    def _read(self, tensor: Tensor) -> None:
        self._late.start()
        self._reads.run(
            lambda: _read(tensor),
            self._show_reading,
            lambda error: self._show_parts(state=str(error) or type(error).__name__),
        )

    def _show_wait(self) -> None:
        self._slice.hide()
        self._show_parts(state=self.tr("Reading…"))

    def _show_parts(
        self, *, state: str = "", value: str = "", found: Statistics | None = None
    ) -> None:
        self._late.stop()
        self._heading.setText(self.tr("Value") if value else self.tr("Distribution"))
        self._state.setText(state)
        self._state.setVisible(bool(state))
        self._value.setText(value)
        self._value.setVisible(bool(value))
        self.histogram.setVisible(found is not None and bool(found.histogram))
        self.statistics.setVisible(found is not None)
        if found is not None:
            self.histogram.set_counts(found.histogram, found.edges)
            self.statistics.set_facts(figures(found))

    def _show_reading(self, reading: _Reading) -> None:
        found = reading.statistics
        if reading.value:
            self._show_parts(value=reading.value)
        elif found.minimum is None and not (found.nans or found.infs):
            self._show_parts(state=found.reason)
        else:
            self._show_parts(state=found.reason, found=found)
        self._show_slice(reading)

    def _show_slice(self, reading: _Reading) -> None:
        wanted = reading.sample is not None and not reading.value
        self._slice.setVisible(wanted)
        if wanted and reading.plane is not None:
            self._slice_chip.setText(reading.plane.text)
            self.preview.set_sample(reading.sample)

    def _show_facts(self, card: Card, facts: Facts, pairs: Sequence[Fact]) -> None:
        card.setVisible(bool(pairs))
        facts.set_facts(pairs)

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


def _add_signature_tensor(column: QVBoxLayout, tensor: SignatureTensor) -> None:
    lines = QVBoxLayout()
    lines.setSpacing(1)
    lines.addWidget(ElidedLabel(tensor.name, "strong"))
    lines.addWidget(ElidedLabel(" ".join(type_and_shape(tensor)), "mono"))
    if tensor.graph_tensor:
        lines.addWidget(ElidedLabel(tensor.graph_tensor, "monoMuted"))
    column.addLayout(lines)
