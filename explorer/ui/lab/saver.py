"""Save jobs of the Lab: one method, or all that accept the model, with the questions they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtWidgets import QWidget

from explorer.engine.messages import Failed, Save, Saved
from explorer.formats.text import bytes_text, count_text, duration_text
from explorer.lab.catalog import SAVE_METHODS
from explorer.ui.engine_link import EngineLink, Task
from explorer.ui.notices import Notice, Question, notice_for
from explorer.ui.session import ModelEntry, Session

_LONGEST_NAME = 150
"""Bytes; file systems allow 255, and a save needs a longer temporary name for a while."""


@dataclass(frozen=True)
class _Step:
    """One save to be done."""

    method: str
    target: Path
    replace: bool


class Saver(QObject):
    """Runs saves one after the other. What is saved opens; a single one comes to the front."""

    busy_changed = Signal(bool)
    finished = Signal()

    def __init__(self, session: Session, engine: EngineLink, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._engine, self._window = session, engine, window
        self._task: Task | None = None

    @property
    def busy(self) -> bool:
        """Whether a save runs."""
        return self._task is not None

    def cancel(self) -> None:
        """Stop the save that runs; the old artifact stays."""
        if self._task is not None:
            self._engine.cancel(self._task)

    # One method

    def save(self, model: ModelEntry, method: str, name: str) -> None:
        """Save by one method to ``name`` in the workspace; asks before it replaces anything."""
        if problem := name_problem(name):
            self._session.notice.emit(Notice("error", self.tr("It was not saved"), problem))
            return
        target = self._session.places.workspace / name
        if not self._make_folder(target.parent):
            return
        if not target.exists():
            self._run_one(model, _Step(method, target, replace=False))
            return
        self._ask(
            self.tr("Replace {name}?").format(name=target.name),
            self.tr(
                "{path} exists. It is replaced once the new artifact is complete; if saving fails, "
                "it stays as it is."
            ).format(path=target),
            lambda: self._run_one(model, _Step(method, target, replace=True)),
        )

    def _run_one(self, model: ModelEntry, step: _Step) -> None:
        title = self.tr("{name} was not saved").format(name=step.target.name)
        task = self._submit(model, step)
        task.done.connect(lambda saved, _arrays: self._saved(saved, step, model, select=True))
        task.failed.connect(lambda failed: self._session.notice.emit(notice_for(title, failed)))
        task.ended.connect(self._end)

    # Every method

    def save_all(self, model: ModelEntry) -> None:
        """Save by every method that accepts the model; asks once before replacing."""
        settings, folder = model.ref.settings, self._session.places.workspace
        if not self._make_folder(folder):
            return
        steps = [
            _Step(key, target, target.exists())
            for key, method in SAVE_METHODS.items()
            if method.refusal(settings.variant) is None
            and (target := folder / method.targets[settings.demo])
        ]
        existing = [step.target.name for step in steps if step.replace]
        run = _Batch(steps)
        if not existing:
            self._run_next(model, run)
            return
        self._ask(
            self.tr("Replace {count}?").format(count=count_text(len(existing), "artifact")),
            self.tr(
                "These exist in {folder}: {names}. Each is replaced once the new one is complete."
            ).format(folder=folder, names=", ".join(existing)),
            lambda: self._run_next(model, run),
        )

    def _run_next(self, model: ModelEntry, batch: _Batch) -> None:
        if not batch.steps:
            self._session.notice.emit(self._summary(batch))
            self._end()
            return
        step = batch.steps.pop(0)
        task = self._submit(model, step)

        def done(saved: Saved, _arrays: object) -> None:
            batch.saved.append(step.target.name)
            self._saved(saved, step, model, select=False)

        task.done.connect(done)
        task.failed.connect(lambda failed: batch.failed.append((step.target.name, failed)))
        task.cancelled.connect(batch.steps.clear)
        task.ended.connect(lambda: self._run_next(model, batch))

    def _summary(self, batch: _Batch) -> Notice:
        saved = count_text(len(batch.saved), "artifact")
        if not batch.failed:
            title = self.tr("{count} saved").format(count=saved)
            return Notice("info", title, ", ".join(batch.saved))
        title = self.tr("{count} saved, {failed} not").format(count=saved, failed=len(batch.failed))
        text = "\n".join(f"{name}: {f.exception}: {f.message}" for name, f in batch.failed)
        return Notice("error", title, text, "\n\n".join(f.traceback for _, f in batch.failed))

    # Common

    def _submit(self, model: ModelEntry, step: _Step) -> Task:
        task = self._engine.submit(Save(model.ref, step.method, str(step.target), step.replace))
        if self._task is None:
            self.busy_changed.emit(True)
        self._task = task
        return task

    def _end(self) -> None:
        self._task = None
        self.busy_changed.emit(False)
        self.finished.emit()

    def _saved(self, saved: Saved, step: _Step, model: ModelEntry, *, select: bool) -> None:
        self._session.record_saved(saved, step.method, model.ref)
        self._session.open(saved.path, select=select)
        self._session.action_timed.emit(
            self.tr("{name}: {size} saved in {time}").format(
                name=Path(saved.path).name,
                size=bytes_text(saved.size),
                time=duration_text(saved.seconds),
            )
        )

    def _ask(self, title: str, text: str, proceed: Callable[[], None]) -> None:
        def answered(yes: bool) -> None:
            if yes:
                proceed()

        Question(self._window, title, text, self.tr("Replace"), answered).open()

    def _make_folder(self, folder: Path) -> bool:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._session.notice.emit(
                Notice(
                    "error",
                    self.tr("The folder to save to cannot be made"),
                    self.tr(
                        "{error}. Choose another workspace at the top of the window, or another "
                        "name."
                    ).format(error=error),
                )
            )
            return False
        return True


def name_problem(name: str) -> str:
    """Why ``name`` cannot be that of an artifact in the workspace; empty where it can."""
    if name in (".", "..") or any(c in "/\\" or ord(c) < 32 for c in name):
        return _tr(
            "The name is that of a file or folder in the workspace: it has no slash in it. Choose "
            "another workspace at the top of the window to save elsewhere."
        )
    if len(name.encode()) > _LONGEST_NAME:
        return _tr("The name has {n} bytes; {most} is the most. Choose a shorter one.").format(
            n=len(name.encode()), most=_LONGEST_NAME
        )
    return ""


def _tr(text: str) -> str:
    return QCoreApplication.translate("Saver", text)


class _Batch:
    """What is left to save, what was saved, what failed and how."""

    def __init__(self, steps: list[_Step]) -> None:
        self.steps = steps
        self.saved: list[str] = []
        self.failed: list[tuple[str, Failed]] = []
