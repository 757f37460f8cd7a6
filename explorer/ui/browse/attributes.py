"""The Attributes tab of the inspector: names and values, long ones to read in full and copy."""

from __future__ import annotations

import json
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPlainTextEdit,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from explorer.formats.artifact import Node
from explorer.ui.background import Background
from explorer.ui.browse.tables import SharedTable
from explorer.ui.tables import RowsModel
from explorer.ui.widgets import ElidedLabel, button, describe, label

_LONGEST_CELL = 300  # characters of a value in the table
_LONGEST_SHOWN = 200_000  # characters of a value in the text below; the copy has all
_SHORT = 34  # characters that the table shows without cutting


class AttributesPanel(QWidget):
    """Shows the attributes of a `Node`."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[tuple[str, str]] = ()
        self._reads = Background(self)
        self.model = RowsModel(
            (self.tr("Name"), self.tr("Value")), mono=(1,), muted=(0,), parent=self
        )
        self.table = SharedTable(
            self.model, "inspector.attributes", self.tr("Attributes"), (1, 2), fit=False
        )
        self.table.selectionModel().currentRowChanged.connect(
            lambda current, _old: self._show_value(current.row())
        )
        self._reason = label("", "muted", wrap=True, name="inspector.attributes.reason")
        self._value = self._make_value()
        self._lay_out()

    def _make_value(self) -> QWidget:
        holder = QWidget()
        self._name = ElidedLabel("", "strong", name="inspector.attributes.name")
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        describe(self.text, "inspector.attributes.value", self.tr("Value in full"))
        self.text.setToolTip("")
        copy = button(self.tr("Copy"), "inspector.attributes.copy", tip=self.tr("Copy the value"))
        copy.clicked.connect(self._copy)
        row = QHBoxLayout()
        row.addWidget(self._name, 1)
        row.addWidget(copy)
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 8, 0, 0)
        column.addLayout(row)
        column.addWidget(self.text, 1)
        holder.hide()
        return holder

    def _lay_out(self) -> None:
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.addWidget(self.table)
        split.addWidget(self._value)
        split.setSizes([300, 300])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._reason)
        column.addWidget(split, 1)

    def show_node(self, node: Node) -> None:
        """Show another node."""
        self._show_rows(())
        self._show_reason(self.tr("Reading…"))
        self._reads.run(
            lambda: list(node.attributes()),
            self._show_rows,
            lambda error: self._show_reason(str(error) or type(error).__name__),
        )

    def _show_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        self._rows = rows
        self._value.hide()
        self.model.set_rows((name, _one_line(value)) for name, value in rows)
        self._show_reason("" if rows else self.tr("It has no attributes."))
        long = [row for row, (_, value) in enumerate(rows) if not _is_short(value)]
        if len(rows) == 1 and long:
            self.table.selectRow(0)

    def _show_reason(self, reason: str) -> None:
        self._reason.setText(reason)
        self._reason.setVisible(bool(reason))
        self.table.setVisible(not reason)

    def _show_value(self, row: int) -> None:
        if not 0 <= row < len(self._rows):
            return
        name, value = self._rows[row]
        self._name.setText(name)
        text = _readable(value)
        if len(text) > _LONGEST_SHOWN:
            more = self.tr("… {count:,} more characters; Copy takes all of them.")
            text = f"{text[:_LONGEST_SHOWN]}\n{more.format(count=len(text) - _LONGEST_SHOWN)}"
        self.text.setPlainText(text)
        self._value.show()

    def _copy(self) -> None:
        row = self.table.currentIndex().row()
        if 0 <= row < len(self._rows):
            QGuiApplication.clipboard().setText(self._rows[row][1])


def _one_line(value: str) -> str:
    return " ".join(value[:_LONGEST_CELL].split())


def _is_short(value: str) -> bool:
    return len(value) <= _SHORT and "\n" not in value


def _readable(value: str) -> str:
    """JSON with a line per entry; anything else as it is."""
    if not value.lstrip().startswith(("{", "[")) or len(value) > _LONGEST_SHOWN:
        return value
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return value
