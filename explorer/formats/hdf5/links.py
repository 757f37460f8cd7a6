"""What a group holds: links to objects of this file and, never followed, to anything else."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from explorer.formats.hdf5 import btree1, btree2
from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.fractal_heap import indexed_objects
from explorer.formats.hdf5.heaps import local_heap, name_at
from explorer.formats.hdf5.object_header import Message, MessageType
from explorer.formats.hdf5.source import STRUCT_CODES, Source


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a link points that is not followed: a path, in another file where one is named."""

    path: bytes
    file: bytes | None = None
    is_known: bool = True


Link = int | Elsewhere
"""A hard link is the address of its object's header."""

_HARD, _SOFT, _EXTERNAL = 0, 1, 64
_CACHED_SOFT = 2
_HASH = 4


def read_links(source: Source, messages: list[Message]) -> dict[bytes, Link]:
    """The links of the group with these messages, sorted by name, as HDF5 lists them.

    Raises `DamagedHdf5`.
    """
    found: dict[bytes, Link] = {}
    for message in messages:
        if message.type == MessageType.SYMBOL_TABLE:
            found |= _symbol_table(source, message.body)
        elif message.type == MessageType.LINK:
            name, link = parse_link(source, message.body)
            found[name] = link
        elif message.type == MessageType.LINK_INFO:
            found |= _dense(source, message.body)
    return dict(sorted(found.items()))


@parses("its table of symbols")
def _symbol_table(source: Source, body: bytes) -> dict[bytes, Link]:
    """The links of an old group: a B-tree of symbol tables, and a local heap (IV.A.2.r)."""
    fields = source.parse(body)
    tree, heap_at = fields.address(), fields.address()
    heap = local_heap(source, heap_at)
    found: dict[bytes, Link] = {}
    left = len(heap)
    step = source.length_size + source.offset_size
    for entries in btree1.leaves(source, tree, btree1.GROUP_NODES, source.length_size):
        for at in range(source.length_size, len(entries), step):
            node = int.from_bytes(entries[at : at + source.offset_size], "little")
            left -= _add_symbols(source, node, heap, found)
            if left < 0:
                raise DamagedHdf5("its table of symbols names the same things over and over")
    return found


def _add_symbols(source: Source, address: int, heap: bytes, found: dict[bytes, Link]) -> int:
    """Add the entries of one symbol table node (III.B, III.C); the result is their names' length.

    An entry is the name's offset, the object's address, a cache type and a scratch pad, in which
    a soft link has the offset of its path.
    """
    head = source.fields(address, 8)
    head.expect(b"SNOD", 1)
    head.skip(1)
    entry = _symbol(source.offset_size)
    count = head.number(2)
    length = 0
    for name_offset, target, cached, scratch in entry.iter_unpack(
        source.read(address + 8, count * entry.size)
    ):
        name = name_at(heap, name_offset)
        found[name] = Elsewhere(name_at(heap, scratch)) if cached == _CACHED_SOFT else target
        length += len(name)
    return length


def _symbol(offset_size: int) -> struct.Struct:
    return struct.Struct(f"<{STRUCT_CODES[offset_size] * 2}I4xI12x")


@parses("its table of links")
def _dense(source: Source, body: bytes) -> dict[bytes, Link]:
    """The links of a large new group, in a heap; none where it is small (IV.A.2.c)."""
    fields = source.parse(body)
    fields.skip(1)
    fields.skip(8 if fields.number(1) & 1 else 0)
    heap, tree = fields.address(), fields.address()
    found = indexed_objects(source, heap, tree, btree2.LINK_NAMES, _HASH)
    return dict(parse_link(source, one) for one in found)


@parses("one of its links")
def parse_link(source: Source, body: bytes) -> tuple[bytes, Link]:
    """A link message: the name and where it leads (IV.A.2.g)."""
    fields = source.parse(body)
    version, flags = fields.number(1), fields.number(1)
    if version != 1:
        raise DamagedHdf5("one of its links has an unknown version")
    kind = fields.number(1) if flags & 8 else _HARD
    fields.skip((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = fields.take(fields.number(1 << (flags & 3)))
    if kind == _HARD:
        return name, fields.address()
    value = fields.take(fields.number(2))
    if kind == _SOFT:
        return name, Elsewhere(value)
    if kind != _EXTERNAL:
        return name, Elsewhere(b"", is_known=False)
    file, _, path = value[1:].partition(b"\0")
    return name, Elsewhere(path.rstrip(b"\0"), file)
