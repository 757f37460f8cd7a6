"""How the artifact is loaded: by which call, and into which freshly built model."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal

from explorer.engine.messages import LoadRef, ModelRef
from explorer.lab.catalog import LOADERS, DemoSettings, Loader
from explorer.ui.predict.proposal import fitting_demo, offered_demos, proposed_loader
from explorer.ui.session import ArtifactEntry, Entry, ModelEntry
from explorer.ui.widgets import Card, ComboBox, button, label


class LoadCard(Card):
    """Chooses a loader. ``changed`` means that what was loaded before no longer applies."""

    changed = Signal()
    load_asked = Signal()

    def __init__(self) -> None:
        super().__init__(self.tr("Load"))
        self._entry: Entry | None = None
        self._demos: list[DemoSettings] = []
        self._is_proposal = True
        self.loader = ComboBox("predict.loader", self.tr("How to load it"))
        self._demo_caption = label(self.tr("Model built first, from its code"), "small")
        self.demo = ComboBox("predict.demo", self.tr("Model that is built first"))
        self.loader.activated.connect(self._loader_chosen)
        self.demo.activated.connect(self._chosen)
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
        self._is_proposal = before is None
        self._propose(entry)
        if before is not None:
            self.loader.setCurrentIndex(self.loader.findData(before.loader))
            if before.demo in self._demos:
                self.demo.setCurrentIndex(self._demos.index(before.demo))
        self._refresh()

    def show_counted(self, entry: ArtifactEntry) -> None:
        """Its tensors are known now: propose again, unless the person chose something."""
        if entry is self._entry and self._is_proposal:
            self._propose(entry)
            self._refresh()

    def _propose(self, entry: ArtifactEntry) -> None:
        self.loader.setCurrentIndex(max(self.loader.findData(proposed_loader(entry)), 0))
        self.demo.clear()
        self._demos = offered_demos(entry)
        if entry.demo is not None:
            self._demos.insert(0, entry.demo)
            self.demo.addItem(self.tr("{model}, as saved").format(model=entry.demo.variant.value))
        for settings in self._demos[self.demo.count() :]:
            self.demo.addItem(settings.variant.value)
        self._propose_demo(entry)

    def _propose_demo(self, entry: ArtifactEntry) -> None:
        loader = self._loader()
        if entry.demo is None and loader is not None:
            self.demo.setCurrentIndex(fitting_demo(entry, loader, self._demos))

    def _loader_chosen(self) -> None:
        if isinstance(self._entry, ArtifactEntry):
            self._propose_demo(self._entry)
        self._chosen()

    def _chosen(self) -> None:
        self._is_proposal = False
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


def _call(loader: Loader, entry: ArtifactEntry) -> str:
    return loader.call.format(name=Path(entry.path).name)
