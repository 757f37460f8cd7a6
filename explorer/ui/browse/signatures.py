"""The Signatures tab: every signature with its tensors, and every concrete function."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.snippets import in_order, is_callable, signature_code
from explorer.formats.artifact import (
    Artifact,
    MetaGraphOps,
    NodeType,
    SavedFunction,
    Signature,
    SignatureTensor,
)
from explorer.formats.text import type_and_shape
from explorer.ui.background import Background
from explorer.ui.browse.tables import SharedTable
from explorer.ui.icons import node_icon
from explorer.ui.tables import RowsModel, Table
from explorer.ui.widgets import Card, button, chip, clear_layout, label, page_scroll

_NARROW = 860  # pixels of a card below which the tables stand one above the other
_COPIED = 1500  # milliseconds that the button says so


class SignaturesTab(QWidget):
    """Shows an artifact's signatures and functions. ``predict_asked`` carries a signature's key."""

    predict_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._artifact: Artifact | None = None
        self._waiting: list[Signature] = []
        self._reads = Background(self)
        self._next = QTimer(self, interval=0)
        self._next.timeout.connect(self._add_card)
        self.cards = QWidget()
        self.cards.setObjectName("signatures.list")
        self.cards.setAccessibleName(self.tr("Signatures"))
        self._cards = QVBoxLayout(self.cards)
        self._cards.setContentsMargins(0, 0, 0, 0)
        self._cards.setSpacing(12)
        self.functions = FunctionsCard()
        self._operations = QVBoxLayout()
        self._operations.setSpacing(12)
        self._reason = label("", "muted", wrap=True, name="signatures.reason")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._scroll())

    def _scroll(self) -> QScrollArea:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(18, 14, 18, 18)
        column.setSpacing(12)
        column.addWidget(self.cards)
        column.addWidget(self.functions)
        column.addLayout(self._operations)
        column.addWidget(self._reason)
        column.addStretch(1)
        return page_scroll(body)

    def show_artifact(self, artifact: Artifact | None) -> None:
        """Show another artifact; the cards are made one by one, so that nothing stalls."""
        if artifact is self._artifact:
            return
        self._artifact = artifact
        clear_layout(self._cards)
        self.functions.hide()
        self._reason.hide()
        self._reads.drop()
        clear_layout(self._operations)
        self._waiting = in_order(artifact.signatures) if artifact else []
        if artifact is not None:
            self._next.start()
            self._reads.run(
                lambda: (artifact.functions(), artifact.operations()),
                lambda found: self._show_graph(*found),
                self._show_reason,
            )

    def _show_graph(
        self, functions: Sequence[SavedFunction], operations: Sequence[MetaGraphOps]
    ) -> None:
        self.functions.show_functions(functions)
        for kinds in operations:
            if kinds.names:
                self._operations.addWidget(_operations_card(kinds, self))

    def _add_card(self) -> None:
        artifact = self._artifact
        if not self._waiting or artifact is None:
            self._next.stop()
            return
        card = SignatureCard(artifact, self._waiting.pop(0))
        card.predict_asked.connect(self.predict_asked)
        self._cards.addWidget(card)

    def _show_reason(self, error: Exception) -> None:
        text = self.tr("The functions cannot be listed: {why}")
        self._reason.setText(text.format(why=str(error) or type(error).__name__))
        self._reason.show()


class SignatureCard(Card):
    """One signature: inputs beside outputs."""

    predict_asked = Signal(str)

    def __init__(self, artifact: Artifact, signature: Signature) -> None:
        super().__init__()
        self._artifact, self._signature = artifact, signature
        name = f"signatures.{signature.key}"
        self.setObjectName(name)
        self.body.addLayout(self._heading(name))
        self._tables = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._tables.setSpacing(18)
        for title, key, tensors in (
            (self.tr("Input"), "inputs", signature.inputs),
            (self.tr("Output"), "outputs", signature.outputs),
        ):
            column = QVBoxLayout()
            column.addWidget(_tensor_table(f"{name}.{key}", title, tensors, self))
            column.addStretch(1)
            self._tables.addLayout(column, 1)
        self.body.addLayout(self._tables)

    def _heading(self, name: str) -> QHBoxLayout:
        signature = self._signature
        row = QHBoxLayout()
        row.setSpacing(8)
        self._badge = QLabel()
        self._draw_badge()
        row.addWidget(self._badge)
        row.addWidget(label(signature.key, "cardTitle"))
        if signature.method:
            row.addWidget(chip(signature.method))
        if signature.tag_set:
            tags = chip(", ".join(signature.tag_set))
            tags.setToolTip(self.tr("Tag set of the meta graph"))
            row.addWidget(tags)
        row.addStretch(1)
        if is_callable(signature):
            self._add_buttons(row, name)
        else:
            row.addWidget(label(self.tr("runs by itself when the model is loaded"), "small"))
        return row

    def _add_buttons(self, row: QHBoxLayout, name: str) -> None:
        signature = self._signature
        self._copy = button(
            self.tr("Copy as code"),
            f"{name}.copy",
            tip=self.tr("Copy Python code that loads the artifact and calls this signature"),
        )
        self._copy.clicked.connect(self._copy_code)
        predict = button(
            self.tr("Predict"),
            f"{name}.predict",
            role="primary",
            tip=self.tr("Load the artifact and run this signature"),
        )
        predict.clicked.connect(lambda: self.predict_asked.emit(signature.key))
        row.addWidget(self._copy)
        row.addWidget(predict)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = event.size().width() < _NARROW
        direction = QBoxLayout.Direction
        self._tables.setDirection(direction.TopToBottom if narrow else direction.LeftToRight)

    def _draw_badge(self) -> None:
        self._badge.setPixmap(node_icon(NodeType.SIGNATURE).pixmap(14, 14))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw_badge()

    def _copy_code(self) -> None:
        QGuiApplication.clipboard().setText(signature_code(self._artifact, self._signature))
        self._copy.setText(self.tr("Copied"))
        QTimer.singleShot(_COPIED, self._copy, lambda: self._copy.setText(self.tr("Copy as code")))


def _tensor_table(
    name: str, title: str, tensors: Sequence[SignatureTensor], owner: QWidget
) -> Table:
    headers = (title, owner.tr("dtype"), owner.tr("Shape"), owner.tr("Graph tensor"))
    model = RowsModel(headers, mono=(1, 2, 3), muted=(1, 3), parent=owner)
    model.set_rows((t.name, *type_and_shape(t), t.graph_tensor) for t in tensors)
    return Table(model, name, title)


class FunctionsCard(Card):
    """The concrete functions of the object graph, one row each; the chosen one below in full."""

    def __init__(self) -> None:
        super().__init__(self.tr("Concrete functions"))
        self.count = chip("0", name="signatures.functions.count")
        self.title_row.addWidget(self.count)
        self.title_row.addStretch(1)
        headers = (self.tr("Function"), self.tr("Called with"), self.tr("Returns"))
        self.model = RowsModel(headers, mono=(0, 1, 2), parent=self)
        self.table = SharedTable(
            self.model, "signatures.functions", self.tr("Concrete functions"), (28, 50, 22)
        )
        self._whole = label("", "mono", wrap=True, name="signatures.function")
        self._whole.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._inset = QFrame()
        self._inset.setProperty("role", "inset")
        QVBoxLayout(self._inset).addWidget(self._whole)
        self.table.selectionModel().currentRowChanged.connect(
            lambda current, _old: self._show_whole(current.row())
        )
        self.body.addWidget(self._inset)
        self.body.addWidget(self.table)
        self.hide()

    def show_functions(self, functions: Sequence[SavedFunction]) -> None:
        """Show every variant of every function."""
        rows = [row for function in functions for row in _variants(function)]
        self.count.setText(f"{len(rows):,}")
        self.model.set_rows(rows)
        self._inset.hide()
        self.setVisible(bool(rows))

    def _show_whole(self, row: int) -> None:
        """The chosen function with nothing cut off."""
        self._inset.setVisible(row >= 0)
        if row >= 0:
            name, called_with, returns = self.model.rows()[row]
            self._whole.setText(f"{name}({called_with})\n→ {returns}")


def _operations_card(kinds: MetaGraphOps, owner: QWidget) -> Card:
    card = Card(owner.tr("Operations"))
    card.title_row.addWidget(chip(f"{len(kinds.names):,}"))
    card.title_row.addWidget(chip(", ".join(kinds.tag_set)))
    card.title_row.addStretch(1)
    names = label(", ".join(kinds.names), "mono", wrap=True, name="signatures.operations")
    names.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    card.body.addWidget(names)
    return card


def _variants(function: SavedFunction) -> list[tuple[str, str, str]]:
    name = f"{function.owner}.{function.name}" if function.owner else function.name
    return [
        (name, ", ".join(variant.arguments), ", ".join(variant.returns))
        for variant in function.variants
    ]
