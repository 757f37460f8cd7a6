"""What was run so far, newest first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from explorer.analysis.inputs import Choice, Source
from explorer.formats.text import duration_text
from explorer.ui.library import title_of
from explorer.ui.predict.jobs import Run
from explorer.ui.session import Entry
from explorer.ui.tables import RowsModel, Table
from explorer.ui.widgets import Card

_HEIGHT = 118


class RunsCard(Card):
    """A table of every run, whichever artifact and signature it was of."""

    def __init__(self) -> None:
        super().__init__(self.tr("Runs"))
        headers = [
            self.tr("Artifact"),
            self.tr("Signature"),
            self.tr("Input"),
            self.tr("When"),
            self.tr("Time"),
        ]
        self.model = RowsModel(headers, mono=(1, 4), right=(4,), muted=(2, 3), parent=self)
        table = Table(self.model, "predict.runs", self.tr("Runs so far"), fit=False)
        table.setFixedHeight(_HEIGHT)
        self.body.addWidget(table)

    def add(self, entry: Entry, run: Run) -> None:
        """Put a run on top."""
        key, seconds = run.call.signature.key, duration_text(run.seconds)
        row = (title_of(entry), key, self._inputs(run), run.when, seconds)
        self.model.set_rows([row, *self.model.rows()])

    def _inputs(self, run: Run) -> str:
        """Where the values came from, each source once."""
        counted = Counter(self._source(choice) for choice in run.call.choices)
        texts = [text if count == 1 else f"{count} × {text}" for text, count in counted.items()]
        return " · ".join(texts) or self.tr("no input")

    def _source(self, choice: Choice) -> str:
        if choice.source is Source.FILE:
            return Path(choice.path).name
        return {
            Source.RANDOM: self.tr("random, seed {seed}").format(seed=choice.seed),
            Source.ZEROS: self.tr("zeros"),
            Source.TYPED: self.tr("typed"),
            Source.TEST_SET: self.tr("test set"),
        }[choice.source]
