"""TensorFlow Lite models: graphs, operators, tensors with their quantization, signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain

from explorer.formats.artifact import (
    Artifact,
    Check,
    Contents,
    GraphOp,
    Hazard,
    HazardKind,
    Node,
    NodeList,
    NodeType,
    Producer,
    Role,
    Signature,
    Tensor,
    Tri,
)
from explorer.formats.contents import yes_if
from explorer.formats.nodes import signature_node
from explorer.formats.registry import Match
from explorer.formats.storage import Pages, Storage
from explorer.formats.text import count_text
from explorer.formats.tflite.buffers import Buffers, External
from explorer.formats.tflite.checks import Checker
from explorer.formats.tflite.files import AssociatedFiles
from explorer.formats.tflite.flatbuffer import UINT32, Budget, FlatBuffer, Table
from explorer.formats.tflite.graph import Common, Graph, group, untaken
from explorer.formats.tflite.metadata import Notes
from explorer.formats.tflite.operators import operator_kind
from explorer.formats.tflite.schema import IDENTIFIER, Model, SignatureDef, SubGraph

_SHOWN = 5


def match(storage: Storage) -> Match | None:
    """Look for the identifier behind the first offset."""
    if storage.is_folder or storage.read("", 4, 4) != IDENTIFIER:
        return None
    return Match(storage)


def open(match: Match) -> Artifact:
    """Open the model and keep the file open until the artifact is closed."""
    pages = Pages(match.storage)
    try:
        files = AssociatedFiles(match.storage)
    except BaseException:
        pages.close()
        raise
    try:
        return _Reading(match.storage, pages, files).artifact()
    except BaseException:
        files.close()
        pages.close()
        raise


class _Reading:
    """One open model on its way to an `Artifact`."""

    def __init__(self, storage: Storage, pages: Pages, files: AssociatedFiles) -> None:
        self._storage = storage
        self._pages = pages
        self._files = files
        self._model = FlatBuffer(pages).root()
        self._buffers = Buffers(pages, self._model)
        self._cut = self._buffers.check()
        budget = Budget(pages)
        codes = self._model.tables(Model.OPERATOR_CODES)
        self._kinds = [operator_kind(table, budget) for table in codes]
        common = Common(self._buffers, self._kinds, self._graph_names(budget), budget)
        tables = self._model.tables(Model.SUBGRAPHS)
        self._graphs = [Graph(common, table, index) for index, table in enumerate(tables)]
        self._notes = Notes(pages, self._model, self._buffers, budget)
        self._signatures = list(self._all_signatures(budget))

    def _graph_names(self, budget: Budget) -> list[str]:
        names: dict[str, None] = {}
        for index, table in enumerate(self._model.tables(Model.SUBGRAPHS)):
            name = table.text(SubGraph.NAME)
            budget.spend(1 + len(name))
            names[untaken(name or f"subgraph {index}", index, names)] = None
        return list(names)

    def _all_signatures(self, budget: Budget) -> Iterator[tuple[Signature, str]]:
        """Each with the name of its graph; one of a graph that is not there is left out."""
        for table in self._model.tables(Model.SIGNATURE_DEFS):
            key = table.text(SignatureDef.SIGNATURE_KEY)
            budget.spend(1 + len(key))
            index = table.number(SignatureDef.SUBGRAPH_INDEX, UINT32)
            if index < len(self._graphs):
                graph = self._graphs[index]
                yield _signature(key, table, graph), graph.name

    @cached_property
    def _tensors(self) -> tuple[Tensor, ...]:
        """Every tensor with values, here or elsewhere, once per buffer: graphs may share them."""
        found: dict[object, Tensor] = {}
        for tensor in self._all_tensors():
            if tensor.reader is not None:
                found.setdefault(tensor.location or tensor.path, tensor)
        return tuple(found.values())

    def _all_tensors(self) -> Iterator[Tensor]:
        return chain.from_iterable(graph.tensors() for graph in self._graphs)

    def artifact(self) -> Artifact:
        return Artifact(
            path=self._storage.uri,
            name=self._storage.name,
            format="tflite",
            format_name="TensorFlow Lite",
            size=self._pages.size,
            root=self._root(),
            producer=Producer(tensorflow=self._notes.converter()),
            contents=Contents(
                weights=yes_if(any(tensor.role is Role.WEIGHT for tensor in self._all_tensors())),
                architecture=Tri.YES,
                signatures=yes_if(bool(self._signatures)),
            ),
            signatures=tuple(signature for signature, _ in self._signatures),
            tensors=lambda: self._tensors,
            ops=self._ops,
            hazards=self._hazards,
            checks=self._checks,
            notes=tuple(self._remarks()),
            close=self._close,
        )

    def _close(self) -> None:
        self._files.close()
        self._pages.close()

    def _remarks(self) -> Iterator[str]:
        if self._cut:
            yield (
                f"The file was cut short: the values in {count_text(len(self._cut), 'buffer')} "
                "lie behind its end, so they are missing. Copy or download it again."
            )
        if self._buffers.externals:
            names = sorted({external.file for external in self._buffers.externals.values()})
            yield (
                "Some values are kept in other files, which are not followed: "
                f"{', '.join(names[:_SHOWN])}."
            )
        if self._files.problem:
            yield self._files.problem

    # For safety and verification

    def _ops(self) -> Iterator[GraphOp]:
        budget = Budget(self._pages)
        return chain.from_iterable(graph.ops(budget) for graph in self._graphs)

    def _hazards(self) -> Iterator[Hazard]:
        for external in self._buffers.externals.values():
            where = f"external buffer {external.number}"
            yield Hazard(HazardKind.EXTERNAL_STORAGE, where, external.place)
        yield from self._files.hazards()

    def _checks(self) -> Iterator[Check]:
        checker = Checker(
            self._buffers,
            self._graphs,
            self._kinds,
            self._model.tables(Model.SIGNATURE_DEFS),
            self._notes.entries,
            Budget(self._pages),
        )
        yield from checker.checks()
        yield from self._files.checks(self._notes.files)

    # The tree

    def _root(self) -> Node:
        return Node(
            self._storage.name,
            NodeType.FILE,
            kind="TensorFlow Lite",
            size=self._pages.size,
            attributes=lambda: [
                ("description", self._model.text(Model.DESCRIPTION)),
                ("schema version", str(self._model.number(Model.VERSION, UINT32))),
            ],
            source=NodeList(self._parts),
        )

    def _parts(self) -> list[Node]:
        parts = [
            replace(signature_node(signature), attributes=partial(_subgraph_line, graph))
            for signature, graph in self._signatures
        ]
        parts += [graph.node() for graph in self._graphs]
        kinds = self._kinds
        parts.append(
            group("operator codes", "code", len(kinds), lambda index: kinds[index].node(index))
        )
        if self._notes.entries:
            parts.append(self._notes.node())
        if self._files.names():
            parts.append(self._files.node(self._notes.files))
        parts.append(group("buffers", "buffer", len(self._buffers), self._buffer_node))
        if externals := list(self._buffers.externals.values()):
            parts.append(
                group(
                    "external buffers",
                    "buffer",
                    len(externals),
                    lambda index: _external_node(externals[index]),
                )
            )
        return parts

    def _buffer_node(self, index: int) -> Node:
        span = self._buffers.span(index)
        if span is None:
            return Node(f"buffer {index}", NodeType.ATTRIBUTE, kind="empty")
        problem = self._buffers.problem(span)
        return Node(
            f"buffer {index}",
            NodeType.ATTRIBUTE,
            kind="missing" if problem else "bytes",
            size=span.count,
            attributes=lambda: [
                ("offset", f"{span.start:,}"),
                ("bytes", f"{span.count:,}"),
                *([("problem", problem)] if problem else []),
            ],
        )


def _signature(key: str, table: Table, graph: Graph) -> Signature:
    return Signature(
        key,
        "",
        (),
        tuple(map(graph.signature_tensor, table.tables(SignatureDef.INPUTS))),
        tuple(map(graph.signature_tensor, table.tables(SignatureDef.OUTPUTS))),
    )


def _subgraph_line(graph: str) -> list[tuple[str, str]]:
    return [("subgraph", graph)]


def _external_node(external: External) -> Node:
    return Node(
        f"external buffer {external.number}",
        NodeType.ATTRIBUTE,
        kind="in another file",
        size=external.size,
        attributes=lambda: [
            ("file", external.file),
            ("offset", f"{external.offset:,}"),
            ("bytes", f"{external.size:,}"),
            *([("packing", external.packing)] if external.packing else []),
        ],
    )
