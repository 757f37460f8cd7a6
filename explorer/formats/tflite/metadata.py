"""The notes in a TensorFlow Lite model: the converter's, and its author's description."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from explorer.formats.artifact import Node, NodeList, NodeType, UnreadableArtifact
from explorer.formats.storage import Pages
from explorer.formats.text import count_text
from explorer.formats.tflite.buffers import Buffers
from explorer.formats.tflite.files import FileNote
from explorer.formats.tflite.flatbuffer import (
    BOOL,
    FLOAT32,
    INT8,
    INT32,
    UINT8,
    UINT32,
    Budget,
    FlatBuffer,
    Table,
    Tables,
)
from explorer.formats.tflite.metadata_schema import (
    COLOR_SPACES,
    CONTENTS,
    FILE_KINDS,
    IDENTIFIER,
    IMAGE,
    NORMALIZATION,
    STEPS,
    THRESHOLDING,
    AssociatedFile,
    Content,
    ImageProperties,
    ModelMetadata,
    NormalizationOptions,
    ProcessUnit,
    ScoreThresholdingOptions,
    Stats,
    SubGraphMetadata,
    TensorMetadata,
)
from explorer.formats.tflite.schema import (
    MODEL_TYPES,
    OPTIMIZATION_MODES,
    ConversionMetadata,
    ConversionOptions,
    Environment,
    Metadata,
    Model,
)

_CONVERSION = "CONVERSION_METADATA"
_DESCRIPTION = "TFLITE_METADATA"
_LARGEST_NOTE = 1 << 20
_MOST = 100

Lines = list[tuple[str, str]]


class Notes:
    """The metadata entries of a model: names and buffers, two of them FlatBuffers themselves."""

    def __init__(self, pages: Pages, model: Table, buffers: Buffers, budget: Budget) -> None:
        self._pages = pages
        self._buffers = buffers
        self.entries: list[tuple[str, int]] = []
        for table in model.tables(Model.METADATA):
            name = table.text(Metadata.NAME)
            budget.spend(1 + len(name))
            self.entries.append((name, table.number(Metadata.BUFFER, UINT32)))
        self._places = {name: place for place, (name, _) in enumerate(self.entries)}

    def _inner(self, name: str, identifier: bytes = b"") -> Table | None:
        """The root of the FlatBuffer in an entry. Raises `UnreadableArtifact`."""
        place = self._places.get(name)
        span = None if place is None else self._buffers.span(self.entries[place][1])
        if span is None or self._buffers.problem(span):
            return None
        inner = FlatBuffer(self._pages, span.start, span.count)
        if identifier and inner.bytes(4, len(identifier)) != identifier:
            return None
        return inner.root()

    def converter(self) -> str:
        """The TensorFlow version that the converter noted down, empty without a readable note."""
        try:
            note = self._inner(_CONVERSION)
            environment = note.table(ConversionMetadata.ENVIRONMENT) if note else None
            return environment.text(Environment.TENSORFLOW_VERSION) if environment else ""
        except UnreadableArtifact:
            return ""

    @cached_property
    def files(self) -> dict[str, FileNote]:
        """What is said of each associated file."""
        try:
            root = self._inner(_DESCRIPTION, IDENTIFIER)
            return dict(_files(root, Budget(self._pages))) if root else {}
        except UnreadableArtifact:
            return {}

    # The tree

    def node(self) -> Node:
        """The group of all entries."""
        return Node(
            "metadata",
            NodeType.GROUP,
            kind=count_text(len(self.entries), "entry", "entries"),
            source=NodeList(lambda: [self._entry_node(at) for at in range(len(self.entries))]),
        )

    def _entry_node(self, place: int) -> Node:
        name, index = self.entries[place]
        span = self._buffers.span(index)
        graphs = self._described() if place == self._places.get(_DESCRIPTION) else []
        return Node(
            name,
            NodeType.ATTRIBUTE,
            kind="metadata",
            size=0 if span is None else span.count,
            attributes=lambda: [("buffer", str(index)), *_safe(lambda: self._lines(name, index))],
            source=NodeList(graphs) if graphs else None,
        )

    def _described(self) -> list[Node]:
        try:
            root = self._inner(_DESCRIPTION, IDENTIFIER)
            return _graph_nodes(root) if root else []
        except UnreadableArtifact:
            return []

    def _lines(self, name: str, index: int) -> Lines:
        if name == _CONVERSION and (note := self._inner(_CONVERSION)):
            return _conversion_lines(note)
        if name == _DESCRIPTION and (note := self._inner(_DESCRIPTION, IDENTIFIER)):
            return _model_lines(note)
        return [("value", self._text(index))]

    def _text(self, index: int) -> str:
        """A buffer as text where it is text, else its first bytes."""
        data = self._buffers.read(index, _LARGEST_NOTE).rstrip(b"\0")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data[:64].hex(" ") + (" …" if len(data) > 64 else "")


def _safe(lines: Callable[[], Lines]) -> Lines:
    """A damaged note hides no other."""
    try:
        return lines()
    except UnreadableArtifact as error:
        return [("problem", str(error))]


# The converter's note


def _conversion_lines(note: Table) -> Lines:
    lines: Lines = []
    if environment := note.table(ConversionMetadata.ENVIRONMENT):
        kind = environment.number(Environment.MODEL_TYPE, INT32)
        lines = [
            ("TensorFlow", environment.text(Environment.TENSORFLOW_VERSION)),
            ("converter API", str(environment.number(Environment.API_VERSION, UINT32))),
            ("converted from", _named(MODEL_TYPES, kind)),
        ]
    if options := note.table(ConversionMetadata.OPTIONS):
        lines += _option_lines(options)
    return lines


def _option_lines(options: Table) -> Lines:
    modes = options.numbers(ConversionOptions.MODEL_OPTIMIZATION_MODES, INT32, _MOST)
    names = [OPTIMIZATION_MODES.get(mode, str(mode)) for mode in modes]
    flags = (
        ("custom operators allowed", ConversionOptions.ALLOW_CUSTOM_OPS),
        ("TensorFlow operators allowed", ConversionOptions.ENABLE_SELECT_TF_OPS),
        ("TensorFlow operators only", ConversionOptions.FORCE_SELECT_TF_OPS),
    )
    return [
        ("optimizations", ", ".join(names) or "none"),
        *((name, "yes" if options.number(field, BOOL) else "no") for name, field in flags),
    ]


def _named(names: Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else str(number)


# The author's description


def _texts(table: Table, fields: Sequence[tuple[str, int]]) -> Lines:
    found = ((name, table.text(field)) for name, field in fields)
    return [(name, text) for name, text in found if text]


def _model_lines(model: Table) -> Lines:
    return [
        *_texts(
            model,
            (
                ("name", ModelMetadata.NAME),
                ("description", ModelMetadata.DESCRIPTION),
                ("version", ModelMetadata.VERSION),
                ("author", ModelMetadata.AUTHOR),
                ("license", ModelMetadata.LICENSE),
                ("needs parser version", ModelMetadata.MIN_PARSER_VERSION),
            ),
        ),
        *_file_lines(model.tables(ModelMetadata.ASSOCIATED_FILES)),
    ]


def _graph_nodes(model: Table) -> list[Node]:
    graphs = model.tables(ModelMetadata.SUBGRAPH_METADATA)
    return [_graph_node(graphs[index], index) for index in range(min(len(graphs), _MOST))]


def _graph_node(graph: Table, index: int) -> Node:
    return Node(
        graph.text(SubGraphMetadata.NAME) or f"subgraph {index}",
        NodeType.GROUP,
        kind="description",
        attributes=lambda: [
            *_texts(graph, [("description", SubGraphMetadata.DESCRIPTION)]),
            *_step_lines(graph.tables(SubGraphMetadata.INPUT_PROCESS_UNITS), "before"),
            *_step_lines(graph.tables(SubGraphMetadata.OUTPUT_PROCESS_UNITS), "after"),
            *_file_lines(graph.tables(SubGraphMetadata.ASSOCIATED_FILES)),
        ],
        source=NodeList(lambda: _end_nodes(graph)),
    )


def _end_nodes(graph: Table) -> list[Node]:
    inputs = graph.tables(SubGraphMetadata.INPUT_TENSOR_METADATA)
    outputs = graph.tables(SubGraphMetadata.OUTPUT_TENSOR_METADATA)
    return [*_tensor_nodes(inputs, "input"), *_tensor_nodes(outputs, "output")]


def _tensor_nodes(tables: Tables, kind: str) -> Iterator[Node]:
    for index in range(min(len(tables), _MOST)):
        yield _tensor_node(tables[index], kind, index)


def _tensor_node(tensor: Table, kind: str, index: int) -> Node:
    return Node(
        tensor.text(TensorMetadata.NAME) or f"{kind} {index}",
        NodeType.ATTRIBUTE,
        kind=f"{kind} {index}",
        attributes=lambda: _safe(lambda: _tensor_lines(tensor)),
    )


def _tensor_lines(tensor: Table) -> Lines:
    lines = _texts(tensor, [("description", TensorMetadata.DESCRIPTION)])
    if names := tensor.texts(TensorMetadata.DIMENSION_NAMES, _MOST):
        lines.append(("dimensions", ", ".join(names)))
    if content := tensor.table(TensorMetadata.CONTENT):
        lines += _content_lines(content)
    if stats := tensor.table(TensorMetadata.STATS):
        lines += _number_lines(stats, (("minimum", Stats.MIN), ("maximum", Stats.MAX)))
    return [
        *lines,
        *_step_lines(tensor.tables(TensorMetadata.PROCESS_UNITS), "step"),
        *_file_lines(tensor.tables(TensorMetadata.ASSOCIATED_FILES)),
    ]


def _content_lines(content: Table) -> Lines:
    kind = content.number(Content.CONTENT_PROPERTIES_TYPE, UINT8)
    lines = [("content", _named(CONTENTS, kind))]
    properties = content.table(Content.CONTENT_PROPERTIES)
    if kind == IMAGE and properties:
        color = _named(COLOR_SPACES, properties.number(ImageProperties.COLOR_SPACE, INT8))
        lines.append(("color space", color or "unknown"))
    return lines


def _step_lines(units: Tables, label: str) -> Lines:
    lines: Lines = []
    for index in range(min(len(units), _MOST)):
        kind = units[index].number(ProcessUnit.OPTIONS_TYPE, UINT8)
        lines.append((label, _named(STEPS, kind)))
        options = units[index].table(ProcessUnit.OPTIONS)
        if options and kind == NORMALIZATION:
            fields = (("mean", NormalizationOptions.MEAN), ("std", NormalizationOptions.STD))
            lines += _number_lines(options, fields)
        if options and kind == THRESHOLDING:
            score = options.number(ScoreThresholdingOptions.GLOBAL_SCORE_THRESHOLD, FLOAT32)
            lines.append(("threshold", f"{score:.9g}"))
    return lines


def _number_lines(table: Table, fields: Sequence[tuple[str, int]]) -> Lines:
    found = ((name, table.numbers(field, FLOAT32, _MOST)) for name, field in fields)
    return [(name, ", ".join(f"{v:.9g}" for v in values)) for name, values in found if values]


def _file_lines(files: Tables) -> Lines:
    tables = (files[index] for index in range(min(len(files), _MOST)))
    return [("file", table.text(AssociatedFile.NAME)) for table in tables]


def _files(model: Table, budget: Budget) -> Iterator[tuple[str, FileNote]]:
    """Every file that the description names, of the model, a graph or a tensor."""
    lists = [model.tables(ModelMetadata.ASSOCIATED_FILES)]
    for graph in model.tables(ModelMetadata.SUBGRAPH_METADATA):
        budget.spend(1)
        lists.append(graph.tables(SubGraphMetadata.ASSOCIATED_FILES))
        for end in (
            SubGraphMetadata.INPUT_TENSOR_METADATA,
            SubGraphMetadata.OUTPUT_TENSOR_METADATA,
        ):
            for tensor in graph.tables(end):
                budget.spend(1)
                lists.append(tensor.tables(TensorMetadata.ASSOCIATED_FILES))
    for files in lists:
        for file in files:
            name = file.text(AssociatedFile.NAME)
            note = _file_note(file)
            budget.spend(1 + len(name) + len(note.description))
            yield name, note


def _file_note(file: Table) -> FileNote:
    return FileNote(
        file.text(AssociatedFile.DESCRIPTION),
        _named(FILE_KINDS, file.number(AssociatedFile.TYPE, INT8)),
        file.text(AssociatedFile.LOCALE),
    )
