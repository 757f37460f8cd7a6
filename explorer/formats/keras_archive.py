"""``.keras`` archives: a zip with metadata.json, config.json, the weights and the assets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from explorer.formats.artifact import (
    Artifact,
    Check,
    Contents,
    Hazard,
    Layer,
    Node,
    NodeList,
    NodeType,
    Producer,
    Tensor,
    UnreadableArtifact,
)
from explorer.formats.hdf5_checks import checks_of, hazards_of
from explorer.formats.hdf5_file import Hdf5File
from explorer.formats.hdf5_tree import Hdf5View, root_source, walk
from explorer.formats.json_tree import LARGEST_JSON, json_children, json_text, parse_object
from explorer.formats.keras_config import LayerConfig, architecture, read_config
from explorer.formats.keras_store import store_kinds, store_layers, store_role
from explorer.formats.keras_weights import contents_of
from explorer.formats.registry import Match
from explorer.formats.storage import Entry, Storage
from explorer.formats.text import bytes_text, count_text
from explorer.formats.zip_storage import ZipStorage, is_zip

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
NPZ_WEIGHTS = "model.weights.npz"


def match(storage: Storage) -> Match | None:
    """Look for a zip with config.json; raises `UnreadableArtifact` where it is cut short."""
    if storage.is_folder or not is_zip(storage.read("", 0, 4)):
        return None
    archive = ZipStorage(storage)
    if archive.has(CONFIG):
        return Match(storage, archive)
    archive.close()
    return None


def open(match: Match) -> Artifact:
    """Open the archive and keep it open until the artifact is closed."""
    archive: ZipStorage = match.detail
    try:
        return _Reading(match.storage, archive).artifact()
    except BaseException:
        archive.close()
        raise


@dataclass(frozen=True, slots=True)
class _Weights:
    """The weights member: open, or why it is not."""

    file: Hdf5File | None
    reason: str = ""


class _Reading:
    """One open archive on its way to an `Artifact`."""

    def __init__(self, outer: Storage, archive: ZipStorage) -> None:
        self._outer = outer
        self._archive = archive
        self._config = self._json(CONFIG)
        if self._config is None:
            raise UnreadableArtifact(
                f"{CONFIG} in {outer.name} is not the JSON of a model: it is damaged, or larger "
                f"than {bytes_text(LARGEST_JSON)}. Copy or download the archive again."
            )
        self._metadata = (self._json(METADATA) if archive.has(METADATA) else None) or {}
        self._model: LayerConfig | None = read_config(self._config)
        self._weights = self._open_weights()
        self._view = self._view_of(self._weights.file)
        self.tensors: Callable[[], tuple[Tensor, ...]] = cache(self._walk)

    def _json(self, member: str) -> dict[str, Any] | None:
        if (self._archive.size(member) or 0) > LARGEST_JSON:
            return None
        return parse_object(self._archive.read(member))

    def _open_weights(self) -> _Weights:
        if not self._archive.has(WEIGHTS):
            other = self._archive.has(NPZ_WEIGHTS)
            return _Weights(None, _NPZ_NOTE if other else f"There is no {WEIGHTS} in it.")
        try:
            return _Weights(Hdf5File(self._archive, WEIGHTS))
        except UnreadableArtifact as error:
            return _Weights(None, str(error))

    def _view_of(self, file: Hdf5File | None) -> Hdf5View | None:
        if file is None:
            return None
        kinds = store_kinds(self._model)
        return Hdf5View(file, store_role, lambda path: kinds.get(path, ""), WEIGHTS)

    def _walk(self) -> tuple[Tensor, ...]:
        return () if self._view is None else tuple(walk(self._view))

    def artifact(self) -> Artifact:
        return Artifact(
            path=self._outer.uri,
            name=self._outer.name,
            format="keras_archive",
            format_name="Keras archive",
            size=self._outer.size() or 0,
            root=self._root(),
            producer=self._producer(),
            contents=self._contents(),
            tensors=self.tensors,
            layers=cache(self._layers),
            hazards=self._hazards,
            checks=self._checks,
            notes=self._notes(),
            close=self._close,
        )

    def _producer(self) -> Producer:
        version = self._metadata.get("keras_version")
        return Producer(keras=version if isinstance(version, str) else "")

    def _contents(self) -> Contents:
        compiled = bool((self._config or {}).get("compile_config"))
        return contents_of(self.tensors(), architecture(self._model), compiled)

    def _layers(self) -> tuple[Layer, ...]:
        return store_layers(self._model, self._weights.file, self.tensors())

    def _hazards(self) -> Iterator[Hazard]:
        yield from self._archive.hazards()
        if self._weights.file is not None:
            yield from hazards_of(self._weights.file, f"{WEIGHTS}/")

    def _checks(self) -> Iterator[Check]:
        yield from self._archive.checks()
        if self._weights.file is not None:
            yield from checks_of(self._weights.file, f"{WEIGHTS}/")
        elif self._archive.has(WEIGHTS):
            yield Check("hdf5 structure", WEIGHTS, self._weights.reason)

    def _notes(self) -> tuple[str, ...]:
        escaping = [
            f"The member {name} would be unpacked outside the archive's folder. It is not shown; "
            "be careful with this file."
            for name in self._archive.escaping
        ]
        return tuple(filter(None, [self._weights.reason, *escaping]))

    def _close(self) -> None:
        if self._weights.file is not None:
            self._weights.file.close()
        self._archive.close()

    # The tree

    def _root(self) -> Node:
        return Node(
            self._outer.name,
            NodeType.FILE,
            kind="Keras archive",
            size=self._outer.size(),
            source=NodeList(lambda: self._members("")),
        )

    def _members(self, folder: str) -> list[Node]:
        return [self._member(folder, entry) for entry in self._archive.entries(folder)]

    def _member(self, folder: str, entry: Entry) -> Node:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_folder:
            return Node(
                entry.name,
                NodeType.DIRECTORY,
                kind="folder",
                source=NodeList(lambda: self._members(path)),
            )
        if path == WEIGHTS:
            return self._weights_node(entry)
        if path in (CONFIG, METADATA):
            return self._json_node(path, entry)
        return Node(entry.name, NodeType.FILE, kind="file", size=entry.size)

    def _weights_node(self, entry: Entry) -> Node:
        reason = self._weights.reason
        return Node(
            entry.name,
            NodeType.FILE,
            kind="damaged" if reason else "HDF5 weights",
            size=entry.size,
            attributes=lambda: [("damaged", reason)] if reason else [],
            source=None if self._view is None else root_source(self._view),
        )

    def _json_node(self, path: str, entry: Entry) -> Node:
        value = self._config if path == CONFIG else self._metadata
        return Node(
            entry.name,
            NodeType.FILE,
            kind="JSON",
            size=entry.size,
            summary=count_text(len(value or {}), "entry", "entries"),
            attributes=lambda: [(path, json_text(value))],
            source=json_children(value),
        )


_NPZ_NOTE = (
    f"The weights are in {NPZ_WEIGHTS}, which is not read here; load the model with Keras and save "
    "it again to see them."
)
