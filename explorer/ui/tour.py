"""The tour: the real window, driven by its own controls through everything it can do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QTest

from explorer.analysis.agreement import Verdict
from explorer.engine.scratch import scratch_folder
from explorer.formats.artifact import Node
from explorer.formats.text import duration_text
from explorer.lab.catalog import SAVE_METHODS, Line, SaveMethod, Variant
from explorer.ui import app
from explorer.ui.browse.tree_model import NODE_ROLE
from explorer.ui.driver import Driver, Stuck
from explorer.ui.session import ArtifactEntry, ModelEntry, Places
from explorer.ui.theme import Theme
from explorer.ui.window import Window

_VARIANTS: Sequence[tuple[str, Line, bool]] = (
    ("functional", Line.KERAS3, False),
    ("functional", Line.KERAS2, False),
    ("subclass", Line.KERAS3, False),
    ("subclass", Line.KERAS3, True),
    ("subclass", Line.KERAS2, False),
)


def run(folder: Path, on_window: Callable[[Window], None] | None = None) -> int:
    """Take the tour; one PNG per step goes to ``folder``. 0 only if every step worked."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        app.application(Theme.LIGHT)
        with scratch_folder() as scratch:
            return _take(
                Places(scratch / "experiments", scratch / "data", scratch), folder, on_window
            )
    except OSError as error:
        print(f"The pictures cannot be written: {error}. Choose another folder.", file=sys.stderr)
        return 2


def _take(where: Places, folder: Path, on_window: Callable[[Window], None] | None) -> int:
    window = Window(where, app.settings_of(where))
    window.show()
    if on_window is not None:
        on_window(window)
    app.spare_the_collector()
    tour = _Tour(window, folder)
    tour.take()
    window.close()
    window.shut_down()
    print(f"{tour.steps} steps, {tour.failures} failed. Pictures: {folder}", flush=True)
    return 1 if tour.failures else 0


class _Tour:
    """The steps, in order. A failed step is told and counted; the tour goes on."""

    def __init__(self, window: Window, folder: Path) -> None:
        self.window = window
        self.driver = Driver(window)
        self.steps = self.failures = 0
        self._folder = folder

    @contextmanager
    def _step(self, name: str, *, must_end: bool = True) -> Iterator[None]:
        self.steps += 1
        start = time.perf_counter()
        outcome = "ok"
        try:
            yield
        except Stuck as stuck:
            self.failures += 1
            outcome = f"FAILED: {stuck}"
        self.driver.pause(150)  # let the last change be painted
        slug = "".join(c if c.isalnum() else "_" for c in name.casefold()).strip("_")
        picture = self._folder / f"{self.steps:03d}_{slug}.png"
        if not self.window.grab().save(str(picture)):
            raise OSError(f"{picture} could not be written")
        taken = duration_text(time.perf_counter() - start)
        print(f"{self.steps:3d}  {name}: {outcome} ({taken})", flush=True)

    def take(self) -> None:
        """Everything, once."""
        with self._step("Start"):
            self.driver.engine_ready()
        with self._step("A path that is not there"):
            self._expect_message(lambda: self.window.open_paths([str(self._folder / "no.h5")]))
        for demo, line, ported in _VARIANTS:
            self._experiment(demo, line, ported)
        self._digits()
        self._cancel()
        self._dark()

    def _expect_message(self, action: Callable[[], None], containing: str = "") -> None:
        self.driver.clear_notice()
        action()
        notice = self.driver.notice()
        if containing not in f"{notice.title} {notice.text}":
            raise Stuck(
                f"Expected a message with “{containing}”, got: {notice.title} {notice.text}"
            )

    # One experiment on one Keras line

    def _experiment(self, demo: str, line: Line, ported: bool) -> None:
        model: ModelEntry | None = None
        self.driver.clear_notice()
        with self._step(f"Train {demo} {line.title}{' ported' if ported else ''}"):
            self._set_up(demo, line, ported)
            model = self.driver.train()
        if model is None:
            return
        variant = model.ref.settings.variant
        before = list(self.window.session.artifacts)
        with self._step(f"Save {variant.value} with every method"):
            self._save_all()
        for method in SAVE_METHODS.values():
            if method.refusal(variant) is not None:
                self._refused(method, variant)
        entries = [e for e in self.window.session.artifacts if e not in before]
        for entry in entries:
            self._artifact(entry, variant)

    def _set_up(self, demo: str, line: Line, ported: bool) -> None:
        self.driver.click("nav.lab")
        self.driver.click(f"lab.demo.{demo}")
        self.driver.click(f"lab.line.{line.value}")
        if demo == "subclass" and line is Line.KERAS3:
            self.driver.click(f"lab.form.{'ported' if ported else 'as_written'}")
        self.driver.click("lab.reset")

    def _save_all(self) -> None:
        self.driver.clear_notice()
        self.driver.click("save.all")
        saved = "the question or the end of the saves"
        self.driver.until(lambda: self.driver.asked() or self.window.notice() is not None, saved)
        if self.driver.asked():
            self.driver.answer(True)
        session, lab = self.window.session, self.window.lab
        self.driver.until(lambda: not lab.busy and session.opening == 0, "the saves")
        notice = self.driver.notice()
        if notice.level != "info":
            raise Stuck(f"{notice.title}. {notice.text}")

    def _refused(self, method: SaveMethod, variant: Variant) -> None:
        refused = method.refusal(variant)
        with self._step(f"Try {method.key} with {variant.value}, which refuses it"):
            self.driver.click("nav.lab")
            self.driver.click(f"save.method.{method.key}")
            self.driver.enter("save.target", f"refused_{method.targets['functional']}")
            expected = refused.error if refused is not None else ""
            self._expect_message(lambda: self.driver.click("save.run"), expected)

    # One artifact

    def _artifact(self, entry: ArtifactEntry, variant: Variant) -> None:
        name = f"{entry.artifact.name} of {variant.value}"
        self.driver.clear_notice()
        with self._step(f"Browse {name}"):
            self.driver.pick(entry)
            self.driver.click("nav.browse")
            self._show_a_tensor()
        if entry.artifact.signatures:
            with self._step(f"Signatures of {name}"):
                if not self.driver.tab("browse.tabs", "Signatures"):
                    raise Stuck("There is no Signatures tab.")
        with self._step(f"Predict with {name}"):
            self._predict(entry, variant)

    def _show_a_tensor(self) -> None:
        """List the tensors, go to the first one in the tree, look at its values and its summary."""
        self.driver.click("browse.kinds.tensors")
        results = self.window.browse.tree.results
        self.driver.until(lambda: results.isVisible() and results.model().rowCount(), "tensors")
        results.setFocus()
        results.setCurrentIndex(results.model().index(0, 0))
        QTest.keyClick(results, Qt.Key.Key_Return)
        tree = self.window.browse.tree.view
        self.driver.until(
            lambda: tree.isVisible() and _is_tensor(tree.currentIndex()), "the tensor in the tree"
        )
        self.driver.click("inspector.tabs.values")
        self.driver.pause(100)
        self.driver.click("inspector.tabs.summary")

    def _predict(self, entry: ArtifactEntry, variant: Variant) -> None:
        self.driver.click("nav.predict")
        method = SAVE_METHODS[entry.method]
        caution = (method.caution or {}).get(variant, "")
        worked = self.driver.run()
        if not worked:
            if caution:
                print(f"     as the library does: {self.driver.notice().text.splitlines()[0]}")
                return
            raise Stuck(f"{self.driver.notice().title}. {self.driver.notice().text}")
        self._agree(caution)

    def _agree(self, caution: str) -> None:
        card = self.window.predict.agreement
        self.driver.until(lambda: card.agreements(), "the comparison with the model in memory")
        for title, found in card.agreements().items():
            print(f"     {title}: {found.verdict.value}, largest difference {found.difference}")
            if found.verdict not in (Verdict.SAME, Verdict.CLOSE) and not caution:
                raise Stuck(f"It predicts differently from {title}: {found.difference}.")

    # What else there is

    def _digits(self) -> None:
        with self._step("Train on handwritten digits"):
            self._set_up("functional", Line.KERAS3, False)
            self.driver.choose("lab.dataset", "digits")
            model = self.driver.train()
            accuracy = model.trained.metrics.get("val_sparse_categorical_accuracy", 0.0)
            print(f"     validation accuracy {accuracy:.3f}")
            if accuracy < 0.8:
                raise Stuck(f"The model did not learn: validation accuracy {accuracy:.3f}.")

    def _cancel(self) -> None:
        with self._step("Cancel a training"):
            self._set_up("functional", Line.KERAS3, False)
            self.driver.enter("lab.epochs", 5000)
            self.driver.click("lab.train")
            self.driver.until(lambda: self.window.lab.training.progress.value() > 0, "progress")
            self.driver.click("lab.cancel")
            self.driver.until(lambda: not self.window.lab.busy, "the end of the training")
        with self._step("Train again after the cancel"):
            self.driver.click("lab.reset")
            self.driver.train()

    def _dark(self) -> None:
        self.driver.clear_notice()
        for page in ("lab", "browse", "predict"):
            with self._step(f"{page} in dark"):
                if page == "lab":
                    self.driver.click("theme")
                if page == "browse":
                    self.driver.pick(self.window.session.artifacts[0])
                self.driver.click(f"nav.{page}")


def _is_tensor(index: QModelIndex) -> bool:
    node = index.data(NODE_ROLE)
    return isinstance(node, Node) and node.tensor is not None
