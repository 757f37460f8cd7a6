"""Dataspaces: dimensions (section IV.A.2.b)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.source import Fields

_MOST_DIMENSIONS = 32
_LONGEST = (1 << 63) - 1
_NULL = 2


@dataclass(frozen=True, slots=True)
class Dataspace:
    """``shape`` is ``None`` for a null dataspace, which holds nothing.

    ``most`` are the sizes that the dimensions may grow to, ``None`` for any.
    """

    shape: tuple[int, ...] | None
    most: tuple[int | None, ...] = ()


@lru_cache(maxsize=512)
@parses("its shape")
def parse_dataspace(body: bytes, length_size: int) -> Dataspace:
    """The dataspace of a message's body; raises `DamagedHdf5`."""
    fields = Fields(body, length_size=length_size)
    version, rank, flags, kind = (fields.number(1) for _ in range(4))
    if version == 1:
        fields.skip(4)
    elif version != 2:
        raise DamagedHdf5("its shape has an unknown version")
    elif kind == _NULL:
        return Dataspace(None)
    if rank > _MOST_DIMENSIONS:
        raise DamagedHdf5(f"its shape has {rank} dimensions, more than HDF5 knows")
    shape = tuple(fields.length() for _ in range(rank))
    if any(size > _LONGEST for size in shape):
        raise DamagedHdf5("its shape has a dimension larger than any file")
    most = tuple(fields.length() for _ in range(rank)) if flags & 1 else shape
    unlimited = (1 << 8 * length_size) - 1
    return Dataspace(shape, tuple(None if size == unlimited else size for size in most))
