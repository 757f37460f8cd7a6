"""TensorFlow checkpoints: one by its ``.index`` file or its prefix, or a folder of several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from explorer.formats.artifact import (
    Artifact,
    Contents,
    Node,
    NodeList,
    NodeType,
    Role,
    UnreadableArtifact,
)
from explorer.formats.files import file_node
from explorer.formats.registry import Match
from explorer.formats.schema.checkpoint_pb2 import CheckpointState
from explorer.formats.storage import Entry, Storage
from explorer.formats.stored_variables import StoredVariables, natural_key
from explorer.formats.tensor_bundle import INDEX_ENDING, is_index, open_bundle
from explorer.formats.text import count_text

STATE_FILE = "checkpoint"
_STATE_START = b"model_checkpoint_path"
_LARGEST_STATE = 1 << 20


@dataclass(frozen=True, slots=True)
class _One:
    """A match of one checkpoint in ``Match.storage``, which is its folder."""

    prefix: str


@dataclass(frozen=True, slots=True)
class _Folder:
    """A match of a folder; ``prefixes`` has the latest first, there or not."""

    prefixes: tuple[str, ...]


def match(storage: Storage) -> Match | None:
    """A folder of checkpoints, its state file, or the index of one."""
    if storage.is_folder:
        prefixes = _prefixes(storage)
        return Match(storage, _Folder(prefixes)) if prefixes else None
    folder = storage.parent()
    if folder is None:
        return None
    if storage.name == STATE_FILE and storage.read("", 0, len(_STATE_START)) == _STATE_START:
        return Match(folder, _Folder(_prefixes(folder)))
    if storage.name.endswith(INDEX_ENDING) and storage.name in _indexes(folder):
        return Match(folder, _One(storage.name.removesuffix(INDEX_ENDING)))
    if is_index(storage):
        raise UnreadableArtifact(
            f"{storage.name} looks like a checkpoint's index, but is not called that, so its data "
            "files cannot be found. Give it back the name that ends in .index.",
            path=storage.uri,
        )
    return None


def open(match: Match) -> Artifact:
    """Open one checkpoint, or a folder of them. Raises `UnreadableArtifact`."""
    detail = match.detail
    if isinstance(detail, _One):
        return _open_one(match.storage, detail.prefix)
    return _open_folder(match.storage, detail.prefixes)


def _prefixes(folder: Storage) -> tuple[str, ...]:
    """The checkpoints of a folder, the latest first: those of the state file, then the others."""
    indexes = sorted(_indexes(folder), key=natural_key, reverse=True)
    present = [name.removesuffix(INDEX_ENDING) for name in indexes]
    return tuple(dict.fromkeys([*_listed(folder), *present]))


def _indexes(folder: Storage) -> list[str]:
    """The index files of a folder: tables, and what is called like one and has a shard beside."""
    names = [entry.name for entry in folder.entries() if not entry.is_folder]
    sharded = {name.rpartition(".data-")[0] for name in names}
    return [
        name
        for name in names
        if name.endswith(INDEX_ENDING)
        and (name.removesuffix(INDEX_ENDING) in sharded or is_index(folder, name))
    ]


def _listed(folder: Storage) -> list[str]:
    """What the state file names, by the last part of each path: none elsewhere is followed."""
    size = folder.size(STATE_FILE)
    if size is None or size > _LARGEST_STATE:
        return []
    from google.protobuf import text_format  # only this small file is text

    state = CheckpointState()
    text = folder.read(STATE_FILE).decode("utf-8", "replace")
    try:
        text_format.Parse(text, state, allow_unknown_field=True)
    except text_format.ParseError:
        return []
    paths = [state.model_checkpoint_path, *reversed(state.all_model_checkpoint_paths)]
    return [name for path in paths if (name := re.split(r"[/\\]", path)[-1])]


@dataclass(frozen=True)
class _Checkpoint:
    """One checkpoint of a folder; its index is read when first asked for."""

    folder: Storage
    prefix: str

    @cached_property
    def variables(self) -> StoredVariables:
        return StoredVariables(open_bundle(self.folder, self.prefix))

    @cached_property
    def files(self) -> Sequence[Entry]:
        shard = re.compile(re.escape(self.prefix) + r"(\.index|\.data-\d+-of-\d+)")
        return [entry for entry in self.folder.entries() if shard.fullmatch(entry.name)]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.files)

    def node(self) -> Node:
        if not self.files:
            return Node(
                self.prefix,
                NodeType.GROUP,
                kind="missing",
                attributes=lambda: [("problem", "The state file names it, but it is not here.")],
            )
        return Node(
            self.prefix,
            NodeType.GROUP,
            kind="checkpoint",
            size=self.size,
            source=NodeList(self._children),
        )

    def _children(self) -> list[Node]:
        try:
            return self.variables.file_nodes()
        except UnreadableArtifact as error:
            problem = str(error)
            return [
                Node(
                    self.prefix + INDEX_ENDING,
                    NodeType.FILE,
                    kind="damaged",
                    attributes=lambda: [("problem", problem)],
                )
            ]


def _open_one(folder: Storage, prefix: str) -> Artifact:
    checkpoint = _Checkpoint(folder, prefix)
    variables = checkpoint.variables
    root = Node(
        prefix,
        NodeType.GROUP,
        kind=_kind(variables),
        size=checkpoint.size,
        source=NodeList(variables.file_nodes),
    )
    return _artifact(f"{folder.uri}/{prefix}", root, variables, variables.notes())


def _open_folder(folder: Storage, prefixes: Sequence[str]) -> Artifact:
    checkpoints = [_Checkpoint(folder, prefix) for prefix in prefixes]
    readable = [checkpoint for checkpoint in checkpoints if checkpoint.files]
    if not readable:
        raise UnreadableArtifact(
            f"The file {STATE_FILE} names {prefixes[0]}, but neither it nor another checkpoint is "
            "in this folder. Copy the .index and .data files beside it.",
            path=folder.uri,
        )
    latest, damaged = _latest_readable(readable)
    notes = damaged + latest.variables.notes()
    if len(readable) > 1:
        notes.append(
            f"The folder holds {len(readable)} checkpoints. What is said of tensors is of "
            f"{latest.prefix}, the latest{' that can be read' if damaged else ''}."
        )
    root = Node(
        folder.name,
        NodeType.DIRECTORY,
        kind=f"checkpoint folder · {count_text(len(readable), 'checkpoint')}",
        size=folder.total_size(),
        source=NodeList(lambda: _folder_children(folder, checkpoints)),
    )
    return _artifact(folder.uri, root, latest.variables, notes)


def _latest_readable(checkpoints: Sequence[_Checkpoint]) -> tuple[_Checkpoint, list[str]]:
    """The first checkpoint whose index is sound, and what is wrong with those before it."""
    problems: list[str] = []
    for checkpoint in checkpoints:
        try:
            checkpoint.variables  # noqa: B018 - reads the index
        except UnreadableArtifact as error:
            problems.append(str(error))
        else:
            return checkpoint, problems
    raise UnreadableArtifact(problems[0], path=checkpoints[0].folder.uri)


def _folder_children(folder: Storage, checkpoints: Sequence[_Checkpoint]) -> list[Node]:
    theirs = {entry.name for checkpoint in checkpoints for entry in checkpoint.files}
    others = [
        file_node(folder, entry, kind="checkpoint state" if entry.name == STATE_FILE else "")
        for entry in folder.entries()
        if entry.name not in theirs
    ]
    return [checkpoint.node() for checkpoint in checkpoints] + others


def _kind(variables: StoredVariables) -> str:
    style = "objects" if variables.graph else "names"
    return f"checkpoint by {style} · {count_text(variables.bundle.header.num_shards, 'shard')}"


def _artifact(path: str, root: Node, variables: StoredVariables, notes: Sequence[str]) -> Artifact:
    return Artifact(
        path=path,
        name=root.name,
        format="tf_checkpoint",
        format_name="TensorFlow checkpoint",
        size=root.size or 0,
        root=root,
        contents=Contents(
            weights=variables.holds(Role.WEIGHT), optimizer=variables.holds(Role.OPTIMIZER)
        ),
        tensors=variables.tensors,
        layers=variables.layers,
        notes=tuple(notes),
    )
