"""Pairs of a name and a value, as the cards of the inspector show them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from explorer.analysis.statistics import Statistics
from explorer.formats.artifact import Artifact, Contents, Location, Tensor, Tri
from explorer.formats.text import bytes_text
from explorer.ui.browse.histogram import number_text
from explorer.ui.widgets import ElidedLabel, clear_layout, label

Fact = tuple[str, str]
_OBJECT_ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"


class Facts(QWidget):
    """A grid of pairs, ``columns`` of them side by side."""

    def __init__(self, columns: int = 1, name_width: int = 64) -> None:
        super().__init__()
        self._columns, self._name_width = columns, name_width
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(5)

    def set_facts(self, facts: Sequence[Fact]) -> None:
        """Replace all pairs."""
        clear_layout(self._grid)
        for position, (name, value) in enumerate(facts):
            row, column = divmod(position, self._columns)
            title = label(name, "muted")
            title.setMinimumWidth(self._name_width)
            text = ElidedLabel(value, "mono")
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(title, row, column * 2)
            self._grid.addWidget(text, row, column * 2 + 1)
            self._grid.setColumnStretch(column * 2 + 1, 1)


def _tr(text: str) -> str:
    return QCoreApplication.translate("Facts", text)


def figures(statistics: Statistics) -> list[Fact]:
    """Mean, spread and what is unusual."""
    facts = []
    if statistics.mean is not None and statistics.std is not None:
        facts.append((_tr("mean"), number_text(statistics.mean)))
        facts.append((_tr("std"), number_text(statistics.std)))
    facts.append((_tr("zeros"), share_text(statistics.zeros, statistics.count)))
    facts.append((_tr("NaN / Inf"), f"{statistics.nans:,} / {statistics.infs:,}"))
    return facts


def share_text(part: int, whole: int) -> str:
    """A percentage; one that is not quite nothing or everything does not look like it."""
    percent = 100 * part / whole if whole else 0.0
    if part and percent < 0.1:
        return "< 0.1 %"
    return "> 99.9 %" if 99.9 < percent < 100 else f"{percent:.1f} %"


def place(tensor: Tensor) -> list[Fact]:
    """Where a tensor's bytes are, and its name there if people call it otherwise."""
    facts = [] if tensor.location is None else _location(tensor.location)
    if tensor.label:
        facts.append((_tr("object"), tensor.path.removesuffix(_OBJECT_ENDING)))
    return facts


def _location(location: Location) -> list[Fact]:
    size = _tr("{count:,} bytes").format(count=location.nbytes)
    facts = [(_tr("file"), location.file.rpartition("/")[2])] if location.file else []
    if location.offset is None:
        facts.append((_tr("stored"), _tr("{size}, in pieces").format(size=size)))
    else:
        facts.append((_tr("offset"), f"0x{location.offset:X} · {size}"))
    if location.checksum:
        kind, _, digits = location.checksum.partition(" ")
        facts.append((kind, digits) if digits else (_tr("checksum"), kind))
    return facts


def contents(held: Contents) -> list[Fact]:
    """What an artifact holds and what not."""
    words = {Tri.YES: _tr("yes"), Tri.NO: _tr("no"), Tri.PARTLY: _tr("partly")}
    return [
        (_tr("weights"), words[held.weights]),
        (_tr("architecture"), words[held.architecture]),
        (_tr("optimizer state"), words[held.optimizer]),
        (_tr("loss and metrics"), words[held.compile]),
        (_tr("signatures"), words[held.signatures]),
    ]


def origin(artifact: Artifact) -> list[Fact]:
    """Where an artifact is and who wrote it."""
    producer = artifact.producer
    facts = [
        (_tr("path"), artifact.path),
        (_tr("format"), artifact.format_name),
        (_tr("size"), bytes_text(artifact.size)),
        ("TensorFlow", producer.tensorflow),
        ("Keras", producer.keras),
        (_tr("backend"), producer.backend),
        (_tr("written by"), producer.program),
    ]
    return [(name, value) for name, value in facts if value]
