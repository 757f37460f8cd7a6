"""What the window is working on: models in memory, open artifacts, and where things are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal

from explorer.analysis.origin import Ledger, digest
from explorer.engine.messages import ModelRef, Saved, Trained
from explorer.formats.artifact import Artifact, Role, Tensor, Tri, UnreadableArtifact
from explorer.formats.registry import open_artifact
from explorer.formats.storage import local_path
from explorer.formats.text import count_text, duration_text
from explorer.lab.catalog import DEMOS, LOADERS_BY_FORMAT, DemoSettings, Variant
from explorer.ui.background import run_in_pool
from explorer.ui.notices import Notice, notice_for


@dataclass(frozen=True)
class Places:
    """The folders the program uses.

    ``workspace`` receives what the Lab saves, ``data`` keeps the record of artifacts written
    here, ``scratch`` is removed at the end.
    """

    workspace: Path
    data: Path
    scratch: Path


def settings_title(settings: DemoSettings) -> str:
    """``functional · Keras 3``, with the form of a subclass."""
    form = " ported" if settings.ported else ""
    return f"{DEMOS[settings.demo].key}{form} · {settings.line.title}"


def has_diverged(metrics: Mapping[str, float]) -> bool:
    """Whether a loss, of training or validation, is no finite number any more."""
    return any(not math.isfinite(v) for name, v in metrics.items() if name.endswith("loss"))


@dataclass
class ModelEntry:
    """A trained model in memory."""

    ref: ModelRef
    trained: Trained
    number: int = 1
    """Counts the models of the same kind, so that each has a title of its own."""
    is_saved: bool = False

    @property
    def title(self) -> str:
        """The title of its settings, with a number where there are several."""
        number = f" · {self.number}" if self.number > 1 else ""
        return settings_title(self.ref.settings) + number

    @property
    def diverged(self) -> bool:
        """Whether its training ended with a loss that is no finite number."""
        return has_diverged(self.trained.metrics)

    @property
    def detail(self) -> str:
        """``5 epochs · loss 2.291``."""
        epochs = count_text(self.ref.settings.epochs, "epoch")
        return " · ".join(filter(None, (epochs, self.loss_text)))

    @property
    def loss_text(self) -> str:
        """``loss 2.291``, where it has a loss."""
        loss = self.trained.metrics.get("loss")
        return "" if loss is None else f"loss {loss:.4g}"


@dataclass
class ArtifactEntry:
    """An open artifact.

    ``made`` is this program's own record of writing what was opened, if it did; ``changed`` tells
    that something else lay there when it was to be loaded. ``trusted`` is the digest of the bytes
    that the person agreed to load.
    """

    path: str
    artifact: Artifact
    made: Mapping[str, str] | None = None
    changed: bool = False
    trusted: str | None = None
    seconds: float = 0.0
    tensor_count: int | None = None
    parameters: int | None = None
    """Both are ``None`` until they are counted."""
    weights: Sequence[Tensor] = ()
    """Known once they are counted, where they are few enough for a demo model."""

    @property
    def made_here(self) -> bool:
        """Whether this program wrote it, by all that is known."""
        return self.made is not None and not self.changed

    @property
    def loaders(self) -> Sequence[str]:
        """The keys of the loaders to offer; TensorFlow cannot read what lies in an archive."""
        return () if self.artifact.archive else LOADERS_BY_FORMAT.get(self.artifact.format, ())

    @property
    def demo(self) -> DemoSettings | None:
        """The demo model that it was saved from, where this program wrote it."""
        if self.made is None or "settings" not in self.made:
            return None
        try:
            return msgspec.json.decode(self.made["settings"], type=DemoSettings)
        except msgspec.MsgspecError:
            return None

    @property
    def model_id(self) -> str:
        """The id of the model that it was saved from, where this program wrote it."""
        return (self.made or {}).get("model", "")

    @property
    def method(self) -> str:
        """The key of the save method, where this program wrote it."""
        return (self.made or {}).get("method", "")


Entry = ModelEntry | ArtifactEntry

VARIABLE_FORMATS = ("saved_model", "tf_checkpoint")
"""The formats whose tensors are called variables."""

_MOST_WEIGHTS = 100
_Counts = tuple[int, int, Sequence[Tensor]]


@dataclass(frozen=True)
class Checked:
    """What lies at a path now: its digest, and this program's record of writing it, if it did."""

    digest: str
    made: Mapping[str, str] | None


@dataclass
class _Opened:
    artifact: Artifact
    made: Mapping[str, str] | None
    seconds: float


class Session(QObject):
    """The models and artifacts, and which one is current."""

    changed = Signal()
    current_changed = Signal(object)
    artifact_opened = Signal(object)
    counted = Signal(object)
    origin_changed = Signal(object)
    notice = Signal(object)
    action_timed = Signal(str)

    def __init__(self, places: Places, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.places = places
        self.models: list[ModelEntry] = []
        self.artifacts: list[ArtifactEntry] = []
        self.current: Entry | None = None
        self._last_chosen: dict[Variant, ModelEntry] = {}
        self.opening = 0
        self._ledger = Ledger(places.data / "written.json")

    # Models

    def add_model(self, trained: Trained) -> ModelEntry:
        """Take a trained model in and make it current."""
        variant = trained.model.settings.variant
        alike = [m.number for m in self.models if m.ref.settings.variant is variant]
        entry = ModelEntry(trained.model, trained, max(alike, default=0) + 1)
        self.models.append(entry)
        self.changed.emit()
        self.select(entry)
        return entry

    # Artifacts

    def open(self, path: str, *, select: bool = True) -> None:
        """Open a file or folder in the background; ends with `artifact_opened` or `notice`.

        With ``select`` it becomes the current entry.
        """
        if "://" not in path:
            path = str(local_path(path).absolute())
        self.opening += 1
        run_in_pool(
            self,
            lambda: self._read(path),
            lambda opened: self._opened(path, opened, select),
            lambda error: self._not_opened(path, error),
        )

    def _read(self, path: str) -> _Opened:
        start = time.perf_counter()
        artifact = open_artifact(path)
        seconds = time.perf_counter() - start
        return _Opened(artifact, self.origin(path), seconds)

    def origin(self, path: str) -> Mapping[str, str] | None:
        """The record of writing what is at ``path``, if this program did; may be on any thread."""
        local = Path(path)
        if "://" in path or not local.exists():
            return None
        try:
            return self._ledger.recognise(local)
        except OSError:
            return None

    def check(self, path: str) -> Checked:
        """Read every byte of what is at ``path`` now; may be on any thread.

        A URL and the prefix of a checkpoint have no digest. Raises `OSError` and
        `UnreadableArtifact`.
        """
        local = Path(path)
        if "://" in path or Path(f"{path}.index").exists():
            return Checked("", None)
        if not local.exists():
            raise UnreadableArtifact(
                f"Nothing is at {path} any more. Check that it was not moved or renamed, and open "
                "it again."
            )
        found = digest(local)
        return Checked(found, self._ledger.find(found))

    def needs_question(self, entry: ArtifactEntry, checked: Checked) -> bool:
        """Whether to ask before these bytes are loaded; notes where they are not those opened."""
        changed = entry.made is not None and checked.made is None
        if changed != entry.changed:
            entry.changed = changed
            self.origin_changed.emit(entry)
        return checked.made is None and entry.trusted != checked.digest

    def _opened(self, path: str, opened: _Opened, select: bool) -> None:
        self.opening -= 1
        entry = ArtifactEntry(path, opened.artifact, opened.made, seconds=opened.seconds)
        self._replace(entry)
        self.changed.emit()
        if select:
            self.select(entry)
        self.artifact_opened.emit(entry)
        if not opened.artifact.is_known:
            self._warn_of_unknown(opened.artifact)
        self.action_timed.emit(
            self.tr("{name} opened in {time}").format(
                name=opened.artifact.name, time=duration_text(opened.seconds)
            )
        )
        self._count(entry)

    def _warn_of_unknown(self, artifact: Artifact) -> None:
        title = self.tr("{name} is shown as a plain file").format(name=artifact.name)
        details = "\n".join(artifact.notes[1:])
        self.notice.emit(Notice("warning", title, artifact.notes[0], details))

    def _count(self, entry: ArtifactEntry) -> None:
        """Count tensors and parameters, which takes longer than opening where there are many."""
        artifact = entry.artifact

        def done(counts: _Counts) -> None:
            entry.tensor_count, entry.parameters, entry.weights = counts
            self.counted.emit(entry)

        run_in_pool(
            self,
            lambda: _count(artifact),
            done,
            lambda _error: None,  # the tree shows what is damaged
        )

    def _replace(self, entry: ArtifactEntry) -> None:
        """Put the entry in place of an older one of the same path, else at the end."""
        for position, old in enumerate(self.artifacts):
            if Path(old.path) == Path(entry.path):
                old.artifact.close()
                self.artifacts[position] = entry
                return
        self.artifacts.append(entry)

    def _not_opened(self, path: str, error: Exception) -> None:
        self.opening -= 1
        name = Path(path).name or path
        self.notice.emit(notice_for(self.tr("{name} was not opened").format(name=name), error))

    def record_saved(self, saved: Saved, method: str, model: ModelRef) -> None:
        """Remember that this program wrote the artifact, and from which model."""
        for entry in self.models:
            entry.is_saved = entry.is_saved or entry.ref.model_id == model.model_id
        note = {
            "method": method,
            "model": model.model_id,
            "settings": msgspec.json.encode(model.settings).decode(),
            "path": saved.path,
        }
        try:
            self._ledger.record(saved.digest, note)
        except OSError as error:
            self.notice.emit(
                Notice(
                    "warning",
                    self.tr("The save was not recorded"),
                    self.tr(
                        "{error}. The artifact itself is complete; opening it will ask before "
                        "loading, as for any file from elsewhere."
                    ).format(error=error),
                )
            )

    # Selection

    def select(self, entry: Entry | None) -> None:
        """Make an entry current."""
        self.current = entry
        if isinstance(entry, ModelEntry):
            self._last_chosen[entry.ref.settings.variant] = entry
        self.current_changed.emit(entry)

    def remove(self, entry: Entry) -> None:
        """Take an entry off the list; nothing on disk changes."""
        if isinstance(entry, ModelEntry):
            self.models.remove(entry)
        else:
            self.artifacts.remove(entry)
            entry.artifact.close()
        self.changed.emit()
        if self.current is entry:
            rest: list[Entry] = [*self.models, *self.artifacts]
            self.select(rest[-1] if rest else None)

    def model_of(self, variant: Variant) -> ModelEntry | None:
        """The model of this variant that was chosen last, else the one that was trained last.

        A model that was just trained counts as chosen.
        """
        candidates = [m for m in self.models if m.ref.settings.variant is variant]
        chosen = self._last_chosen.get(variant)
        return chosen if chosen in candidates else next(reversed(candidates), None)

    # Places

    def set_workspace(self, folder: Path) -> None:
        """Let the Lab save to ``folder`` from now on."""
        self.places = replace(self.places, workspace=folder)
        self.changed.emit()

    def close(self) -> None:
        """Let go of every open file."""
        for entry in self.artifacts:
            entry.artifact.close()


def _count(artifact: Artifact) -> _Counts:
    tensors = artifact.tensors()
    weights = [tensor for tensor in tensors if tensor.role is Role.WEIGHT]
    few = weights if len(weights) <= _MOST_WEIGHTS else ()
    return _stored_count(artifact, tensors), artifact.parameters(), few


def _stored_count(artifact: Artifact, tensors: Sequence[Tensor]) -> int:
    """All tensors, or the variables where TensorFlow keeps them apart from the graph's constants.

    Beside the variables it keeps its object graph and the keys of tables, as texts. The constants
    count where the weights are among them.
    """
    if artifact.format not in VARIABLE_FORMATS:
        return len(tensors)
    stored = [tensor for tensor in tensors if tensor.role is not Role.CONSTANT]
    variables = [t for t in stored if t.role is not Role.OTHER or t.dtype != "string"]
    is_empty = artifact.contents.weights is Tri.NO
    return len(variables) if variables or is_empty else len(tensors)
