"""Predict: load an artifact the way the notes do, give it input, run it, compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.array_files import UnusableInput
from explorer.analysis.export import export_npz
from explorer.analysis.inputs import make_input
from explorer.analysis.snippets import model_code, signature_code
from explorer.engine.messages import (
    CallSignature,
    Failed,
    Loaded,
    Predicted,
    TestSet,
    TestSetMade,
)
from explorer.formats.artifact import SignatureTensor
from explorer.formats.text import duration_text
from explorer.lab.catalog import DemoSettings
from explorer.ui.background import Background
from explorer.ui.engine_link import EngineLink, Task
from explorer.ui.library import title_of
from explorer.ui.notices import Notice, Question, notice_for
from explorer.ui.predict.agreement_card import AgreementCard
from explorer.ui.predict.input_card import InputCard
from explorer.ui.predict.load_card import LoadCard
from explorer.ui.predict.outputs_card import OutputsCard
from explorer.ui.predict.signature_card import SignatureCard
from explorer.ui.session import ArtifactEntry, Entry, Session
from explorer.ui.widgets import (
    Card,
    ElidedLabel,
    RowsModel,
    Table,
    button,
    chip,
    label,
    page_scroll,
    set_tone,
)


class PredictPage(QWidget):
    """Loads and runs the current model or artifact."""

    def __init__(self, session: Session, engine: EngineLink) -> None:
        super().__init__()
        self.setObjectName("page.predict")
        self.setProperty("role", "page")
        self._session, self._engine = session, engine
        self._entry: Entry | None = None
        self._loaded: Loaded | None = None
        self._task: Task | None = None
        self._is_making = False  # the inputs of a run, in the pool
        self._wanted_signature = ""
        self._run_after_load = False
        self._test_set: Mapping[str, np.ndarray] = {}
        self._making = Background(self)
        self._build()
        self.show_entry(None)

    # Layout

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header())
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty_page())
        self._stack.addWidget(self._body())
        column.addWidget(self._stack, 1)

    def _header(self) -> QFrame:
        header = QFrame()
        header.setProperty("role", "header")
        row = QHBoxLayout(header)
        row.setContentsMargins(18, 10, 18, 10)
        row.setSpacing(8)
        names = QVBoxLayout()
        names.setSpacing(4)
        first = QHBoxLayout()
        first.setSpacing(8)
        self._name = ElidedLabel("", "title", name="predict.name")
        self._format = chip("", "accent")
        self._state = chip("", name="predict.state")
        self._name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        first.addWidget(self._name)
        first.addWidget(self._format)
        first.addWidget(self._state)
        first.addStretch(1)
        names.addLayout(first)
        self._how = ElidedLabel("", "monoMuted", name="predict.how")
        names.addWidget(self._how)
        row.addLayout(names, 1)
        row.addSpacing(12)
        for widget in self._header_buttons():
            row.addWidget(widget)
        return header

    def _header_buttons(self) -> Sequence[QWidget]:
        self._code = button(
            self.tr("Copy as code"), "predict.code", tip=self.tr("Python that does the same")
        )
        self._code.clicked.connect(self._copy_code)
        self._export = button(
            self.tr("Export outputs…"), "predict.export", tip=self.tr("Write them to an .npz file")
        )
        self._export.clicked.connect(self._ask_export)
        self.cancel_button = button(self.tr("Cancel"), "predict.cancel", shortcut="Esc")
        self.cancel_button.clicked.connect(self.cancel)
        self.run_button = button(
            self.tr("Run"), "predict.run", role="primary", shortcut="Ctrl+Return"
        )
        self.run_button.clicked.connect(self.run)
        return self._code, self._export, self.cancel_button, self.run_button

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
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(18, 14, 18, 14)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(12)
        grid.setColumnStretch(1, 1)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        self.loading = LoadCard()
        self.loading.load_asked.connect(self.load)
        self.loading.changed.connect(self._unload)
        self.agreement = AgreementCard(self._session, self._engine)
        self.signatures = SignatureCard()
        for card in (self.loading, self.signatures, self.agreement):
            column.addWidget(card)
        column.addStretch(1)
        area = page_scroll(left)
        area.setFixedWidth(372)
        grid.addWidget(area, 0, 0)
        right_body = QWidget()
        right = QVBoxLayout(right_body)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(12)
        self.input = InputCard()
        right.addWidget(self.input, 2)
        self.outputs = OutputsCard()
        right.addWidget(self.outputs, 3)
        right.addWidget(self._runs_card())
        grid.addWidget(page_scroll(right_body), 0, 1)
        return body

    def _runs_card(self) -> Card:
        card = Card(self.tr("Runs"))
        headers = [self.tr("Artifact"), self.tr("Input"), self.tr("When"), self.tr("Time")]
        self.runs = RowsModel(headers, mono=(3,), right=(3,), muted=(1, 2), parent=self)
        table = Table(self.runs, "predict.runs", self.tr("Runs so far"), fit=False)
        table.setFixedHeight(118)
        card.body.addWidget(table)
        return card

    # What is shown

    def show_entry(self, entry: Entry | None) -> None:
        """Make ``entry`` what is loaded and run; what runs for another one is stopped."""
        if entry is self._entry and entry is not None:
            return
        self.cancel()
        self._entry = entry
        self._stack.setCurrentIndex(0 if entry is None else 1)
        self._name.setText(title_of(entry) if entry is not None else self.tr("Predict"))
        self._format.setVisible(entry is not None)
        artifact = isinstance(entry, ArtifactEntry)
        self._format.setText(entry.artifact.format_name if artifact else self.tr("in memory"))  # type: ignore[union-attr]
        self.loading.show_entry(entry)
        self._unload()

    def choose_signature(self, key: str) -> None:
        """The signature to show once the artifact is loaded."""
        self._wanted_signature = key
        self.signatures.choose(key)

    def _unload(self) -> None:
        self._loaded = None
        self._test_set = {}
        self.signatures.clear()
        self.input.show_inputs({})
        self.outputs.clear()
        self.agreement.clear()
        self._show_state()

    def _show_state(self) -> None:
        busy, loaded = self.busy, self._loaded
        if busy:
            set_tone(self._state, self.tr("working"), "accent")
        elif loaded is not None:
            text = self.tr("loaded in {time}").format(time=duration_text(loaded.seconds))
            set_tone(self._state, text, "ok")
        else:
            set_tone(self._state, self.tr("not loaded"), "neutral")
        self._state.setVisible(self._entry is not None)
        self._how.setText(loaded.call if loaded is not None else "")
        self._how.setVisible(loaded is not None)
        can_run = self._entry is not None and self.loading.can_load() and not busy
        self.run_button.setEnabled(can_run)
        self.run_button.setVisible(self._entry is not None)
        self.cancel_button.setVisible(busy)
        self._code.setVisible(loaded is not None and isinstance(self._entry, ArtifactEntry))
        self._export.setVisible(bool(self.outputs.outputs()))
        self.loading.set_busy(busy)

    @property
    def busy(self) -> bool:
        """Whether a job of this page runs."""
        return self._task is not None or self._is_making

    def _begin(self, task: Task, title: str) -> None:
        self._task = task
        self._is_making = False
        task.failed.connect(lambda failed: self._failed(title, failed))
        task.ended.connect(lambda: self._ended(task))
        self._show_state()

    def _ended(self, task: Task) -> None:
        if self._task is task:
            self._task = None
            self._show_state()

    def _failed(self, title: str, failed: Failed) -> None:
        self._run_after_load = False
        self._session.notice.emit(notice_for(title, failed))

    def cancel(self) -> None:
        """Stop what runs here."""
        self._run_after_load = False
        self._making.drop()
        self._is_making = False
        if self._task is not None:
            self._engine.cancel(self._task)
            self._task = None

    # Loading

    def load(self) -> None:
        """Load the artifact, after a question where this program did not write it."""
        entry = self._entry
        if entry is None or self.busy or not self.loading.can_load():
            return
        if not isinstance(entry, ArtifactEntry) or entry.may_load:
            self._load()
            return
        Question(
            self.window(),
            self.tr("Load {name}?").format(name=entry.artifact.name),
            self.tr(
                "This program did not write it. Loading a model can run code found in it, with "
                "all your rights: there is no sandbox yet. Browsing it needs no loading. Load it "
                "only if you trust where it comes from."
            ),
            self.tr("Load it"),
            lambda yes: self._trust(entry) if yes else self._do_not_load(),
        ).open()

    def _trust(self, entry: ArtifactEntry) -> None:
        entry.trusted = True
        if entry is self._entry:
            self._load()

    def _do_not_load(self) -> None:
        self._run_after_load = False

    def _load(self) -> None:
        source = self.loading.source()
        entry = self._entry
        if source is None or entry is None:
            return
        task = self._engine.load(source)
        task.done.connect(lambda loaded, _arrays: self._take_loaded(entry, loaded))
        self._begin(task, self.tr("{name} was not loaded").format(name=title_of(entry)))

    def _take_loaded(self, entry: Entry, loaded: Loaded) -> None:
        if entry is not self._entry:
            return
        self._loaded = loaded
        self._task = None
        self._session.action_timed.emit(
            self.tr("{name} loaded in {time}").format(
                name=title_of(entry), time=duration_text(loaded.seconds)
            )
        )
        if loaded.warnings:
            title = self.tr("Loaded, with a warning")
            self._session.notice.emit(Notice("warning", title, "\n".join(loaded.warnings)))
        settings = self.loading.settings()
        if settings is None:
            self._show_loaded()
        else:
            self._fetch_test_set(settings)

    def _fetch_test_set(self, settings: DemoSettings) -> None:
        loaded = self._loaded

        def done(made: TestSetMade, arrays: Sequence[np.ndarray]) -> None:
            if loaded is self._loaded:
                names = [header.name for header in made.inputs]
                self._test_set = dict(zip(names, arrays, strict=True))
                self._show_loaded()

        task = self._engine.submit(TestSet(settings))
        task.done.connect(done)
        task.failed.connect(lambda _failed: self._show_loaded())
        self._begin(task, self.tr("The test set was not made"))

    def _show_loaded(self) -> None:
        self._task = None
        if self._loaded is None:
            return
        wanted = self._wanted_signature or "serving_default"
        self.signatures.show_signatures(self._loaded.signatures, wanted, self._test_set)
        self._show_state()
        if self._run_after_load:
            self._run_after_load = False
            self.run()

    # Running

    def run(self) -> None:
        """Run the signature on the inputs; loads first where that was not done."""
        if self._entry is None or self.busy:
            return
        signature = self.signatures.current()
        if signature is None:
            self._run_after_load = True
            self.load()
            return
        self.outputs.clear()
        self.agreement.clear()
        choices = self.signatures.choices()
        test_set = self._test_set
        self._is_making = True
        self._show_state()
        self._making.run(
            lambda: {w.name: make_input(w, choice, test_set).values for w, choice in choices},
            lambda inputs: self._submit(signature, inputs),
            self._not_made,
        )

    def _not_made(self, error: Exception) -> None:
        self._is_making = False
        self._show_state()
        title = self.tr("The input does not fit")
        if isinstance(error, UnusableInput):
            self._session.notice.emit(Notice("error", title, str(error)))
        else:
            self._session.notice.emit(notice_for(title, error))

    def _submit(self, signature: CallSignature, inputs: Mapping[str, np.ndarray]) -> None:
        source, entry = self.loading.source(), self._entry
        if source is None or entry is None:
            return
        self.input.show_inputs(inputs)
        what = self.signatures.summary()
        passed_as = self.signatures.passed_as()
        task = self._engine.predict(source, signature.key, inputs, passed_as)
        task.done.connect(lambda value, arrays: self._take_outputs(entry, what, value, arrays))
        self._begin(task, self.tr("{name} did not run").format(name=title_of(entry)))

    def _take_outputs(
        self, entry: Entry, what: str, value: Predicted, arrays: Sequence[np.ndarray]
    ) -> None:
        names = [header.name for header in value.outputs]
        outputs = dict(zip(names, arrays, strict=True))
        now = time.strftime("%H:%M:%S")
        seconds = duration_text(value.seconds)
        self.runs.set_rows([(title_of(entry), what, now, seconds), *self.runs.rows()])
        self._session.action_timed.emit(
            self.tr("{name} ran in {time}").format(name=title_of(entry), time=seconds)
        )
        if entry is not self._entry:
            return
        self.outputs.show_outputs(outputs)
        self._show_state()
        self.agreement.check(entry, list(self.input.inputs().values()), outputs)

    # Taking it away

    def _copy_code(self) -> None:
        entry, signature = self._entry, self.signatures.current()
        if not isinstance(entry, ArtifactEntry) or signature is None or self._loaded is None:
            return
        stored = [s for s in entry.artifact.signatures if s.key == signature.key]
        if stored:
            code = signature_code(entry.artifact, stored[0])
        else:
            inputs = [SignatureTensor(t.name, t.dtype, t.shape) for t in signature.inputs]
            code = model_code(self._loaded.call, inputs)
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
        """Write inputs and outputs of the last run to an ``.npz`` file."""
        arrays = dict(self.outputs.outputs())
        done: Callable[[None], None] = lambda _none: self._session.action_timed.emit(  # noqa: E731
            self.tr("Outputs written to {name}").format(name=path.name)
        )
        title = self.tr("The outputs were not written")
        self._making.run(
            lambda: export_npz(arrays, path),
            done,
            lambda error: self._session.notice.emit(notice_for(title, error)),
        )
