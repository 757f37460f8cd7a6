"""Version 2 B-trees: records for links, attributes, huge objects and chunks (section III.A.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.source import Fields, Source, width_of

HUGE_OBJECTS = 1
LINK_NAMES = 5
ATTRIBUTE_NAMES = 8
CHUNKS = (10, 11)

_DEEPEST = 32
_CHECKSUM = 4
_AROUND = 10
"""Bytes of a node beside records: signature, version, type and checksum."""


class Tree(NamedTuple):
    """A tree's header; sizes are in bytes, ``root_records`` counts those of the root."""

    type: int
    node_size: int
    record_size: int
    depth: int
    root: int
    root_records: int


class _Node(NamedTuple):
    address: int
    records: int
    depth: int


class _Widths(NamedTuple):
    """Bytes of the counts beside a child's address: its records, and all those below it."""

    records: int
    below: int


@parses("its index")
def read_tree(source: Source, address: int, *types: int) -> Tree:
    """The header at ``address`` of a tree of one of ``types``; raises `DamagedHdf5`."""
    length = 22 + source.offset_size + source.length_size
    fields = source.fields(address, length)
    fields.expect(b"BTHD", 0)
    source.verify(address, length)
    kind, node_size = fields.number(1), fields.number(4)
    record_size, depth = fields.number(2), fields.number(2)
    fields.skip(2)
    if kind not in types:
        raise DamagedHdf5("its index is of another kind")
    if not 0 < record_size <= node_size - _AROUND or depth > _DEEPEST:
        raise DamagedHdf5("its index declares impossible nodes")
    return Tree(kind, node_size, record_size, depth, fields.address(), fields.number(2))


def records(source: Source, tree: Tree) -> Iterator[bytes]:
    """The records of each node, one after another without gaps, in no order.

    Raises `DamagedHdf5` where a node is not one or comes twice.
    """
    if tree.root == source.undefined:
        return
    widths = _widths(source, tree)
    pending = [_Node(tree.root, tree.root_records, tree.depth)]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if node.address in seen:
            raise DamagedHdf5("its index refers to itself")
        seen.add(node.address)
        yield _records(source, tree, node, widths, pending)


@parses("its index")
def _records(
    source: Source, tree: Tree, node: _Node, widths: list[_Widths], pending: list[_Node]
) -> bytes:
    """The records of one node, whose children are added to ``pending``."""
    size = node.records * tree.record_size
    if size > tree.node_size - _AROUND:
        raise DamagedHdf5("its index has a node with more records than it can hold")
    fields = source.fields(node.address, tree.node_size - _CHECKSUM)
    fields.expect(b"BTIN" if node.depth else b"BTLF", 0)
    if fields.number(1) != tree.type:
        raise DamagedHdf5("its index has a node of another kind")
    found = fields.take(size)
    if node.depth:
        pending += _children(fields, node, widths[node.depth])
    source.verify(node.address, fields.at + _CHECKSUM)
    return found


def _children(fields: Fields, node: _Node, widths: _Widths) -> list[_Node]:
    found: list[_Node] = []
    for _ in range(node.records + 1):
        address, count = fields.address(), fields.number(widths.records)
        fields.skip(widths.below)
        found.append(_Node(address, count, node.depth - 1))
    return found


def _widths(source: Source, tree: Tree) -> list[_Widths]:
    """The widths in a node of each depth, from the most records that the nodes below can hold."""
    most = (tree.node_size - _AROUND) // tree.record_size
    records_width, below_width, total = width_of(most), 0, most
    found = [_Widths(0, 0)]
    for _ in range(tree.depth):
        found.append(_Widths(records_width, below_width))
        pointer = source.offset_size + records_width + below_width
        most = (tree.node_size - _AROUND - pointer) // (tree.record_size + pointer)
        total = (most + 1) * total + most
        below_width = width_of(total)
    return found


def split(block: bytes, size: int) -> Iterator[bytes]:
    """The records of ``size`` bytes of one node."""
    return (block[at : at + size] for at in range(0, len(block), size))
