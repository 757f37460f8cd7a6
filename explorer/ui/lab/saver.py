"""Save jobs of the Lab: one method, or all that accept the model, with the questions they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from explorer.engine.messages import Save, Saved
from explorer.formats.text import bytes_text, count_text, duration_text
from explorer.lab.catalog import SAVE_METHODS
from explorer.ui.background import run_in_pool
from explorer.ui.engine_link import EngineLink, Task
from explorer.ui.lab.targets import Target, described, look_at, name_problem
from explorer.ui.notices import Notice, Question, notice_for
from explorer.ui.session import ModelEntry, Session


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
        self._looking = False

    @property
    def busy(self) -> bool:
        """Whether a save runs, or what it would replace is looked at."""
        return self._task is not None or self._looking

    def cancel(self) -> None:
        """Stop the save that runs; the old artifact stays."""
        if self._task is not None:
            self._engine.cancel(self._task)

    # One method

    def save(self, model: ModelEntry, method: str, name: str) -> None:
        """Save by one method to ``name`` in the workspace; asks before it replaces anything."""
        variant, folder = model.ref.settings.variant, self._session.places.workspace
        if problem := name_problem(name, SAVE_METHODS[method], variant):
            self._refuse(problem)
        elif self._make_folder(folder):
            if SAVE_METHODS[method].refusal(variant) is not None:
                # The library will say no, and what is there stays: nothing to ask.
                self._run_one(model, _Step(method, folder / name, replace=False))
            else:
                self._look([folder / name], lambda found: self._save_to(model, method, *found))

    def _save_to(self, model: ModelEntry, method: str, target: Target) -> None:
        step = _Step(method, target.path, replace=target.occupant is not None)
        if target.obstacle:
            self._refuse(target.obstacle)
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
        task.ended.connect(self._end)

    # Every method

    def save_all(self, model: ModelEntry) -> None:
        """Save by every method that accepts the model; asks once before replacing."""
        settings, folder = model.ref.settings, self._session.places.workspace
        if not self._make_folder(folder):
            return
        methods = [m for m in SAVE_METHODS.values() if m.refusal(settings.variant) is None]
        paths = [folder / method.targets[settings.demo] for method in methods]
        keys = [method.key for method in methods]
        self._look(
            paths, lambda found: self._save_to_all(model, dict(zip(keys, found, strict=True)))
        )

    def _save_to_all(self, model: ModelEntry, targets: Mapping[str, Target]) -> None:
        batch = _Batch(
            [_Step(k, t.path, t.occupant is not None) for k, t in targets.items() if not t.obstacle]
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
        task.failed.connect(
            lambda failed: batch.failed.append(
                (step.target.name, f"{failed.exception}: {failed.message}", failed.traceback)
            )
        )
        task.cancelled.connect(batch.steps.clear)
        task.ended.connect(lambda: self._run_next(model, batch))

    def _summary(self, batch: _Batch) -> Notice:
        saved = count_text(len(batch.saved), "artifact")
        if not batch.failed:
            title = self.tr("{count} saved").format(count=saved)
            return Notice("info", title, ", ".join(batch.saved))
        title = self.tr("{count} saved, {failed} not").format(count=saved, failed=len(batch.failed))
        text = "\n".join(f"{name}: {why}" for name, why, _ in batch.failed)
        traces = [trace for _, _, trace in batch.failed if trace]
        return Notice("error", title, text, "\n\n".join(traces))

    # Common

    def _look(self, paths: Sequence[Path], then: Callable[[list[Target]], None]) -> None:
        """Find out what stands at the targets, off the GUI thread, and go on with that."""

        def ours(path: Path) -> bool:
            return self._session.origin(str(path)) is not None

        def done(found: list[Target]) -> None:
            self._end_look()
            then(found)

        def failed(error: Exception) -> None:
            self._end_look()
            self._refuse(self.tr("{error}. Choose another name.").format(error=error))

        self._looking = True
        self.busy_changed.emit(True)
        run_in_pool(self, lambda: [look_at(path, ours) for path in paths], done, failed)

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


class _Batch:
    """What is left to save, what was saved, what failed and how."""

    def __init__(self, steps: list[_Step]) -> None:
        self.steps = steps
        self.saved: list[str] = []
        self.failed: list[tuple[str, str, str]] = []
        """Name, reason and traceback."""
