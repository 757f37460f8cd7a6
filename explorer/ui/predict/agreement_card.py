"""Does it still predict the same: the run beside the models in memory, on the same input."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtWidgets import QGridLayout

from explorer.analysis.agreement import Agreement, Verdict
from explorer.formats.text import count_text
from explorer.ui.predict.comparison import Compared, Comparison
from explorer.ui.widgets import Card, ElidedLabel, chip, clear_layout, label

_TONES = {
    Verdict.SAME: "ok",
    Verdict.CLOSE: "ok",
    Verdict.DIFFERENT: "danger",
    Verdict.OTHER_OUTPUTS: "neutral",
}


class AgreementCard(Card):
    """One row for each model in memory that takes the same input."""

    def __init__(self) -> None:
        super().__init__(self.tr("Agreement"))
        self.setObjectName("predict.agreement")
        self.title_row.addWidget(label(self.tr("with the model in memory, same input"), "small"))
        self.title_row.addStretch(1)
        self._comparison: Comparison | None = None
        self._grid = QGridLayout()
        self._grid.setColumnStretch(0, 1)
        self._grid.setHorizontalSpacing(12)
        self.body.addLayout(self._grid)
        self._empty = label("", "small", wrap=True)
        self.body.addWidget(self._empty)
        self.show_comparison(None)

    def agreements(self) -> Mapping[str, Agreement]:
        """What was found, by the model's title."""
        rows = self._comparison.rows if self._comparison is not None else []
        return {row.model.title: row.found for row in rows if row.found is not None}

    def show_comparison(self, comparison: Comparison | None) -> None:
        """Show how a run compares, as far as it is found; ``None`` before any run."""
        self._comparison = comparison
        if comparison is None:
            text = self.tr("After a run: the largest difference from the model in memory.")
        elif not comparison.rows:
            text = self.tr("No model in memory takes this input. Train one in the Lab to compare.")
        else:
            text = ""
        self._empty.setText(text)
        self._empty.setVisible(bool(text))
        clear_layout(self._grid)
        for position, compared in enumerate(comparison.rows if comparison is not None else ()):
            self._add_row(2 * position, compared)

    def _add_row(self, row: int, compared: Compared) -> None:
        found = compared.found
        self._grid.addWidget(ElidedLabel(compared.model.title), row, 0)
        if found is None:
            text = self.tr("did not run") if compared.failed else self.tr("under way")
            verdict = chip(text, "warning" if compared.failed else "neutral")
        else:
            verdict = chip(found.verdict.value, _TONES[found.verdict], name="predict.verdict")
        number = label(_difference_text(found), "mono", name="predict.difference")
        self._grid.addWidget(number, row, 1)
        self._grid.addWidget(verdict, row, 2)
        if found is not None and (found.both_nan or found.one_nan):
            remark = label(self._nan_text(found), "small", wrap=True, name="predict.nan")
            self._grid.addWidget(remark, row + 1, 0, 1, 3)

    def _nan_text(self, found: Agreement) -> str:
        texts = []
        if found.both_nan:
            places = count_text(found.both_nan, self.tr("place"))
            texts.append(
                self.tr("Both answer NaN at {places}: counted as the same.").format(places=places)
            )
        if found.one_nan:
            places = count_text(found.one_nan, self.tr("place"))
            texts.append(self.tr("Only one answers NaN at {places}.").format(places=places))
        return " ".join(texts)


def _difference_text(found: Agreement | None) -> str:
    if found is None or found.difference is None:
        return "–"
    if not math.isfinite(found.difference):
        return "NaN" if found.one_nan else "∞"
    return f"{found.difference:.2g}" if found.difference else "0"
