"""What a group holds: links to objects of this file and, never followed, to anything else."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from explorer.formats.hdf5 import btree1, btree2
from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.fractal_heap import indexed_objects
from explorer.formats.hdf5.heaps import local_heap, local_name
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
_HAS_ORDER, _HAS_KIND, _HAS_CHARSET = 4, 8, 16
_CACHED_SOFT = 2
_HASH = 4
_NODE_HEAD = 8
_USUAL_SYMBOLS = 8


@parses("its table of links")
def read_links(source: Source, messages: list[Message]) -> dict[bytes, Link]:
    """The links of the group with these messages: by name, or as made where that was recorded.

    Raises `DamagedHdf5`.
    """
    found: dict[bytes, Link] = {}
    made: dict[bytes, int] = {}
    for kind, _, body in messages:
        if kind == MessageType.SYMBOL_TABLE:
            found |= _symbol_table(source, body)
        elif kind == MessageType.LINK:
            _add_links(source, [body], found, made)
        elif kind == MessageType.LINK_INFO:
            _add_links(source, _dense(source, body), found, made)
    names = sorted(found)
    if made:
        names.sort(key=lambda name: made.get(name, 0))
    return dict(zip(names, map(found.__getitem__, names), strict=True))


def _symbol_table(source: Source, body: bytes) -> dict[bytes, Link]:
    """The links of an old group: a B-tree of symbol tables, and a local heap (IV.A.2.r)."""
    fields = source.parse(body)
    tree, heap_at = fields.address(), fields.address()
    heap = local_heap(source, heap_at)
    found: dict[bytes, Link] = {}
    left = len(heap)
    for node in sorted(_symbol_nodes(source, tree)):
        left -= _add_symbols(source, node, heap, found)
        if left < 0:
            raise DamagedHdf5("its table of symbols names the same things over and over")
    return found


def _symbol_nodes(source: Source, tree: int) -> list[int]:
    """The addresses of a group's symbol table nodes."""
    key, address = source.length_size, source.offset_size
    return [
        int.from_bytes(entries[at : at + address], "little")
        for entries in btree1.leaves(source, tree, btree1.GROUP_NODES, key)
        for at in range(key, len(entries), key + address)
    ]


def _add_symbols(source: Source, address: int, heap: bytes, found: dict[bytes, Link]) -> int:
    """Add the entries of one symbol table node (III.B, III.C); the result is their names' length.

    An entry is the name's offset, the object's address, a cache type and a scratch pad, in which
    a soft link has the offset of its path.
    """
    entry = _symbol(source.offset_size)
    block = source.read_up_to(address, _NODE_HEAD + _USUAL_SYMBOLS * entry.size)
    if block[:5] != b"SNOD\1":
        raise DamagedHdf5("a node of its table of symbols is not where it was")
    end = _NODE_HEAD + int.from_bytes(block[6:8], "little") * entry.size
    if end > len(block):
        block = source.read(address, end)
    length = 0
    for name_at, target, cached, scratch in entry.iter_unpack(block[_NODE_HEAD:end]):
        name = local_name(heap, name_at)
        found[name] = Elsewhere(local_name(heap, scratch)) if cached == _CACHED_SOFT else target
        length += len(name)
    return length


@lru_cache
def _symbol(offset_size: int) -> struct.Struct:
    return struct.Struct(f"<{STRUCT_CODES[offset_size] * 2}I4xI12x")


def _dense(source: Source, body: bytes) -> Iterator[bytes]:
    """The link messages of a large new group, in a heap; none where it is small (IV.A.2.c)."""
    fields = source.parse(body)
    fields.skip(1)
    fields.skip(8 if fields.number(1) & 1 else 0)
    heap, tree = fields.address(), fields.address()
    return indexed_objects(source, heap, tree, btree2.LINK_NAMES, _HASH)


def _add_links(
    source: Source, bodies: Iterable[bytes], found: dict[bytes, Link], made: dict[bytes, int]
) -> None:
    """Add link messages: the name and where it leads, when it was made (IV.A.2.g)."""
    width = source.offset_size
    for body in bodies:
        version, flags = body[0], body[1]
        if version != 1:
            raise DamagedHdf5("one of its links has an unknown version")
        begin, name_at = _NAME_PLACES[flags & 31]
        end = name_at + int.from_bytes(body[begin:name_at], "little")
        name = body[name_at:end]
        if flags & _HAS_KIND and body[2] != _HARD:
            found[name] = _elsewhere(body[2], body[end:])
        elif end + width > len(body):
            raise DamagedHdf5("one of its links is too short")
        else:
            found[name] = int.from_bytes(body[end : end + width], "little")
        if flags & _HAS_ORDER:
            made_at = 2 + bool(flags & _HAS_KIND)
            made[name] = int.from_bytes(body[made_at : made_at + 8], "little")


def _name_places(flags: int) -> tuple[int, int]:
    """Where in a link message the length of the name is, and the name after it."""
    begin = 2 + bool(flags & _HAS_KIND) + 8 * bool(flags & _HAS_ORDER) + bool(flags & _HAS_CHARSET)
    return begin, begin + (1 << (flags & 3))


_NAME_PLACES = [_name_places(flags) for flags in range(32)]


def _elsewhere(kind: int, body: bytes) -> Elsewhere:
    """A link of another kind, whose value has its length before it."""
    if len(body) < 2:
        raise DamagedHdf5("one of its links is too short")
    value = body[2 : 2 + int.from_bytes(body[:2], "little")]
    if kind == _SOFT:
        return Elsewhere(value)
    if kind != _EXTERNAL:
        return Elsewhere(b"", is_known=False)
    file, _, path = value[1:].partition(b"\0")
    return Elsewhere(path.partition(b"\0")[0], file)
