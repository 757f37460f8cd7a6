"""One input of a signature: where its values come from."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.inputs import Choice, Source, Wanted
from explorer.formats.text import tuple_text
from explorer.ui.widgets import ElidedLabel, Segmented, button, chip, describe, label, spin_box


class InputEditor(QFrame):
    """Edits a `Choice` for one input. ``passed_as`` is the keyword used in the call."""

    def __init__(self, wanted: Wanted, has_test_set: bool) -> None:
        super().__init__()
        self.setProperty("role", "inset")
        self.setObjectName(f"predict.input.{wanted.name}")
        self.wanted = wanted
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 12)
        column.setSpacing(7)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(ElidedLabel(wanted.name, "strong"), 1)
        row.addWidget(chip(wanted.dtype))
        row.addWidget(chip(tuple_text(wanted.shape), "code"))
        column.addLayout(row)
        self.source = Segmented(
            f"{self.objectName()}.source", self._sources(has_test_set), self.tr("Values")
        )
        column.addWidget(self.source)
        self._fields: dict[str, QWidget] = {}
        self._add_fields(column)
        self.source.chosen.connect(self._show_fields)

    def _sources(self, has_test_set: bool) -> list[tuple[str, str]]:
        sources = [
            (Source.RANDOM.value, self.tr("Random")),
            (Source.ZEROS.value, self.tr("Zeros")),
            (Source.FILE.value, self.tr("File")),
            (Source.TYPED.value, self.tr("Type")),
        ]
        if self.wanted.is_text:
            sources = [sources[3], sources[2]]
        if has_test_set:
            sources.insert(0, (Source.TEST_SET.value, self.tr("Test set")))
        return sources

    # Fields

    def _add_fields(self, column: QVBoxLayout) -> None:
        self.rows = self._spin("rows", self.tr("Rows"), 1, 1_000_000)
        self.seed = self._spin("seed", self.tr("Seed"), 0, 2_147_483_647)
        self.dimensions = self._line("dimensions", self.tr("Further dimensions"), "10, 3")
        self.path = self._line("path", self.tr("File"), self.tr(".npy, .npz, .csv or .txt"))
        self.take = self._line("take", self.tr("Rows"), self.tr("all, a count, or 0-9"))
        self.text = QPlainTextEdit()
        self.text.setFixedHeight(92)
        self.text.setPlaceholderText(
            self.tr("One text per line")
            if self.wanted.is_text
            else self.tr("One row per line: 0.1, 0.2, 0.3")
        )
        describe(self.text, f"{self.objectName()}.text", self.tr("Typed values"))
        self.keyword = self._line("keyword", self.tr("Passed as"), self.wanted.name)
        self.keyword.setToolTip(
            self.tr("The keyword in the call; change it to see what the library says of another.")
        )
        numbers = QHBoxLayout()
        numbers.setSpacing(12)
        numbers.addWidget(self._captioned("rows", self.tr("Rows"), self.rows))
        numbers.addWidget(self._captioned("seed", self.tr("Seed"), self.seed, narrow=True))
        column.addLayout(numbers)
        column.addWidget(
            self._captioned("dimensions", self.tr("Further dimensions"), self.dimensions)
        )
        column.addWidget(self._captioned("path", self.tr("File"), self._path_row()))
        self._fields["text"] = self.text
        column.addWidget(self.text)
        column.addWidget(self._captioned("take", self.tr("Rows"), self.take))
        column.addWidget(self._captioned("keyword", self.tr("Passed as"), self.keyword))

    def _captioned(self, key: str, text: str, field: QWidget, *, narrow: bool = False) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        caption = label(text, "small")
        caption.setFixedWidth(32 if narrow else 84)
        caption.setWordWrap(True)
        caption.setBuddy(field)
        row.addWidget(caption)
        row.addWidget(field, 1)
        self._fields[key] = holder
        return holder

    def _spin(self, key: str, accessible: str, low: int, high: int) -> QSpinBox:
        return spin_box(f"{self.objectName()}.{key}", accessible, low, high)

    def _line(self, key: str, accessible: str, hint: str) -> QLineEdit:
        line = QLineEdit()
        line.setPlaceholderText(hint)
        describe(line, f"{self.objectName()}.{key}", accessible)
        return line

    def _path_row(self) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        choose = button(
            self.tr("Choose…"), f"{self.objectName()}.choose", tip=self.tr("Choose a file")
        )
        choose.clicked.connect(self._choose_file)
        row.addWidget(self.path, 1)
        row.addWidget(choose)
        return holder

    def _choose_file(self) -> None:
        dialog = QFileDialog(self, self.tr("Choose a file of values"))
        dialog.setObjectName("predict.file")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(
            [self.tr("Values (*.npy *.npz *.csv *.tsv *.txt)"), self.tr("All files (*)")]
        )
        pick: Callable[[str], None] = self.path.setText
        dialog.fileSelected.connect(pick)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _show_fields(self) -> None:
        source = Source(self.source.key())
        generated = source in (Source.RANDOM, Source.ZEROS)
        shape = self.wanted.shape
        unknown = 2 if shape is None else sum(size is None for size in shape)
        shown = {
            "rows": generated and unknown > 0,
            "dimensions": generated and unknown > 1,
            "seed": source is Source.RANDOM,
            "path": source is Source.FILE,
            "text": source is Source.TYPED,
            "take": source in (Source.FILE, Source.TEST_SET),
            "keyword": True,
        }
        for key, visible in shown.items():
            self._fields[key].setVisible(visible)

    # Value

    def set(self, choice: Choice, passed_as: str) -> None:
        """Show a choice; an empty ``passed_as`` is the input's own name."""
        self.rows.setValue(choice.rows)
        self.dimensions.setText(choice.dimensions)
        self.seed.setValue(choice.seed)
        self.path.setText(choice.path)
        self.text.setPlainText(choice.text)
        self.take.setText(choice.take)
        self.keyword.setText(passed_as)
        self.source.choose(choice.source.value)

    def choice(self) -> Choice:
        """What the fields say."""
        return Choice(
            source=Source(self.source.key()),
            rows=self.rows.value(),
            dimensions=self.dimensions.text(),
            seed=self.seed.value(),
            path=self.path.text().strip(),
            text=self.text.toPlainText(),
            take=self.take.text(),
        )

    def passed_as(self) -> str:
        """The keyword to use in the call."""
        return self.keyword.text().strip() or self.wanted.name
