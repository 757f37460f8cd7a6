"""Predict: load an artifact the way the notes do, give it input, run it, compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.export import export_npz
from explorer.engine.messages import Loaded, ModelRef
from explorer.formats.text import duration_text
from explorer.ui.background import Background
from explorer.ui.engine_link import EngineLink
from explorer.ui.library import title_of
from explorer.ui.notices import Notice, Question, notice_for
from explorer.ui.predict.agreement_card import AgreementCard
from explorer.ui.predict.code import code_of
from explorer.ui.predict.header import Header
from explorer.ui.predict.input_card import InputCard
from explorer.ui.predict.jobs import PredictJobs, Run
from explorer.ui.predict.load_card import LoadCard
from explorer.ui.predict.outputs_card import OutputsCard
from explorer.ui.predict.runs_card import RunsCard
from explorer.ui.predict.signature_card import SignatureCard
from explorer.ui.session import ArtifactEntry, Checked, Entry, Session
from explorer.ui.widgets import label, page_scroll


class PredictPage(QWidget):
    """Shows the jobs of the current entry; those of others go on meanwhile."""

    def __init__(self, session: Session, engine: EngineLink) -> None:
        super().__init__()
        self.setObjectName("page.predict")
        self.setProperty("role", "page")
        self._session, self._engine = session, engine
        self._jobs: PredictJobs | None = None
        self._all_jobs: list[PredictJobs] = []
        self._shown_run: Run | None = None
        self._exporting = Background(self)
        self.header = Header()
        self.loading = LoadCard()
        self.signatures = SignatureCard()
        self.agreement = AgreementCard()
        self.input = InputCard()
        self.outputs = OutputsCard()
        self._runs_card = RunsCard()
        self.runs = self._runs_card.model
        self._arrange()
        self._connect()
        self.show_entry(None)

    # Layout

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty_page())
        self._stack.addWidget(self._body())
        column.addWidget(self._stack, 1)

    def _empty_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.addStretch(1)
        for text, role in (
            (self.tr("Nothing to run yet"), "title"),
            (
                self.tr(
                    "Choose a model or an artifact in the library, drop a file on the window, or "
                    "train a model in the Lab."
                ),
                "muted",
            ),
        ):
            row = QHBoxLayout()
            row.addStretch(1)
            row.addWidget(label(text, role))
            row.addStretch(1)
            column.addLayout(row)
        column.addStretch(2)
        return page

    def _body(self) -> QWidget:
        body, left, right = QWidget(), QWidget(), QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(18, 14, 18, 14)
        grid.setHorizontalSpacing(14)
        grid.setColumnStretch(1, 1)
        cards = _column(left)
        for card in (self.loading, self.signatures, self.agreement):
            cards.addWidget(card)
        cards.addStretch(1)
        area = page_scroll(left)
        area.setFixedWidth(376)
        grid.addWidget(area, 0, 0)
        arrays = _column(right)
        arrays.addWidget(self.input, 2)
        arrays.addWidget(self.outputs, 3)
        arrays.addWidget(self._runs_card)
        grid.addWidget(page_scroll(right), 0, 1)
        return body

    def _connect(self) -> None:
        self.header.run.clicked.connect(self.run)
        self.header.cancel.clicked.connect(self.cancel)
        self.header.code.clicked.connect(self._copy_code)
        self.header.export.clicked.connect(self._ask_export)
        self.loading.load_asked.connect(self.load)
        self.loading.changed.connect(self._unload)
        self._session.changed.connect(self._drop_removed)
        self._session.counted.connect(self._show_counted)

    # Which entry

    def show_entry(self, entry: Entry | None) -> None:
        """Show what is loaded and run of ``entry``; what runs for another one goes on."""
        jobs = self._jobs_of(entry) if entry is not None else None
        if jobs is self._jobs and jobs is not None:
            return
        self._keep_choices()
        self._jobs = jobs
        self._stack.setCurrentIndex(0 if entry is None else 1)
        self.loading.show_entry(entry, jobs.source if jobs is not None else None)
        self._show_loaded()
        self._show_jobs()

    def _jobs_of(self, entry: Entry) -> PredictJobs:
        for jobs in self._all_jobs:
            if jobs.entry is entry:
                return jobs
        jobs = PredictJobs(entry, self._session, self._engine, self)
        self._all_jobs.append(jobs)
        jobs.noticed.connect(self._session.notice)
        jobs.changed.connect(lambda: self._show_jobs() if jobs is self._jobs else None)
        jobs.loaded_now.connect(lambda loaded: self._take_loaded(jobs, loaded))
        jobs.ran.connect(lambda run: self._take_run(jobs, run))
        return jobs

    def _drop_removed(self) -> None:
        """Let go of entries that left the library, and say so where something ran for one."""
        kept = {id(entry) for entry in (*self._session.models, *self._session.artifacts)}
        for jobs in [jobs for jobs in self._all_jobs if id(jobs.entry) not in kept]:
            self._all_jobs.remove(jobs)
            if jobs.busy:
                title = self.tr("What ran for {name} was stopped").format(name=title_of(jobs.entry))
                text = self.tr("It was removed from the library or opened again.")
                self._session.notice.emit(Notice("info", title, text))
            jobs.unload()
            if jobs is self._jobs:
                self.show_entry(None)
            jobs.deleteLater()

    def _show_counted(self, entry: ArtifactEntry) -> None:
        if self._jobs is None or self._jobs.source is None:
            self.loading.show_counted(entry)

    def _keep_choices(self) -> None:
        """What the editors say is to be there again when the entry is shown again."""
        if self._jobs is not None and not self._jobs.busy:
            self._jobs.call = self.signatures.call()

    def choose_signature(self, key: str) -> None:
        """The signature to show, now or once the artifact is loaded."""
        if self._jobs is not None:
            self._jobs.wanted_signature = key
        self.signatures.choose(key)

    # What is shown

    def _show_loaded(self) -> None:
        jobs = self._jobs
        if jobs is not None and jobs.loaded is not None:
            self.signatures.show_signatures(jobs.loaded.signatures, jobs.call, jobs.test_set)
        else:
            self.signatures.clear()

    def _show_jobs(self) -> None:
        jobs = self._jobs
        self.header.show_jobs(jobs, can_load=jobs is not None and self.loading.can_load())
        self.loading.set_busy(self.busy)
        run = jobs.last_run if jobs is not None else None
        if run is not self._shown_run:
            self._shown_run = run
            self.input.show_inputs(run.inputs if run else {}, run.remarks if run else ())
            self.outputs.show_outputs(run.outputs if run else {})
        earlier = self._earlier_text(jobs)
        self.input.show_earlier(earlier)
        self.outputs.show_earlier(earlier)
        self.agreement.show_comparison(jobs.comparison if jobs is not None else None)

    def _earlier_text(self, jobs: PredictJobs | None) -> str:
        """When what is shown was run, where a later run did not end."""
        if jobs is None or jobs.last_run is None or not jobs.failed_since:
            return ""
        return self.tr("Of the run at {when}; the one after it gave no outputs.").format(
            when=jobs.last_run.when
        )

    @property
    def busy(self) -> bool:
        """Whether something runs or waits for the entry that is shown."""
        return self._jobs is not None and self._jobs.busy

    # Jobs

    def cancel(self) -> None:
        """Stop what runs or waits for the entry that is shown."""
        if self._jobs is not None:
            self._jobs.cancel()

    def load(self) -> None:
        """Load the artifact, after a question where this program did not write it."""
        self._load(then_run=False)

    def run(self) -> None:
        """Run the signature on the inputs; loads first where that was not done."""
        call = self.signatures.call()
        if self._jobs is None or self._jobs.busy:
            return
        if call is None:
            self._load(then_run=True)
        else:
            self._jobs.start(call)

    def _load(self, *, then_run: bool) -> None:
        jobs, source = self._jobs, self.loading.source()
        if jobs is None or jobs.busy or source is None:
            return
        demo, entry = self.loading.settings(), jobs.entry
        if isinstance(source, ModelRef) or not isinstance(entry, ArtifactEntry):
            jobs.load(source, demo, then_run=then_run)
            return

        def load(checked: Checked) -> None:
            """Just these bytes: the engine refuses what takes their place meanwhile."""
            exact = msgspec.structs.replace(source, digest=checked.digest)
            jobs.load(exact, demo, then_run=then_run)

        def trust(checked: Checked) -> None:
            entry.trusted = checked.digest
            load(checked)

        def consider(checked: Checked) -> None:
            if self._session.needs_question(entry, checked):
                self._ask(entry, lambda: trust(checked))
            else:
                load(checked)

        if entry.made is None and entry.trusted is None:
            self._ask(entry, lambda: jobs.check(trust))
        else:
            jobs.check(consider)

    def _ask(self, entry: ArtifactEntry, load: Callable[[], None]) -> None:
        """Ask whether to load what this program did not write."""
        written = self.tr("This program did not write it.")
        if entry.changed:
            written = self.tr(
                "This program wrote it, but something else lies there now: its bytes have changed "
                "since it was opened."
            )
        elif entry.trusted is not None:
            written = self.tr(
                "This program did not write it, and its bytes have changed since you agreed to "
                "load it."
            )
        Question(
            self.window(),
            self.tr("Load {name}?").format(name=entry.artifact.name),
            self.tr(
                "{written} Loading a model can run code found in it, with all your rights: there "
                "is no sandbox yet. Browsing it needs no loading. Load it only if you trust where "
                "it comes from."
            ).format(written=written),
            self.tr("Load it"),
            lambda yes: load() if yes else None,
        ).open()

    def _unload(self) -> None:
        if self._jobs is not None:
            self._jobs.unload()
        self._show_loaded()

    def _take_loaded(self, jobs: PredictJobs, loaded: Loaded) -> None:
        text = self.tr("{name} loaded in {time}")
        self._session.action_timed.emit(
            text.format(name=title_of(jobs.entry), time=duration_text(loaded.seconds))
        )
        if jobs is self._jobs:
            self._show_loaded()

    def _take_run(self, jobs: PredictJobs, run: Run) -> None:
        self._runs_card.add(jobs.entry, run)
        text = self.tr("{name} ran in {time}")
        self._session.action_timed.emit(
            text.format(name=title_of(jobs.entry), time=duration_text(run.seconds))
        )

    # Taking it away

    def _copy_code(self) -> None:
        jobs, signature = self._jobs, self.signatures.current()
        if jobs is None or jobs.loaded is None or signature is None:
            return
        if isinstance(jobs.entry, ArtifactEntry):
            code = code_of(jobs.entry.artifact, jobs.loaded, signature)
            QGuiApplication.clipboard().setText(code)
            self._session.action_timed.emit(self.tr("The code is on the clipboard"))

    def _ask_export(self) -> None:
        dialog = QFileDialog(self, self.tr("Export outputs"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("npz")
        dialog.setNameFilter(self.tr("NumPy archive (*.npz)"))
        dialog.selectFile("outputs.npz")
        dialog.fileSelected.connect(lambda path: self.export(Path(path)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def export(self, path: Path) -> None:
        """Write the outputs of the last run to an ``.npz`` file."""
        arrays = dict(self.outputs.outputs())
        written = self.tr("Outputs written to {name}").format(name=path.name)
        title = self.tr("The outputs were not written")
        self._exporting.run(
            lambda: export_npz(arrays, path),
            lambda _none: self._session.action_timed.emit(written),
            lambda error: self._session.notice.emit(notice_for(title, error)),
        )


def _column(holder: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(12)
    return column
