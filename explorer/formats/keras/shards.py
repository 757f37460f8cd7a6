"""Keras weights in several files: ``x.weights.json`` says which objects lie in which shard.

Source: ``ShardedH5IOStore`` in ``keras/src/saving/saving_lib.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from explorer.formats.artifact import (
    Artifact,
    Check,
    Config,
    Hazard,
    HazardKind,
    Layer,
    Node,
    NodeList,
    NodeType,
    Tensor,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.json_tree import json_children, json_text, parse_object
from explorer.formats.keras.labels import StoreLabels
from explorer.formats.keras.store import Places, groups_in, store_layers
from explorer.formats.keras.weights import contents_of, parts_of
from explorer.formats.keras.weights_store import Hdf5Weights, Labelled
from explorer.formats.model_folders import model_folders
from explorer.formats.registry import Match
from explorer.formats.storage import Storage, stays_inside
from explorer.formats.text import count_text, listed

_INDEX = ".weights.json"
_SHARD = re.compile(r"(.+)_\d{5}\.weights\.h5")
_ENDING = ".weights.h5"
_PEEK = 4096
_LARGEST_INDEX = 8 << 20
_MOST_SHARDS = 500
_MOST_NOTED = 3


@dataclass(frozen=True, slots=True)
class _Index:
    """A parsed index; ``places`` are what lies in each file, in the order of writing."""

    folder: Storage
    name: str
    value: Mapping[str, Any]
    places: Mapping[str, Sequence[str]]


def match(storage: Storage) -> Match | None:
    """An index of ``.weights.h5`` files, one of these with its index beside it, or their folder."""
    if storage.is_folder:
        name = _only_index(storage)
        index = _read(storage, name) if name else None
        return Match(storage, index) if index else None
    folder = storage.parent()
    if folder is None:
        return None
    shard = _SHARD.fullmatch(storage.name)
    name = f"{shard[1]}{_INDEX}" if shard else storage.name
    if not folder.has(name):
        return None
    index = _read(folder, name)
    is_ours = index is not None and (shard is None or storage.name in index.places)
    return Match(storage, index) if is_ours else None


def _only_index(folder: Storage) -> str:
    """The index of a folder that holds no other model, else empty text."""
    if not any(entry.name.endswith(_INDEX) for entry in folder.entries()):
        return ""
    found = next(model_folders(folder), None)
    models = found.models if found else []
    is_only = len(models) == 1 and models[0].endswith(_INDEX) and folder.has(models[0])
    return models[0] if is_only else ""


def _read(folder: Storage, name: str) -> _Index | None:
    head = folder.read(name, 0, _PEEK)
    if not head.lstrip().startswith(b"{") or b'"weight_map"' not in head:
        return None
    if (folder.size(name) or 0) > _LARGEST_INDEX:
        return None
    value = parse_object(folder.read(name)) or {}
    found = value.get("weight_map")
    places: dict[str, list[str]] = {}
    for place, names in found.items() if isinstance(found, dict) else ():
        for file in _names(names):
            places.setdefault(file, []).append(place)
    return _Index(folder, name, value, places) if places else None


def _names(value: Any) -> list[str]:
    """Keras writes one name, or a list where an object lies in several files."""
    names = value if isinstance(value, list) else [value]
    return [name for name in names if isinstance(name, str) and name.endswith(_ENDING)]


def open(match: Match) -> Artifact:
    """Open every shard there is and keep them open until the artifact is closed."""
    model = _Sharded(match.detail)
    try:
        return model.artifact()
    except BaseException:
        model.close()
        raise


class _Sharded:
    """The shards of an index on their way to an `Artifact`."""

    def __init__(self, index: _Index) -> None:
        self._index = index
        self._shards: dict[str, Hdf5Weights] = {}
        self._missing: dict[str, str] = {}
        for number, name in enumerate(index.places):
            self._open(name, number)
        self._places = Places(self._groups_in)
        names = self._stored_names()
        self._labels = StoreLabels(
            self._stored(),
            lambda place: names.get(place, ""),
            self._places.of,
            layer_groups=self._layer_groups(),
        )
        self.tensors: Callable[[], Sequence[Tensor]] = cache(self._labels.labelled)

    def _open(self, name: str, number: int) -> None:
        try:
            if number >= _MOST_SHARDS:
                self._missing[name] = f"Only the first {_MOST_SHARDS:,} shards are read."
            elif not self._index.folder.has(name):
                self._missing[name] = "It is not there. Copy it beside the index."
            else:
                self._shards[name] = Hdf5Weights(self._index.folder, name)
        except (UnreadableArtifact, OSError) as error:
            self._missing[name] = str(error)

    def close(self) -> None:
        """Close the shards."""
        for shard in self._shards.values():
            shard.close()

    def artifact(self) -> Artifact:
        index = self._index
        complete = not [*self._notes()]
        return Artifact(
            path=index.folder.below(index.name).uri,
            name=index.name,
            format="keras_sharded_weights",
            format_name="Keras sharded weights",
            size=self._size,
            root=self._root(),
            contents=contents_of(self.tensors(), Tri.NO, False, complete),
            tensors=self.tensors,
            layers=cache(lambda: self._layers(complete)),
            configs=lambda: [Config(index.name, index.value)],
            hazards=self._hazards,
            checks=self._checks,
            notes=(*self._notes(), *self._labels.notes()),
            close=self.close,
        )

    @property
    def _size(self) -> int:
        index = self._index.folder.size(self._index.name) or 0
        return index + sum(shard.file.size for shard in self._shards.values())

    def _stored(self) -> Sequence[Tensor]:
        found: dict[str, Tensor] = {}
        for shard in self._shards.values():
            for tensor in shard.tensors():
                found.setdefault(tensor.path, tensor)
        return list(found.values())

    def _stored_names(self) -> Mapping[str, str]:
        """Those of all shards; of an object that lies in several as the first of them says."""
        shards = reversed(self._shards.values())
        return {place: name for shard in shards for place, name in shard.stored_names.items()}

    def _groups_in(self, place: str) -> list[str]:
        names = (name for shard in self._shards.values() for name in groups_in(shard.file, place))
        return list(dict.fromkeys(names))

    def _layers(self, complete: bool) -> Sequence[Layer]:
        labels = self._labels
        return store_layers(
            None, self.tensors(), labels.layer_groups, labels.stored_name, self._places.of, complete
        )

    def _layer_groups(self) -> list[str]:
        """Those of all shards; one may hold just what lies in a layer of another."""
        groups = {place for shard in self._shards.values() for place in shard.layer_groups()}
        return sorted(place for place in groups if place.rpartition("/")[0] not in groups)

    def _notes(self) -> Iterator[str]:
        if len(self._missing) > _MOST_NOTED:
            yield self._many_missing()
        else:
            yield from map(self._missing_note, self._missing)
        for shard in self._shards.values():
            yield from shard.notes

    def _missing_note(self, name: str) -> str:
        places = self._index.places[name]
        some = ", ".join(places[:3]) + (" …" if len(places) > 3 else "")
        objects = count_text(len(places), "object")
        return (
            f"{name} cannot be read, which holds weights of {objects} ({some}): "
            f"{self._missing[name]}"
        )

    def _many_missing(self) -> str:
        names = [*self._missing]
        objects = len({place for name in names for place in self._index.places[name]})
        return (
            f"{len(names):,} shards cannot be read, which hold weights of "
            f"{count_text(objects, 'object')}: {listed(names)}. The first: "
            f"{self._missing[names[0]]}"
        )

    def _hazards(self) -> Iterator[Hazard]:
        for name in self._index.places:
            if not stays_inside(name):
                yield Hazard(HazardKind.EXTERNAL_STORAGE, self._index.name, name)
        for shard in self._shards.values():
            yield from shard.hazards()

    def _checks(self) -> Iterator[Check]:
        yield Check("byte count", self._index.name, self._size_problem())
        for name, places in self._index.places.items():
            yield Check("shard present", name, self._missing.get(name, ""))
            if name in self._shards:
                yield from self._listed(name, places)
                yield from self._shards[name].checks()

    def _size_problem(self) -> str:
        metadata = self._index.value.get("metadata")
        declared = metadata.get("total_size") if isinstance(metadata, dict) else None
        tensors = self._labels.tensors
        stored = sum(tensor.nbytes for tensor in tensors)
        is_plain = all(t.location is not None and t.location.offset is not None for t in tensors)
        if not isinstance(declared, int | float) or declared == stored or not is_plain:
            return ""
        return f"The index says {declared:,.0f} bytes of weights, but {stored:,} are there."

    def _listed(self, name: str, places: Sequence[str]) -> Iterator[Check]:
        """Whether a shard holds variables of every object that the index says lies in it."""
        paths = (parts_of(tensor.path) for tensor in self._shards[name].tensors())
        there = {"/".join(["", *parts[:-1]]) for parts in paths}
        for place in places:
            problem = "" if place in there else f"The index says that it lies in {name}."
            yield Check("weight present", place, problem)

    # The tree

    def _root(self) -> Node:
        return Node(
            self._index.name,
            NodeType.FILE,
            kind="Keras sharded weights",
            size=self._size,
            summary=count_text(len(self._index.places), "shard"),
            attributes=lambda: [("weight_map", json_text(self._index.value.get("weight_map")))],
            source=NodeList(lambda: [self._index_node(), *map(self._node, self._index.places)]),
        )

    def _index_node(self) -> Node:
        return Node(
            self._index.name,
            NodeType.FILE,
            kind="JSON",
            size=self._index.folder.size(self._index.name),
            source=json_children(self._index.value),
        )

    def _node(self, name: str) -> Node:
        reason = self._missing.get(name)
        if reason is not None:
            return Node(
                name, NodeType.FILE, kind="missing", attributes=lambda: [("problem", reason)]
            )
        shard = self._shards[name]
        return Node(
            name,
            NodeType.FILE,
            kind=shard.kind,
            size=shard.file.size,
            source=Labelled(shard.nodes(lambda _path: ""), self._labels.label),
        )
