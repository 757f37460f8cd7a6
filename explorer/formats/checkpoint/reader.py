"""TensorFlow checkpoints: one by its ``.index`` file or its prefix, or a folder of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from explorer.formats.artifact import (
    Artifact,
    Check,
    Contents,
    GraphOp,
    Hazard,
    Node,
    NodeList,
    NodeType,
    Role,
    UnreadableArtifact,
)
from explorer.formats.checkpoint.folder import STATE_FILE, STATE_START, CheckpointFolder
from explorer.formats.checkpoint.meta_graph import (
    GRAPH_ENDING,
    graph_checks,
    graph_hazards,
    graph_ops,
)
from explorer.formats.checkpoint.objects import objects_node
from explorer.formats.checkpoint.old_checkpoint import OldBundle, is_old, open_old, shard_prefix
from explorer.formats.checkpoint.state_file import state_checks
from explorer.formats.checkpoint.stored_variables import StoredVariables
from explorer.formats.checkpoint.tensor_bundle import INDEX_ENDING, is_index, open_bundle
from explorer.formats.files import file_node
from explorer.formats.pickles import pickles_in
from explorer.formats.registry import Match
from explorer.formats.storage import Entry, Storage, escaping_links
from explorer.formats.text import count_text


@dataclass(frozen=True, slots=True)
class _One:
    """A match of one checkpoint of a folder."""

    folder: CheckpointFolder
    prefix: str


def match(storage: Storage) -> Match | None:
    """A folder of checkpoints, its state file, or a table of one."""
    above = storage if storage.is_folder else storage.parent()
    if above is None:
        return None
    folder = CheckpointFolder(above)
    is_state = storage.name == STATE_FILE and storage.read("", 0, len(STATE_START)) == STATE_START
    if storage.is_folder or is_state:
        return Match(above, folder) if folder.prefixes() else None
    prefix = storage.name.removesuffix(INDEX_ENDING)
    if prefix != storage.name and folder.has_index(prefix):
        return Match(above, _One(folder, prefix))
    return Match(above, _One(folder, _old_prefix(storage))) if is_index(storage) else None


def _old_prefix(table: Storage) -> str:
    """The checkpoint of format V1 that a table is or belongs to."""
    if is_old(table, ""):
        return shard_prefix(table.name) or table.name
    raise UnreadableArtifact(
        f"{table.name} looks like a checkpoint's index, but is not called that, so its data "
        "files cannot be found. Give it back the name that ends in .index.",
        path=table.uri,
    )


def open(match: Match) -> Artifact:
    """Open one checkpoint, or a folder of them. Raises `UnreadableArtifact`."""
    detail = match.detail
    if isinstance(detail, _One):
        return _open_one(_Checkpoint(detail.folder, detail.prefix))
    return _open_folder(detail)


@dataclass(frozen=True)
class _Checkpoint:
    """One checkpoint of a folder; its index is read when first asked for."""

    folder: CheckpointFolder
    prefix: str

    @cached_property
    def variables(self) -> StoredVariables:
        storage = self.folder.storage
        if not self.folder.is_old(self.prefix):
            return StoredVariables(open_bundle(storage, self.prefix))
        names = tuple(entry.name for entry in self.files)
        return StoredVariables(open_old(storage, self.prefix, names))

    @cached_property
    def files(self) -> Sequence[Entry]:
        return self.folder.files(self.prefix)

    @property
    def has_table(self) -> bool:
        """Whether there is what says which tensors it has."""
        return self.folder.is_old(self.prefix) or self.folder.has_index(self.prefix)

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
            kind="checkpoint" if self.has_table else "checkpoint · index missing",
            size=self.size,
            source=NodeList(self._children),
        )

    def _children(self) -> list[Node]:
        try:
            return self.nodes()
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

    def nodes(self) -> list[Node]:
        """The files with the tensors in them, then the object graph or the graph of TensorFlow 1.

        Raises `UnreadableArtifact`.
        """
        objects = objects_node(self.variables)
        graphs = [
            file_node(self.folder.storage, entry, kind="meta graph")
            for entry in self.files
            if entry.name.endswith(GRAPH_ENDING)
        ]
        return [*self.variables.file_nodes(), *([objects] if objects else []), *graphs]

    def checks(self) -> Iterator[Check]:
        """Whether it is there, and all checks of it."""
        missing = f"The state file names {self.prefix}, but it is not in this folder."
        yield Check("checkpoint present", self.prefix, "" if self.files else missing)
        if not self.files:
            return
        yield from graph_checks(self.folder, self.prefix)
        try:
            variables = self.variables
        except UnreadableArtifact as error:
            yield Check("index", self.prefix + INDEX_ENDING, str(error))
            return
        yield from variables.checks()

    def hazards(self) -> Iterator[Hazard]:
        """Those of its files that are links out of the folder, or a graph that is not read."""
        names = {entry.name for entry in self.files}
        links = (h for h in escaping_links(self.folder.storage) if h.where in names)
        return chain(links, graph_hazards(self.folder, self.prefix))

    def ops(self) -> Iterator[GraphOp]:
        """The operations of its graph."""
        return graph_ops(self.folder, self.prefix)


def _open_one(checkpoint: _Checkpoint) -> Artifact:
    variables = checkpoint.variables
    root = Node(
        checkpoint.prefix,
        NodeType.GROUP,
        kind=_kind(variables),
        size=checkpoint.size,
        source=NodeList(checkpoint.nodes),
    )
    path = f"{checkpoint.folder.storage.uri}/{checkpoint.prefix}"
    return Artifact(
        path=path,
        name=root.name,
        format="tf_checkpoint",
        format_name="TensorFlow checkpoint",
        size=root.size or 0,
        root=root,
        contents=_contents(variables),
        tensors=variables.tensors,
        layers=variables.layers,
        ops=checkpoint.ops,
        hazards=checkpoint.hazards,
        checks=checkpoint.checks,
        notes=tuple(variables.notes()),
    )


def _open_folder(folder: CheckpointFolder) -> Artifact:
    checkpoints = [_Checkpoint(folder, prefix) for prefix in folder.prefixes()]
    readable = [checkpoint for checkpoint in checkpoints if checkpoint.files]
    if not readable:
        raise UnreadableArtifact(
            f"The file {STATE_FILE} names {checkpoints[0].prefix}, but neither it nor another "
            "checkpoint is in this folder. Copy the .index and .data files beside it.",
            path=folder.storage.uri,
        )
    latest, damaged = _latest_readable(readable)
    notes = damaged + latest.variables.notes()
    notes += [
        f"The index of {one.prefix} is missing, so its values cannot be read."
        for one in readable[readable.index(latest) + 1 :]
        if not one.has_table
    ]
    if len(readable) > 1:
        notes.append(
            f"The folder holds {len(readable)} checkpoints. What is said of tensors is of "
            f"{latest.prefix}, the latest{' that can be read' if damaged else ''}."
        )
    root = Node(
        folder.storage.name,
        NodeType.DIRECTORY,
        kind=f"checkpoint folder · {count_text(len(readable), 'checkpoint')}",
        size=folder.storage.total_size(),
        source=NodeList(lambda: _folder_children(folder, checkpoints)),
    )
    return Artifact(
        path=folder.storage.uri,
        name=root.name,
        format="tf_checkpoint",
        format_name="TensorFlow checkpoint",
        size=root.size or 0,
        root=root,
        contents=_contents(latest.variables),
        tensors=latest.variables.tensors,
        layers=latest.variables.layers,
        ops=lambda: chain.from_iterable(checkpoint.ops() for checkpoint in checkpoints),
        hazards=lambda: _folder_hazards(folder, checkpoints),
        checks=lambda: _folder_checks(folder, checkpoints),
        notes=tuple(notes),
    )


def _folder_checks(folder: CheckpointFolder, checkpoints: Sequence[_Checkpoint]) -> Iterator[Check]:
    yield from state_checks(folder)
    for checkpoint in checkpoints:
        yield from checkpoint.checks()


def _folder_hazards(
    folder: CheckpointFolder, checkpoints: Sequence[_Checkpoint]
) -> Iterator[Hazard]:
    yield from escaping_links(folder.storage)
    yield from pickles_in(folder.storage)
    for checkpoint in checkpoints:
        yield from graph_hazards(folder, checkpoint.prefix)


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
    raise UnreadableArtifact(problems[0], path=checkpoints[0].folder.storage.uri)


def _folder_children(folder: CheckpointFolder, checkpoints: Sequence[_Checkpoint]) -> list[Node]:
    theirs = {entry.name for checkpoint in checkpoints for entry in checkpoint.files}
    others = [
        file_node(folder.storage, entry, kind=_other_kind(entry.name))
        for entry in folder.entries
        if entry.name not in theirs
    ]
    return [checkpoint.node() for checkpoint in checkpoints] + others


def _other_kind(name: str) -> str:
    return "checkpoint state" if name == STATE_FILE else ""


def _kind(variables: StoredVariables) -> str:
    style = "objects" if variables.graph else "names"
    old = " · format V1" if isinstance(variables.bundle, OldBundle) else ""
    count = count_text(variables.bundle.header.num_shards, "shard")
    return f"checkpoint by {style}{old} · {count}"


def _contents(variables: StoredVariables) -> Contents:
    return Contents(weights=variables.holds(Role.WEIGHT), optimizer=variables.holds(Role.OPTIMIZER))
