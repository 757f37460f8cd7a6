"""The top of the Browse page: what the artifact is, who wrote it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QTabBar, QVBoxLayout, QWidget

from explorer.analysis.snippets import is_callable
from explorer.formats.artifact import Artifact, Producer
from explorer.formats.text import bytes_text, count_text, visible
from explorer.ui.session import VARIABLE_FORMATS, ArtifactEntry
from explorer.ui.widgets import ElidedLabel, button, chip, clear_layout, describe, label

TREE, SIGNATURES = "tree", "signatures"

_MOST_NOTES = 4
"""More would push the tree out of a small window."""


class Header(QWidget):
    """Name, chips, counts, notes and tabs. ``tab_chosen`` carries `TREE` or `SIGNATURES`."""

    tab_chosen = Signal(str)
    predict_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._name = ElidedLabel("", "title", name="browse.name")
        self._name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._chips = QHBoxLayout()
        self._chips.setSpacing(6)
        self._counts = QHBoxLayout()
        self._counts.setSpacing(14)
        self._notes = label("", wrap=True, name="browse.notes")
        self._notes.setProperty("role", "warning")
        self._notes.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._predict = button(
            self.tr("Load && predict"),
            "browse.predict",
            role="primary",
            tip=self.tr("Load the artifact and run it"),
            shortcut="Ctrl+Return",
        )
        self._predict.setAccessibleName(self.tr("Load and predict"))
        self._predict.clicked.connect(self.predict_asked)
        self._make_tabs()
        self._lay_out()

    def _make_tabs(self) -> None:
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        describe(
            self.tabs,
            "browse.tabs",
            self.tr("What is shown"),
            self.tr("Left and right change the tab"),
        )
        for key, title in ((TREE, self.tr("Tree")), (SIGNATURES, self.tr("Signatures"))):
            self.tabs.setTabData(self.tabs.addTab(title), key)
        self.tabs.currentChanged.connect(lambda tab: self.tab_chosen.emit(self.tabs.tabData(tab)))

    def _lay_out(self) -> None:
        first = QHBoxLayout()
        first.setSpacing(10)
        first.addWidget(self._name)
        first.addLayout(self._chips)
        first.addStretch(1)
        first.addWidget(self._predict)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 12, 18, 0)
        column.setSpacing(6)
        column.addLayout(first)
        column.addLayout(self._counts)
        column.addWidget(self._notes)
        column.addWidget(self.tabs)

    def show_entry(self, entry: ArtifactEntry) -> None:
        """Show another artifact, at the Tree tab."""
        artifact = entry.artifact
        self._name.setText(artifact.name)
        self.show_chips(entry)
        self.show_counts(entry)
        self._show_notes(artifact.notes)
        self._predict.setVisible(bool(entry.loaders))
        self.tabs.setCurrentIndex(0)
        self.tabs.setTabVisible(1, bool(artifact.signatures))

    def _show_notes(self, notes: Sequence[str]) -> None:
        """All of a few notes; of many the first alone, and the rest on pointing at it."""
        notes = [visible(note) for note in notes]
        shown = notes
        if len(notes) > _MOST_NOTES:
            shown = [notes[0], self.tr("… and {count} more").format(count=len(notes) - 1)]
        self._notes.setText("\n".join(shown))
        self._notes.setToolTip("\n".join(notes) if len(notes) > _MOST_NOTES else "")
        self._notes.setVisible(bool(notes))

    def offer_signatures(self) -> None:
        """Show the Signatures tab: the artifact turned out to have functions."""
        self.tabs.setTabVisible(1, True)

    def show_chips(self, entry: ArtifactEntry) -> None:
        """Say again what it is, who wrote it, and whether this program did."""
        clear_layout(self._chips)
        self._chips.addWidget(chip(entry.artifact.format_name, "accent", "browse.format"))
        for text in writer_texts(entry.artifact.producer):
            self._chips.addWidget(chip(text))
        self._chips.addWidget(_origin_chip(entry, self))

    def show_counts(self, entry: ArtifactEntry) -> None:
        """Say again how much there is; parameters and tensors are counted after opening."""
        clear_layout(self._counts)
        for text in _counts(entry.artifact, entry):
            self._counts.addWidget(label(text, "muted"))
        self._counts.addStretch(1)


def writer_texts(producer: Producer) -> list[str]:
    """``TensorFlow 2.4.1``, ``Keras 2.4.0``, a backend that is not TensorFlow, ``tf2onnx 1.16``."""
    texts = []
    if producer.tensorflow:
        texts.append(f"TensorFlow {producer.tensorflow}")
    if producer.keras:
        texts.append(f"Keras {producer.keras}")
    if producer.backend and producer.backend != "tensorflow":
        texts.append(f"{producer.backend} backend")
    if producer.program:
        texts.append(producer.program)
    return texts


def _origin_chip(entry: ArtifactEntry, owner: QWidget) -> QWidget:
    if entry.changed:
        changed = chip(owner.tr("changed since"), "warning", "browse.origin")
        changed.setToolTip(
            owner.tr(
                "This program wrote what is shown, but something else lies there now. Read it "
                "again to look at it; loading it asks first."
            )
        )
        return changed
    if entry.made_here:
        made = chip(owner.tr("made here"), "ok", "browse.origin")
        made.setToolTip(owner.tr("This program wrote it, and not a byte has changed since."))
        return made
    other = chip(owner.tr("from elsewhere"), "warning", "browse.origin")
    other.setToolTip(
        owner.tr("This program did not write it. Looking is safe; loading it asks first.")
    )
    return other


def _counts(artifact: Artifact, entry: ArtifactEntry) -> list[str]:
    stored = "variable" if artifact.format in VARIABLE_FORMATS else "tensor"
    texts = []
    if entry.parameters is not None and entry.tensor_count is not None:
        texts.append(count_text(entry.parameters, "parameter"))
        texts.append(count_text(entry.tensor_count, stored))
    signatures = sum(map(is_callable, artifact.signatures))
    if signatures:
        texts.append(count_text(signatures, "signature"))
    return [*texts, f"{bytes_text(artifact.size)} on disk"]
