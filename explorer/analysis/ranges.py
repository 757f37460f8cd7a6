"""Long lists of children in groups, so that no level of a tree shows more than `PAGE` rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from explorer.formats.artifact import Node, NodeType

PAGE = 500


class _Span:
    """A `NodeSource` over the children ``start`` to ``stop`` of a node."""

    def __init__(self, node: Node, start: int, stop: int) -> None:
        self.start = start
        self._node, self._stop = node, stop

    def __len__(self) -> int:
        return self._stop - self.start

    def page(self, start: int, stop: int) -> list[Node]:
        return self._node.children(self.start + start, min(self.start + stop, self._stop))


def _group_size(count: int) -> int:
    size = PAGE
    while size * PAGE < count:
        size *= PAGE
    return size


def rows_below(node: Node) -> list[Node]:
    """The children of ``node`` to show: themselves, or groups of them where there are many.

    A group is called by the numbers of its first and last child, counted from 1.
    """
    count = node.child_count()
    if count <= PAGE:
        return node.children(0, count)
    size = _group_size(count)
    return [_group(node, start, min(start + size, count)) for start in range(0, count, size)]


def _group(node: Node, start: int, stop: int) -> Node:
    offset = node.source.start if isinstance(node.source, _Span) else 0
    return Node(
        name=f"{offset + start + 1:,} – {offset + stop:,}",
        type=NodeType.GROUP,
        kind=f"{stop - start:,} of {node.child_count():,}",
        source=_Span(node, start, stop),
    )


def shown_rows(root: Node, rows: Sequence[int]) -> list[int]:
    """The rows, through the groups of `rows_below`, that lead to the node at ``rows``."""
    shown: list[int] = []
    node = root
    for row in rows:
        shown += _through_groups(node.child_count(), row)
        node = node.children(row, row + 1)[0]
    return shown


def _through_groups(count: int, row: int) -> Iterator[int]:
    while count > PAGE:
        size = _group_size(count)
        yield row // size
        count = min(size, count - row // size * size)
        row %= size
    yield row
