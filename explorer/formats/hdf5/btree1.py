"""Version 1 B-trees, which list the entries of a group or the chunks of a dataset (III.A.1)."""

from __future__ import annotations

from collections.abc import Iterator

from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.source import Source

GROUP_NODES = 0
CHUNK_NODES = 1


def leaves(source: Source, root: int, kind: int, key_size: int) -> Iterator[bytes]:
    """The entries of each leaf: a key of ``key_size`` bytes before each child's address.

    Raises `DamagedHdf5` where a node is not one, comes twice or has the wrong level.
    """
    pending: list[tuple[int, int | None]] = [(root, None)]
    seen: set[int] = set()
    step = key_size + source.offset_size
    while pending:
        address, expected = pending.pop()
        if address in seen:
            raise DamagedHdf5("its index refers to itself")
        seen.add(address)
        level, entries = _node(source, address, kind, step)
        if expected is not None and level != expected:
            raise DamagedHdf5("its index has a node at the wrong level")
        if level == 0:
            yield entries
            continue
        children = range(key_size, len(entries), step)
        pending += [
            (int.from_bytes(entries[at : at + source.offset_size], "little"), level - 1)
            for at in reversed(children)
        ]


@parses("its index")
def _node(source: Source, address: int, kind: int, step: int) -> tuple[int, bytes]:
    """A node's level and its entries; the last key, after all of them, is left out."""
    head = source.fields(address, 8)
    head.expect(b"TREE")
    if head.number(1) != kind:
        raise DamagedHdf5("its index is of another kind")
    level, count = head.number(1), head.number(2)
    return level, source.read(address + 8 + 2 * source.offset_size, count * step)
