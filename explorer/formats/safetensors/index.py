"""Sharded ``.safetensors``: a JSON index that says in which file each tensor lies.

Source: ``split_torch_state_dict_into_shards`` of https://github.com/huggingface/huggingface_hub.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from explorer.formats.artifact import (
    Artifact,
    Check,
    Contents,
    Hazard,
    HazardKind,
    Node,
    NodeList,
    NodeType,
    OverLimit,
    Tensor,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.contents import yes_if
from explorer.formats.json_tree import LARGEST_JSON, excess, parse_object
from explorer.formats.registry import Match
from explorer.formats.safetensors import reader
from explorer.formats.safetensors.reader import SafetensorsFile
from explorer.formats.storage import Storage, stays_inside
from explorer.formats.text import count_text

_PEEK = 4096
_MOST_SHARDS = 1_000


def match(storage: Storage) -> Match | None:
    """A JSON file with a ``weight_map``."""
    if storage.is_folder:
        return None
    head = storage.read("", 0, _PEEK)
    is_index = head.lstrip()[:1] == b"{" and b'"weight_map"' in head
    return Match(storage) if is_index else None


def open(match: Match) -> Artifact:
    """Read the index and the header of every shard. Raises `UnreadableArtifact`."""
    model = _model(match.storage)
    return Artifact(
        path=match.storage.uri,
        name=match.storage.name,
        format="safetensors",
        format_name="Safetensors, sharded",
        size=model.size,
        root=model.root(),
        contents=Contents(weights=Tri.PARTLY if model.missing else yes_if(bool(model.tensors()))),
        tensors=model.tensors,
        hazards=model.hazards,
        checks=model.checks,
        notes=tuple(model.notes()),
    )


def _model(storage: Storage) -> _Sharded:
    names = _weight_map(storage)
    files = sorted(set(names.values()))[:_MOST_SHARDS]
    folder = storage.parent()
    shards: dict[str, SafetensorsFile] = {}
    missing: dict[str, str] = {}
    for file in files:
        try:
            shards[file] = _shard(folder, file)
        except (OSError, UnreadableArtifact) as error:
            missing[file] = str(error)
    return _Sharded(storage, names, shards, missing)


def _weight_map(storage: Storage) -> Mapping[str, str]:
    """The file of each tensor."""
    text = storage.read("", 0, LARGEST_JSON + 1)
    if much := excess(text):
        raise OverLimit(f"{storage.name} has {much}, as no model's index takes, so it is not read.")
    names = (parse_object(text) or {}).get("weight_map")
    if not isinstance(names, dict):
        raise UnreadableArtifact(
            f"{storage.name} looks like the index of sharded weights, but is no complete JSON. "
            "Copy or download it again."
        )
    return {name: file for name, file in names.items() if isinstance(file, str)}


def _shard(folder: Storage | None, name: str) -> SafetensorsFile:
    if folder is None or not folder.has(name):
        raise UnreadableArtifact(f"{name} is not there. Copy it beside the index.")
    found = reader.match(folder.below(name))
    if found is None:
        raise UnreadableArtifact(f"{name} is no safetensors file. Copy or download it again.")
    return reader.read_file(found)


@dataclass(frozen=True)
class _Sharded:
    """An index with the shards that could be read, and why the others could not."""

    storage: Storage
    names: Mapping[str, str]
    shards: Mapping[str, SafetensorsFile]
    missing: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes of the index and the shards."""
        own = self.storage.size() or 0
        return own + sum(shard.storage.size() or 0 for shard in self.shards.values())

    def tensors(self) -> tuple[Tensor, ...]:
        """Those of every shard."""
        return tuple(tensor for shard in self.shards.values() for tensor in shard.tensors)

    def hazards(self) -> Iterator[Hazard]:
        """Shards that the index names outside its folder."""
        for file in dict.fromkeys(self.names.values()):
            if not stays_inside(file):
                yield Hazard(HazardKind.EXTERNAL_STORAGE, self.storage.name, file)

    def checks(self) -> Iterator[Check]:
        """Whether every shard is there, holds what the index says, and is whole."""
        for file in sorted({*self.shards, *self.missing}):
            yield Check("shard present", file, self.missing.get(file, ""))
        found = {file: {t.path for t in shard.tensors} for file, shard in self.shards.items()}
        for name, file in self.names.items():
            if file in found and name not in found[file]:
                yield Check(
                    "tensor present", name, f"The index names it in {file}; it is not there."
                )
        for shard in self.shards.values():
            yield from shard.checks()

    def notes(self) -> Iterator[str]:
        """What is missing or damaged."""
        yield from self.missing.values()
        for shard in self.shards.values():
            yield from shard.notes()

    def root(self) -> Node:
        """The index with its shards."""
        return Node(
            self.storage.name,
            NodeType.FILE,
            kind=f"index · {count_text(len(self.shards) + len(self.missing), 'shard')}",
            size=self.size,
            source=NodeList(lambda: [shard.node() for shard in self.shards.values()]),
        )
