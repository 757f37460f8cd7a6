"""A Keras model as its parts: config.json, metadata.json, weights and assets, zipped or not.

Source: ``save_model`` in ``keras/src/saving/saving_lib.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, cached_property
from typing import Any

from explorer.formats.archives.zip_storage import is_zip
from explorer.formats.artifact import (
    Artifact,
    Check,
    Config,
    Contents,
    Hazard,
    Layer,
    Node,
    NodeList,
    NodeType,
    OverLimit,
    Producer,
    Tensor,
    UnreadableArtifact,
)
from explorer.formats.files import file_node, text_attributes
from explorer.formats.json_tree import (
    LARGEST_JSON,
    as_text,
    excess,
    json_children,
    json_text,
    parse_object,
    why_unparsed,
)
from explorer.formats.keras.config import LayerConfig, architecture, read_config
from explorer.formats.keras.labels import StoreLabels, major_version
from explorer.formats.keras.npz import NpzWeights
from explorer.formats.keras.store import store_kinds, store_layers
from explorer.formats.keras.vocabularies import vocabulary_checks
from explorer.formats.keras.weights import contents_of
from explorer.formats.keras.weights_store import Hdf5Weights, Labelled, WeightsStore
from explorer.formats.keras_config import CONFIG
from explorer.formats.storage import Entry, Storage, joined, readable_entries
from explorer.formats.text import count_text

METADATA = "metadata.json"
WEIGHTS = ("model.weights.h5", "model.weights.npz")

_ASSETS = "assets"


def is_model(storage: Storage) -> bool:
    """Whether config.json is that of a model: the weights lie beside it, or it names a class."""
    if any(map(storage.has, WEIGHTS)):
        return True
    return "class_name" in (read_json(storage, CONFIG) or {})


def read_json(storage: Storage, member: str) -> dict[str, Any] | None:
    """The JSON object in a member, ``None`` where that is none, or too large."""
    with suppress(UnreadableArtifact):
        return parse_object(_text(storage, member))
    return None


def _text(storage: Storage, member: str) -> bytes:
    """The text in a member; of one that is too large, as much as shows that it is."""
    return storage.read(member, 0, LARGEST_JSON + 1)


def _why_unparsed(storage: Storage, member: str) -> str:
    try:
        return why_unparsed(_text(storage, member))
    except UnreadableArtifact as error:
        return f"cannot be read: {str(error).removesuffix('.')}"


def _json_check(storage: Storage, member: str, value: dict[str, Any] | None) -> Check:
    """Whether a member is a JSON object, of which ``value`` is what could be read."""
    if value is not None:
        return Check("json", member)
    try:
        limit = excess(_text(storage, member))
    except OverLimit as error:
        return Check("json", member, limit=str(error))
    except UnreadableArtifact as error:
        return Check("json", member, str(error))
    if limit:
        return Check("json", member, limit=f"It has {limit}, which is not read.")
    return Check("json", member, "It is no JSON object.")


def open_model(
    outer: Storage, storage: Storage, format: str, format_name: str, size: int
) -> Artifact:
    """The model whose parts ``storage`` holds, a folder or an archive; its weights stay open.

    ``outer`` is what the person opened, ``size`` is in bytes on disk. Raises `UnreadableArtifact`
    where neither the config nor the weights can be read.
    """
    model = _KerasModel(outer, storage)
    try:
        return model.artifact(format, format_name, size)
    except BaseException:
        model.close()
        raise


class _KerasModel:
    """The parts of a model on their way to an `Artifact`."""

    def __init__(self, outer: Storage, storage: Storage) -> None:
        self._outer = outer
        self._storage = storage
        self._reason = ""
        self._is_over_limit = False
        self._config = read_json(storage, CONFIG)
        self._metadata = read_json(storage, METADATA)
        self._model: LayerConfig | None = read_config(self._config)
        self._member = next(filter(storage.has, WEIGHTS), "")
        self._weights = self._open_weights()
        if self._config is None and self._weights is None and not self._is_over_limit:
            raise UnreadableArtifact(f"{self._no_config} {self._reason}")
        self.tensors: Callable[[], tuple[Tensor, ...]] = cache(lambda: self._labels.labelled())

    @property
    def _no_config(self) -> str:
        return (
            f"{CONFIG} in {self._outer.name} is not the JSON of a model: it "
            f"{_why_unparsed(self._storage, CONFIG)}. So the layers are not known."
        )

    def _open_weights(self) -> WeightsStore | None:
        if not self._member:
            self._reason = f"There is no {WEIGHTS[0]} in it."
            return None
        try:
            if is_zip(self._storage.read(self._member, 0, 4)):
                return NpzWeights(self._storage, self._member)
            return Hdf5Weights(self._storage, self._member)
        except UnreadableArtifact as error:
            self._reason = str(error)
            self._is_over_limit = isinstance(error, OverLimit)
            return None

    def artifact(self, format: str, format_name: str, size: int) -> Artifact:
        return Artifact(
            path=self._outer.uri,
            name=self._outer.name,
            format=format,
            format_name=format_name,
            size=size,
            root=self._root(format_name, size),
            producer=Producer(keras=self._version),
            contents=self._contents(),
            tensors=self.tensors,
            layers=cache(self._layers),
            configs=self._configs,
            hazards=self._hazards,
            checks=self._checks,
            notes=tuple(self._notes()),
            close=self.close,
        )

    @property
    def _version(self) -> str:
        return as_text((self._metadata or {}).get("keras_version"))

    def _contents(self) -> Contents:
        compiled = bool((self._config or {}).get("compile_config"))
        is_whole = self._weights is not None and not self._weights.notes
        return contents_of(self.tensors(), architecture(self._model), compiled, is_whole)

    # Weights

    @cached_property
    def _labels(self) -> StoreLabels:
        compiled = (self._config or {}).get("compile_config")
        return StoreLabels(
            self._weights.tensors() if self._weights else (),
            self._weights.stored_name if self._weights else lambda _place: "",
            self._place_of,
            self._model,
            major_version(self._version),
            compiled.get("optimizer") if isinstance(compiled, dict) else None,
            self._weights.layer_groups() if self._weights else (),
        )

    def _layers(self) -> tuple[Layer, ...]:
        labels = self._labels
        groups = self._weights.layer_groups() if self._weights is not None else ()
        is_whole = self._weights is not None
        return store_layers(
            self._model, self.tensors(), groups, labels.stored_name, self._place_of, is_whole
        )

    def _place_of(self, path: str) -> str:
        return path if self._weights is None else self._weights.place_of(path)

    # What else is known

    def _configs(self) -> Iterator[Config]:
        for member, value in ((CONFIG, self._config), (METADATA, self._metadata)):
            if self._storage.has(member):
                yield Config(member, value)

    def _hazards(self) -> Iterator[Hazard]:
        if self._weights is not None:
            yield from self._weights.hazards()

    def _checks(self) -> Iterator[Check]:
        for member, value in ((CONFIG, self._config), (METADATA, self._metadata)):
            if self._storage.has(member):
                yield _json_check(self._storage, member, value)
        if self._weights is not None:
            yield from self._weights.checks()
        else:
            problem, limit = ("", self._reason) if self._is_over_limit else (self._reason, "")
            yield Check("weights", self._member or WEIGHTS[0], problem, limit)
        if self._model is not None and major_version(self._version) == 3:
            yield from vocabulary_checks(self._storage, _ASSETS, self._model)

    def _notes(self) -> Iterator[str]:
        if self._config is None:
            yield self._no_config
        if self._reason:
            yield self._reason
        if self._metadata is None:
            is_there = self._storage.has(METADATA)
            what = "is not JSON" if is_there else "is missing"
            yield f"{METADATA} {what}, so the version of Keras that wrote it is not known."
        yield from self._weights.notes if self._weights else ()
        yield from self._labels.notes()

    def close(self) -> None:
        """Close the weights."""
        if self._weights is not None:
            self._weights.close()

    # The tree

    def _root(self, kind: str, size: int) -> Node:
        return Node(
            self._outer.name,
            NodeType.DIRECTORY if self._outer.is_folder else NodeType.FILE,
            kind=kind,
            size=size,
            source=NodeList(lambda: self._members("")),
        )

    def _members(self, folder: str) -> list[Node]:
        entries = readable_entries(self._storage, folder)
        return [self._member_node(folder, entry) for entry in entries]

    def _member_node(self, folder: str, entry: Entry) -> Node:
        path = joined(folder, entry.name)
        if entry.link:
            return file_node(self._storage, entry, folder)
        if entry.is_folder:
            source = NodeList(lambda: self._members(path))
            return Node(entry.name, NodeType.DIRECTORY, kind="folder", source=source)
        if path == self._member:
            return self._weights_node(entry)
        if path in (CONFIG, METADATA):
            return _json_node(path, entry, self._config if path == CONFIG else self._metadata)
        return self._asset_node(path, entry)

    def _weights_node(self, entry: Entry) -> Node:
        if self._weights is None:
            reason = self._reason
            return Node(
                entry.name,
                NodeType.FILE,
                kind="damaged",
                size=entry.size,
                attributes=lambda: [("damaged", reason)],
            )
        kinds = store_kinds(self._model)
        nodes = self._weights.nodes(lambda path: kinds.get(self._place_of(path), ""))
        return Node(
            entry.name,
            NodeType.FILE,
            kind=self._weights.kind,
            size=entry.size,
            source=Labelled(nodes, self._labels.label),
        )

    def _asset_node(self, path: str, entry: Entry) -> Node:
        is_asset = path.startswith(f"{_ASSETS}/")
        return Node(
            entry.name,
            NodeType.FILE,
            kind="asset" if is_asset else "file",
            size=entry.size,
            attributes=(lambda: text_attributes(self._storage, path)) if is_asset else lambda: (),
        )


def _json_node(path: str, entry: Entry, value: dict[str, Any] | None) -> Node:
    return Node(
        entry.name,
        NodeType.FILE,
        kind="JSON" if value is not None else "damaged",
        size=entry.size,
        summary=count_text(len(value or {}), "entry", "entries"),
        attributes=lambda: [(path, json_text(value))],
        source=json_children(value),
    )
