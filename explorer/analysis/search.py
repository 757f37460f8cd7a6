"""Finding nodes of an artifact's tree by name, dtype and shape."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from explorer.analysis.ranges import PAGE
from explorer.formats.artifact import Node, NodeType, Shape

_DEEPEST = 64  # no real artifact nests deeper; a damaged one may
_TOKEN = re.compile(r"\[[^\]]*\]?|[^\s\[]+")
_DIMENSION = re.compile(r"\d+|\*|\?|\.\.\.|…")
_MORE = ("...", "…")


class Kinds(enum.Enum):
    """Which nodes a search looks at."""

    ALL = "all"
    TENSORS = "tensors"
    FILES = "files"

    def holds(self, node: Node) -> bool:
        """Whether ``node`` is of these kinds."""
        if self is Kinds.TENSORS:
            return node.tensor is not None
        if self is Kinds.FILES:
            return node.type in (NodeType.FILE, NodeType.DIRECTORY)
        return True


@dataclass(frozen=True, slots=True)
class Query:
    """Every word must be in the node's path or begin its dtype; every shape pattern must fit."""

    words: tuple[str, ...] = ()
    shapes: tuple[tuple[str, ...], ...] = ()

    def matches(self, path: str, dtype: str, shape: Shape, has_shape: bool = True) -> bool:
        """Whether a node with this path, dtype and shape is meant."""
        path, dtype = path.lower(), dtype.lower()
        if not all(word in path or dtype.startswith(word) for word in self.words):
            return False
        if not self.shapes:
            return True
        return has_shape and all(_fits(pattern, shape) for pattern in self.shapes)


@dataclass(frozen=True, slots=True)
class Hit:
    """A node that was found, the names that lead to it, and its row at each level."""

    node: Node
    path: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    ``limited``: it stopped, for there was too much; ``problem``: why some part could not be listed.
    """

    hits: Sequence[Hit]
    limited: bool = False
    problem: str = ""


def parse_query(text: str) -> Query:
    """Read ``kernel float32 [*,8,8]``: words, and shapes in brackets.

    In a shape ``*`` is any one dimension, ``?`` an unknown one and ``...`` any number of them; a
    bracket not closed yet fits every longer shape. A bracket that holds no shape is a word.
    """
    words, shapes = [], []
    for token in _TOKEN.findall(text):
        pattern = _shape_pattern(token)
        if pattern is None:
            words.append(token.lower())
        else:
            shapes.append(pattern)
    return Query(tuple(words), tuple(shapes))


def _shape_pattern(token: str) -> tuple[str, ...] | None:
    if not token.startswith("["):
        return None
    parts = [part.strip() for part in token.strip("[]").split(",")]
    named = tuple(part for part in parts if part)
    if not all(_DIMENSION.fullmatch(part) for part in named):
        return None
    return named if token.endswith("]") else (*named, "...")


def _fits(pattern: Sequence[str], shape: Shape) -> bool:
    if shape is None:
        return False
    if not pattern:
        return not shape
    if pattern[0] in _MORE:
        return any(_fits(pattern[1:], shape[skip:]) for skip in range(len(shape) + 1))
    if not shape:
        return False
    wanted = "?" if shape[0] is None else str(shape[0])
    return pattern[0] in ("*", wanted) and _fits(pattern[1:], shape[1:])


class _Walk:
    """Goes through a tree depth first; remembers why something could not be listed.

    What is below nodes of the types ``without`` is left out.
    """

    def __init__(self, cancelled: Callable[[], bool], without: Collection[NodeType] = ()) -> None:
        self._cancelled, self._without = cancelled, without
        self.problem = ""

    def below(self, node: Node, path: str = "", rows: tuple[int, ...] = ()) -> Iterator[Hit]:
        """Every node below ``node`` with its path and rows."""
        if len(rows) >= _DEEPEST:
            self.problem = f"{node.name} nests more than {_DEEPEST} levels deep."
            return
        for row, child in enumerate(self._children(node)):
            name = f"{path}/{child.name}" if path else child.name
            hit = Hit(child, name, (*rows, row))
            yield hit
            if child.type not in self._without:
                yield from self.below(child, name, hit.rows)

    def _children(self, node: Node) -> Iterator[Node]:
        start = 0
        while not self._cancelled():
            try:
                page = node.children(start, min(start + PAGE, node.child_count()))
            except Exception as error:  # a damaged part
                self.problem = str(error) or type(error).__name__
                return
            if not page:
                return
            yield from page
            start += len(page)


def find(
    root: Node,
    query: Query,
    kinds: Kinds = Kinds.ALL,
    *,
    limit: int = 2000,
    cancelled: Callable[[], bool] = lambda: False,
) -> Found:
    """The nodes below ``root`` that ``query`` means, in tree order.

    A tensor that stands in several places is found once, where its way is shortest.

    Stops after ``limit`` hits, and soon after ``cancelled`` says so.
    """
    walk = _Walk(cancelled)
    hits: list[Hit] = []
    seen: dict[str, int] = {}
    for hit in walk.below(root):
        if not kinds.holds(hit.node) or not _meant(hit, query):
            continue
        path = hit.node.tensor.path if hit.node.tensor else ""
        if path in seen:
            hits[seen[path]] = min(hits[seen[path]], hit, key=lambda known: len(known.rows))
            continue
        if len(hits) == limit:
            return Found(hits, limited=True)
        if path:
            seen[path] = len(hits)
        hits.append(hit)
    return Found(hits, problem=walk.problem)


def locate(
    root: Node, tensor_path: str, cancelled: Callable[[], bool] = lambda: False
) -> Hit | None:
    """Where the tensor of this path stands in the tree, or ``None``.

    Preferably among the files; only then in the object graph, which leads to it too.
    """
    for without in ((NodeType.OBJECT, NodeType.FUNCTION), ()):
        for hit in _Walk(cancelled, without).below(root):
            if hit.node.tensor is not None and hit.node.tensor.path == tensor_path:
                return hit
    return None


def at_path(root: Node, path: str) -> Node | None:
    """The node that the names in ``path``, with slashes between, lead to from ``root``.

    A name may have slashes in it, as those of operations have.
    """
    source = root.source or root.elsewhere
    for child in source.page(0, len(source)) if source else ():
        if path == child.name:
            return child
        if path.startswith(f"{child.name}/"):
            below = at_path(child, path.removeprefix(f"{child.name}/"))
            if below is not None:
                return below
    return None


def _meant(hit: Hit, query: Query) -> bool:
    tensor = hit.node.tensor
    if tensor is None:
        return query.matches(hit.path, "", None, has_shape=False)
    path = f"{hit.path} {tensor.path} {tensor.label}"
    return query.matches(path, tensor.dtype, tensor.shape)
