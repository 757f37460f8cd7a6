"""Save jobs of the Lab: one method, or all that accept the model, with the questions they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from explorer.engine.messages import Save, Saved
from explorer.formats.text import bytes_text, count_text, duration_text
from explorer.lab.catalog import SAVE_METHODS, written_by
from explorer.ui.background import Background
from explorer.ui.engine_link import EngineLink, Task
from explorer.ui.lab.targets import Target, described, folder_problem, look_at, name_problem, why
from explorer.ui.notices import Notice, Question, failure_text, notice_for
from explorer.ui.session import ModelEntry, Session


@dataclass(frozen=True)
class _Step:
    """One save to be done; ``written`` is the method whose artifact the call leaves there."""

    method: str
    written: str
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
        self._batch: _Batch | None = None
        self._looking = False
        self._looks = Background(self)

    @property
    def busy(self) -> bool:
        """Whether a save runs, or what it would replace is looked at."""
        return self._task is not None or self._looking

    def cancel(self) -> None:
        """Stop the save that runs and those to follow; the old artifact stays."""
        if self._looking:
            self._looks.drop()
            self._end_look()
            title = self.tr("Nothing was saved")
            self._session.notice.emit(Notice("warning", title, self.tr("You cancelled it.")))
        if self._batch is not None:
            self._batch.cancelled = True
        if self._task is not None:
            self._engine.cancel(self._task)

    # One method

    def save(self, model: ModelEntry, method: str, name: str) -> None:
        """Save by one method to ``name`` in the workspace; asks before it replaces anything."""
        if problem := name_problem(name, SAVE_METHODS[method], model.ref.settings.variant):
            self._refuse(problem)
            return
        path = self._session.places.workspace / name
        self._look([path], lambda found: self._save_to(model, method, *found))

    def _save_to(self, model: ModelEntry, method: str, target: Target) -> None:
        written = written_by(SAVE_METHODS[method], model.ref.settings.variant, target.path.name)
        key = written.key if written else method
        step = _Step(method, key, target.path, replace=target.occupant is not None)
        if target.obstacle and written is not None:
            self._refuse(target.obstacle)
        elif target.obstacle:  # the library will say no, and what is there stays: nothing to ask
            self._run_one(model, replace(step, replace=False))
        elif not step.replace:
            self._run_one(model, step)
        else:
            self._ask(
                self.tr("Replace {name}?").format(name=target.path.name),
                self.tr(
                    "In {folder} there is {what}. It is replaced once the new artifact is "
                    "complete; if saving fails, it stays as it is."
                ).format(folder=target.path.parent, what=described(target)),
                lambda: self._run_one(model, step),
            )

    def _refuse(self, problem: str) -> None:
        self._session.notice.emit(Notice("error", self.tr("It was not saved"), problem))

    def _run_one(self, model: ModelEntry, step: _Step) -> None:
        title = self.tr("{name} was not saved").format(name=step.target.name)
        task = self._submit(model, step)
        task.done.connect(lambda saved, _arrays: self._saved(saved, step, model, select=True))
        task.failed.connect(lambda failed: self._session.notice.emit(notice_for(title, failed)))
        cancelled = Notice("warning", title, self.tr("You cancelled it."))
        task.cancelled.connect(lambda: self._session.notice.emit(cancelled))
        task.ended.connect(self._end)

    # Every method

    def save_all(self, model: ModelEntry) -> None:
        """Save by every method that accepts the model; asks once before replacing."""
        settings, folder = model.ref.settings, self._session.places.workspace
        methods = [m for m in SAVE_METHODS.values() if m.refusal(settings.variant) is None]
        paths = [folder / method.targets[settings.demo] for method in methods]
        keys = [method.key for method in methods]
        self._look(
            paths, lambda found: self._save_to_all(model, dict(zip(keys, found, strict=True)))
        )

    def _save_to_all(self, model: ModelEntry, targets: Mapping[str, Target]) -> None:
        batch = _Batch(
            [
                _Step(key, key, target.path, target.occupant is not None)
                for key, target in targets.items()
                if not target.obstacle
            ]
        )
        batch.failed = [(t.path.name, t.obstacle, "") for t in targets.values() if t.obstacle]
        existing = [t for t in targets.values() if t.occupant is not None and not t.obstacle]
        if not existing:
            self._run_next(model, batch)
            return
        listed = "\n".join(f"• {target.path.name}: {described(target)}" for target in existing)
        self._ask(
            self.tr("Replace {count}?").format(count=count_text(len(existing), "artifact")),
            self.tr(
                "Each of these in {folder} is replaced once the new one is complete.\n{list}"
            ).format(folder=self._session.places.workspace, list=listed),
            lambda: self._run_next(model, batch),
        )

    def _run_next(self, model: ModelEntry, batch: _Batch) -> None:
        if batch.cancelled or not batch.steps:
            self._session.notice.emit(self._summary(batch))
            self._end()
            return
        self._batch = batch
        step = batch.steps.pop(0)
        task = self._submit(model, step)

        def done(saved: Saved, _arrays: object) -> None:
            batch.saved.append(step.target.name)
            self._saved(saved, step, model, select=False)

        task.done.connect(done)
        task.failed.connect(
            lambda failed: batch.failed.append(
                (step.target.name, failure_text(failed), failed.traceback)
            )
        )
        task.cancelled.connect(lambda: batch.steps.insert(0, step))
        task.ended.connect(lambda: self._run_next(model, batch))

    def _summary(self, batch: _Batch) -> Notice:
        lines = [f"{', '.join(names)}: {reason}" for reason, names in batch.reasons().items()]
        details = "\n\n".join(trace for _, _, trace in batch.failed if trace)
        if batch.cancelled and batch.steps:
            count = len(batch.steps) + len(batch.failed)
            title = self.tr("Cancelled: {saved} saved, {count} not").format(
                saved=len(batch.saved), count=count
            )
            left = ", ".join(step.target.name for step in batch.steps)
            lines.insert(0, self.tr("Not saved: {names}").format(names=left))
            return Notice("warning", title, "\n".join(lines), details)
        saved = count_text(len(batch.saved), "artifact")
        if not batch.failed:
            title = self.tr("{count} saved").format(count=saved)
            return Notice("info", title, ", ".join(batch.saved))
        title = self.tr("{count} saved, {failed} not").format(count=saved, failed=len(batch.failed))
        return Notice("error", title, "\n".join(lines), details)

    # Common

    def _look(self, paths: Sequence[Path], then: Callable[[list[Target]], None]) -> None:
        """Find out what stands at the targets, off the GUI thread, and go on with that.

        A workspace that cannot be written ends it here.
        """

        def ours(path: Path) -> bool:
            return self._session.origin(str(path)) is not None

        folder = self._session.places.workspace

        def look() -> list[Target] | str:
            return folder_problem(folder) or [look_at(path, ours) for path in paths]

        def done(found: list[Target] | str) -> None:
            self._end_look()
            if isinstance(found, str):
                self._refuse(found)
            else:
                then(found)

        def failed(error: Exception) -> None:
            self._end_look()
            text = self.tr("What is there cannot be looked at: {why}. Choose another name.")
            self._refuse(text.format(why=why(error)))

        self._looking = True
        self.busy_changed.emit(True)
        self._looks.run(look, done, failed)

    def _end_look(self) -> None:
        self._looking = False
        self.busy_changed.emit(False)

    def _submit(self, model: ModelEntry, step: _Step) -> Task:
        task = self._engine.submit(Save(model.ref, step.method, str(step.target), step.replace))
        if self._task is None:
            self.busy_changed.emit(True)
        self._task = task
        return task

    def _end(self) -> None:
        self._task = self._batch = None
        self.busy_changed.emit(False)
        self.finished.emit()

    def _saved(self, saved: Saved, step: _Step, model: ModelEntry, *, select: bool) -> None:
        self._session.record_saved(saved, step.written, model.ref)
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


class _Batch:
    """What is left to save, what was saved, what failed and how, and whether to go on."""

    def __init__(self, steps: list[_Step]) -> None:
        self.steps = steps
        self.cancelled = False
        self.saved: list[str] = []
        self.failed: list[tuple[str, str, str]] = []
        """Name, reason and traceback."""

    def reasons(self) -> dict[str, list[str]]:
        """The names that failed, by reason, so that each is told once."""
        found: dict[str, list[str]] = {}
        for name, reason, _ in self.failed:
            found.setdefault(reason, []).append(name)
        return found
