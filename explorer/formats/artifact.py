"""What any saved model looks like to the rest of the program, whatever its format."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

Shape = tuple[int | None, ...] | None
"""Dimensions, ``None`` for an unknown one; ``None`` alone where the rank is unknown."""

Selection = tuple[int | slice, ...]
"""A NumPy basic index: one integer or slice per leading dimension."""


class Tri(enum.Enum):
    """An answer to "does the artifact hold this?"."""

    YES = "yes"
    NO = "no"
    PARTLY = "partly"


class Role(str, enum.Enum):
    """What a stored tensor is for."""

    WEIGHT = "weight"
    OPTIMIZER = "optimizer"
    METRIC = "metric"
    CONSTANT = "constant"
    OTHER = "other"


class NodeType(enum.Enum):
    """What a tree node is; decides its icon and which filter shows it."""

    DIRECTORY = "directory"
    FILE = "file"
    GROUP = "group"
    TENSOR = "tensor"
    SIGNATURE = "signature"
    FUNCTION = "function"
    OBJECT = "object"
    LAYER = "layer"
    ATTRIBUTE = "attribute"


class UnreadableArtifact(Exception):  # noqa: N818 - the name says what the person sees
    """A path that no reader can open, with what was looked for and what was found.

    ``reasons`` maps a reader's display name to why it refused; ``damaged`` is true where a reader
    knew the format, but could not read on.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        found: str = "",
        reasons: Mapping[str, str] | None = None,
        damaged: bool = False,
    ) -> None:
        super().__init__(message)
        self.damaged = damaged
        self.path = path
        self.found = found
        self.reasons = dict(reasons or {})


class OverLimit(UnreadableArtifact):
    """What may be whole, but is larger than is read here, or packed in a way that is not."""


class TensorUnreadable(Exception):  # noqa: N818
    """One tensor of a readable artifact whose bytes cannot be had; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a tensor's bytes are: member or file inside the artifact, offset and length in bytes.

    ``checksum`` is as stored, for display, such as ``crc32c 3f9b1c02``; empty where none is kept.
    ``offset`` is ``None`` where the bytes are not contiguous (chunked or compressed).
    """

    file: str
    offset: int | None
    nbytes: int
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One stored array. ``nbytes`` counts the stored bytes; strings count their encoded length.

    ``packed`` counts them where ``nbytes`` is what the values take: of a graph's constant the last
    stored value may stand for millions. ``path`` is the name it is stored under, ``label`` what
    people call it where that differs, such as ``dense_1/kernel`` for
    ``layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE``.
    """

    path: str
    dtype: str
    shape: Shape
    nbytes: int
    role: Role = Role.WEIGHT
    location: Location | None = None
    reader: Callable[[Selection], np.ndarray] | None = field(
        default=None, repr=False, compare=False
    )
    label: str = ""
    packed: int | None = None

    @property
    def stored(self) -> int:
        """How many bytes are stored."""
        return self.nbytes if self.packed is None else self.packed

    @property
    def element_count(self) -> int:
        """How many values it holds; 0 where a dimension is unknown."""
        return 0 if self.shape is None else math.prod(size or 0 for size in self.shape)

    def read(self, selection: Selection = ()) -> np.ndarray:
        """Read just the bytes of ``selection``.

        The result has the shape NumPy gives for ``array[selection]``; strings come as an object
        array of ``bytes``. Raises `TensorUnreadable` where the bytes are missing or damaged.
        """
        if self.reader is None:
            raise TensorUnreadable(
                f"{self.path} is named in the file, but its values are not in it."
            )
        return self.reader(selection)


@dataclass(frozen=True, slots=True)
class SignatureTensor:
    """One input or output of a signature; ``graph_tensor`` as in ``StatefulPartitionedCall:0``.

    An input with a ``default``, told as text, need not be given.
    """

    name: str
    dtype: str
    shape: Shape
    graph_tensor: str = ""
    default: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A named entry point with its tensors; ``tag_set`` is of the meta graph it belongs to."""

    key: str
    method: str
    tag_set: tuple[str, ...]
    inputs: tuple[SignatureTensor, ...]
    outputs: tuple[SignatureTensor, ...]


@dataclass(frozen=True, slots=True)
class FunctionVariant:
    """One concrete function: how it is called and what it returns, as display text.

    ``arguments`` holds one text per positional argument and ``name=…`` per keyword argument,
    for example ``inputs: float32 (?, 32)`` and ``training: bool = False``.
    """

    concrete_name: str
    arguments: tuple[str, ...]
    returns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedFunction:
    """A ``tf.function`` of the object graph, by its attribute name, with its concrete functions."""

    name: str
    variants: tuple[FunctionVariant, ...]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class MetaGraphOps:
    """The kinds of operations that the graph of one meta graph can reach, sorted."""

    tag_set: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphOp:
    """One operation of a stored graph; ``where`` is its graph or function, as people find it.

    For example ``meta graph [serve]`` or ``meta graph [serve], function __inference_call_41``.
    ``for_saving`` is said of what saves or restores variables, where nothing else runs it, and
    ``by_hand`` of what fills a table only if whoever opens the graph asks for that.
    ``texts`` finds for each input the text that the graph itself gives it, such as the path of a
    file; ``None`` where it is another value or not known. ``supplied`` finds the inputs, by index,
    that come from outside: arguments of a function, and the model's own assets. ``attributes``
    finds the texts of its own settings, ``None`` where they or one of them are not known.
    """

    op: str
    name: str
    where: str
    for_saving: bool = False
    by_hand: bool = False
    texts: Callable[[], Sequence[str | None]] = field(default=tuple, compare=False)
    supplied: Callable[[], Set[int]] = field(default=frozenset, compare=False)
    attributes: Callable[[], Mapping[str, Sequence[str | None]] | None] = field(
        default=lambda: None, compare=False
    )


@dataclass(frozen=True, slots=True)
class Config:
    """A Keras configuration in the artifact, as parsed JSON; ``where`` is its file or attribute.

    ``value`` is ``None`` where it is there, but cannot be read.
    """

    where: str
    value: Any


class HazardKind(str, enum.Enum):
    """What a container holds that reaches out of it, grows beyond it or can run."""

    EXTERNAL_LINK = "external link"
    EXTERNAL_STORAGE = "external storage"
    VIRTUAL_DATASET = "virtual dataset"
    SOFT_LINK = "soft link"
    SYMBOLIC_LINK = "symbolic link"
    ESCAPING_MEMBER = "escaping member"
    EXPANDING_MEMBER = "expanding member"
    DEVICE = "device"
    PICKLE = "pickle"
    TWO_FORMATS = "two formats"
    NOT_SCANNED = "not scanned"


@dataclass(frozen=True, slots=True)
class Hazard:
    """A fact about the container, not yet judged.

    ``where`` is the link, member or file, ``target`` what it leads to, for an expanding member the
    two sizes, for two formats what is in the second, and why something was not scanned.
    """

    kind: HazardKind
    where: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the stored bytes against what the format says of them.

    ``rule`` names it (``crc32c``, ``zip crc-32``, ``shard present``, ``byte count``, …), ``where``
    the tensor, block or file; ``problem`` is empty where it holds, else a sentence that says what
    was expected and what was found. ``limit`` says why the check was not made: what this program
    does not read may be whole.
    """

    rule: str
    where: str
    problem: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the architecture. ``parameters`` is ``None`` where the weights are not here.

    ``inbound`` names the layers beside it whose outputs it takes, in any of its calls.
    """

    name: str
    class_name: str
    output_shape: Shape = None
    parameters: int | None = None
    children: tuple[Layer, ...] = ()
    inbound: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Producer:
    """Who wrote the artifact; empty text where the file does not say.

    ``backend`` is Keras's, ``program`` any other program that wrote it, as in ``tf2onnx 1.16``.
    """

    tensorflow: str = ""
    keras: str = ""
    backend: str = ""
    program: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What the artifact holds."""

    weights: Tri = Tri.NO
    architecture: Tri = Tri.NO
    optimizer: Tri = Tri.NO
    compile: Tri = Tri.NO
    signatures: Tri = Tri.NO


class NodeSource(Protocol):
    """The children of a node, made when asked for and in pages, so that huge groups stay cheap."""

    def __len__(self) -> int: ...

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """One row of the artifact's tree. It knows its own display text; a view only shows it.

    ``size`` is in bytes or ``None`` where it has none. ``summary`` fills the shape column where
    there is no tensor, for example ``1 in → 3 out``. ``attributes`` is called when the node is
    selected and returns name and display text in file order. ``source`` says what children there
    are; ``None`` for a leaf. ``elsewhere`` says it of what is shown with its children in another
    place: a path may lead through it, but with them here too a tree could grow without end.
    """

    name: str
    type: NodeType
    kind: str = ""
    size: int | None = None
    summary: str = ""
    tensor: Tensor | None = None
    signature: Signature | None = None
    attributes: Callable[[], Sequence[tuple[str, str]]] = field(
        default=lambda: (), repr=False, compare=False
    )
    source: NodeSource | None = field(default=None, repr=False, compare=False)
    elsewhere: NodeSource | None = field(default=None, repr=False, compare=False)

    @property
    def text(self) -> str:
        """What to show in its row: of a variable whose name is a number, its label as well."""
        label = self.tensor.label if self.tensor else ""
        return f"{self.name} · {label}" if label and self.name.isdecimal() else self.name

    @property
    def has_children(self) -> bool:
        """Whether the node can be expanded, without making the children."""
        return self.source is not None

    def child_count(self) -> int:
        """How many children there are."""
        return 0 if self.source is None else len(self.source)

    def children(self, start: int = 0, stop: int | None = None) -> list[Node]:
        """The children from ``start`` to ``stop`` (exclusive; to the end without)."""
        if self.source is None:
            return []
        return self.source.page(start, len(self.source) if stop is None else stop)


class NodeList:
    """A `NodeSource` over nodes, or over a function that makes them all when first asked."""

    def __init__(self, nodes: Sequence[Node] | Callable[[], Sequence[Node]]) -> None:
        self._make = nodes if callable(nodes) else None
        self._nodes: Sequence[Node] | None = None if callable(nodes) else nodes

    def _all(self) -> Sequence[Node]:
        if self._nodes is None:
            assert self._make is not None  # noqa: S101 - for the type checker
            self._nodes = self._make()
        return self._nodes

    def __len__(self) -> int:
        return len(self._all())

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        return list(self._all()[start:stop])


@dataclass(frozen=True, slots=True)
class Artifact:
    """An opened saved model.

    ``format`` is the key of the ``show`` contract (``saved_model``, ``keras_hdf5``, …) and
    ``format_name`` what people call it. ``size`` is in bytes on disk. ``tensors``, ``layers``,
    ``functions`` and ``operations`` are called when needed, since listing them can take longer
    than opening. ``ops`` goes through every operation of every graph and function, ``configs``
    through the Keras configurations, ``hazards`` through what reaches out of the container, and
    ``checks`` reads all that carries a checksum or a size, and may take as long as reading it all.
    ``notes`` are plain sentences about what is missing or damaged. ``archive`` is the name of the
    archive that it lies in, empty where it lies in none: such a model is shown, but TensorFlow
    cannot load it from there.
    """

    path: str
    name: str
    format: str
    format_name: str
    size: int
    root: Node
    producer: Producer = Producer()
    contents: Contents = Contents()
    signatures: tuple[Signature, ...] = ()
    functions: Callable[[], Sequence[SavedFunction]] = field(
        default=lambda: (), repr=False, compare=False
    )
    tensors: Callable[[], Sequence[Tensor]] = field(default=lambda: (), repr=False, compare=False)
    layers: Callable[[], Sequence[Layer]] = field(default=lambda: (), repr=False, compare=False)
    operations: Callable[[], Sequence[MetaGraphOps]] = field(
        default=lambda: (), repr=False, compare=False
    )
    ops: Callable[[], Iterable[GraphOp]] = field(default=lambda: (), repr=False, compare=False)
    configs: Callable[[], Iterable[Config]] = field(default=lambda: (), repr=False, compare=False)
    hazards: Callable[[], Iterable[Hazard]] = field(default=lambda: (), repr=False, compare=False)
    checks: Callable[[], Iterable[Check]] = field(default=lambda: (), repr=False, compare=False)
    notes: tuple[str, ...] = ()
    archive: str = ""
    close: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    @property
    def is_known(self) -> bool:
        """Whether a reader knows what it is; any other file is shown as its bytes."""
        return self.format != "unknown"

    def parameters(self) -> int:
        """How many numbers the model's own weights hold, optimizer state not counted."""
        return sum(t.element_count for t in self.tensors() if t.role is Role.WEIGHT)
