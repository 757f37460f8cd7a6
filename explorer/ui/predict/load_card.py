"""How the artifact is loaded: by which call, and into which freshly built model."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal

from explorer.engine.messages import LoadRef, ModelRef
from explorer.lab.catalog import (
    DEMOS,
    LOADERS,
    SAVE_METHODS,
    DemoSettings,
    Line,
    Loader,
    loader_for_save,
    usual_loader,
)
from explorer.ui.session import ArtifactEntry, Entry, ModelEntry
from explorer.ui.widgets import Card, ComboBox, button, label

_OTHER_CHOICES: tuple[tuple[str, Line, bool], ...] = (
    ("functional", Line.KERAS3, False),
    ("functional", Line.KERAS2, False),
    ("subclass", Line.KERAS3, False),
    ("subclass", Line.KERAS3, True),
    ("subclass", Line.KERAS2, False),
)


class LoadCard(Card):
    """Chooses a loader. ``changed`` means that what was loaded before no longer applies."""

    changed = Signal()
    load_asked = Signal()

    def __init__(self) -> None:
        super().__init__(self.tr("Load"))
        self._entry: Entry | None = None
        self._demos: list[DemoSettings] = []
        self.loader = ComboBox("predict.loader", self.tr("How to load it"))
        self._demo_caption = label(self.tr("Model built first, from its code"), "small")
        self.demo = ComboBox("predict.demo", self.tr("Model that is built first"))
        for box in (self.loader, self.demo):
            box.activated.connect(self._chosen)
        self._about = label("", "small", wrap=True, name="predict.load.about")
        self.load = button(self.tr("Load"), "predict.load", shortcut="Ctrl+L")
        self.load.clicked.connect(self.load_asked)
        for widget in (self.loader, self._about, self._demo_caption, self.demo, self.load):
            self.body.addWidget(widget)

    def show_entry(self, entry: Entry | None, chosen: LoadRef | ModelRef | None = None) -> None:
        """Offer the loaders for an artifact: ``chosen``, else the one that undoes its save."""
        self._entry = entry
        self.loader.clear()
        self.demo.clear()
        self._demos = []
        self.setVisible(isinstance(entry, ArtifactEntry))
        if not isinstance(entry, ArtifactEntry):
            return
        for key in entry.loaders:
            self.loader.addItem(_call(LOADERS[key], entry), key)
        before = chosen if isinstance(chosen, LoadRef) else None
        key = before.loader if before is not None else _proposed(entry)
        self.loader.setCurrentIndex(max(self.loader.findData(key), 0))
        self._fill_demos(entry.demo)
        if before is not None and before.demo in self._demos:
            self.demo.setCurrentIndex(self._demos.index(before.demo))
        self._refresh()

    def _fill_demos(self, made_from: DemoSettings | None) -> None:
        if made_from is not None:
            self._demos.append(made_from)
            self.demo.addItem(self.tr("{model}, as saved").format(model=made_from.variant.value))
        for key, line, ported in _OTHER_CHOICES:
            settings = DEMOS[key].settings(line, ported=ported)
            self._demos.append(settings)
            self.demo.addItem(settings.variant.value)

    def _chosen(self) -> None:
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        loader = self._loader()
        needs = loader is not None and loader.needs_demo
        self._demo_caption.setVisible(needs)
        self.demo.setVisible(needs)
        self.load.setEnabled(loader is not None)
        if loader is None:
            self._about.setText(self._why_none())
        else:
            self._about.setText(self.tr(loader.about))

    def _why_none(self) -> str:
        if isinstance(self._entry, ArtifactEntry) and self._entry.artifact.archive:
            return self.tr(
                "It lies inside the archive {name}. Unpack the archive to load the model; Browse "
                "shows what it holds."
            ).format(name=self._entry.artifact.archive)
        return self.tr("Nothing here loads this format. Browse shows what it holds.")

    def _loader(self) -> Loader | None:
        key = self.loader.currentData()
        return LOADERS[key] if key else None

    def can_load(self) -> bool:
        """Whether there is anything to load it with."""
        return isinstance(self._entry, ModelEntry) or self._loader() is not None

    def settings(self) -> DemoSettings | None:
        """The demo model behind the entry: its test set fits what it takes."""
        if isinstance(self._entry, ModelEntry):
            return self._entry.ref.settings
        loader = self._loader()
        if loader is not None and loader.needs_demo:
            return self._demos[self.demo.currentIndex()]
        return self._entry.demo if self._entry is not None else None

    def source(self) -> LoadRef | ModelRef | None:
        """What the engine is to load."""
        if isinstance(self._entry, ModelEntry):
            return self._entry.ref
        loader = self._loader()
        if self._entry is None or loader is None:
            return None
        demo = self._demos[self.demo.currentIndex()] if loader.needs_demo else None
        return LoadRef(self._entry.path, loader.key, demo)

    def set_busy(self, busy: bool) -> None:
        """Nothing can be chosen while the engine works."""
        for widget in (self.loader, self.demo):
            widget.setEnabled(not busy)
        self.load.setEnabled(not busy and self._loader() is not None)


def _proposed(entry: ArtifactEntry) -> str:
    if entry.demo is not None and entry.method in SAVE_METHODS:
        return loader_for_save(SAVE_METHODS[entry.method], entry.demo.line)
    return usual_loader(entry.artifact.format, entry.artifact.producer.keras)


def _call(loader: Loader, entry: ArtifactEntry) -> str:
    return loader.call.format(name=Path(entry.path).name)
