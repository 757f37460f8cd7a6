"""Datatypes: what one element is, in NumPy's terms where it has them (section IV.A.2.d)."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Literal, NamedTuple

import ml_dtypes
import numpy as np

from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.source import Fields, width_of

BFLOAT16: np.dtype = np.dtype(ml_dtypes.bfloat16)

_LONG: np.dtype = np.dtype(np.longdouble)
_LONG_MANTISSAS = {63: 64, 112: 112}
"""By how many bits NumPy counts: that of x86, which stores a leading one, and IEEE's."""

_DEEPEST = 16
_MOST_DIMENSIONS = 32
_FLOATS = {
    (2, 5, 10, 15): np.dtype(np.float16),
    (2, 8, 7, 127): BFLOAT16,
    (4, 8, 23, 127): np.dtype(np.float32),
    (8, 11, 52, 1023): np.dtype(np.float64),
    (_LONG.itemsize, 15, _LONG_MANTISSAS.get(np.finfo(_LONG).nmant, -1), 16383): _LONG,
}
"""By size in bytes, bits of the exponent and of the mantissa, and the exponent's bias."""

_NATIVE = "<" if sys.byteorder == "little" else ">"
_NUMPY_TAG = re.compile(rb"NUMPY:([<>|]?[mM]8(\[\w+\])?)")
_VARYING = "values of varying length, which no Keras file holds, are not read"
_REFERENCES = "references to other objects of the file are not read"
_UNKNOWN = "values of a type that NumPy does not have are not read"


class Text(Enum):
    """How strings are stored: up to a NUL, filled with NULs or spaces, or in a heap."""

    TERMINATED = 0
    NULS = 1
    SPACES = 2
    VARIABLE = 3


class _Class(IntEnum):
    INTEGER = 0
    FLOAT = 1
    TIME = 2
    STRING = 3
    BITS = 4
    OPAQUE = 5
    COMPOUND = 6
    REFERENCE = 7
    ENUM = 8
    VARIABLE = 9
    ARRAY = 10
    COMPLEX = 11


@dataclass(frozen=True, slots=True)
class Datatype:
    """``name`` is by the ``show`` contract, ``size`` in bytes as stored.

    ``dtype`` is ``None`` where NumPy has none, and ``refused`` says why values are not read.
    ``shape`` are the dimensions within one element, of array types.
    """

    name: str
    size: int
    dtype: np.dtype | None = None
    refused: str = ""
    text: Text | None = None
    shape: tuple[int, ...] = ()


@lru_cache(maxsize=512)
@parses("its type")
def parse_datatype(body: bytes) -> Datatype:
    """The type of a message's body; raises `DamagedHdf5`."""
    return _datatype(Fields(body), 0)


def _datatype(fields: Fields, depth: int) -> Datatype:
    """The type that begins at a field; types nest in compounds, arrays and enumerations."""
    if depth > _DEEPEST:
        raise DamagedHdf5("its type is nested too deep")
    head, bits, size = fields.number(1), fields.number(3), fields.number(4)
    version, kind = head >> 4, head & 15
    if not 1 <= version <= 5 or kind not in _PARSERS:
        raise DamagedHdf5("its type is of an unknown kind")
    if size == 0:
        raise DamagedHdf5("its type has elements of no bytes")
    return _PARSERS[_Class(kind)](_Head(version, bits, size, depth), fields)


class _Head(NamedTuple):
    version: int
    bits: int
    size: int
    depth: int


def _integer(head: _Head, fields: Fields) -> Datatype:
    offset, precision = fields.number(2), fields.number(2)
    kind = "i" if head.bits & 8 else "u"
    if offset or precision != 8 * head.size:
        return Datatype("unknown", head.size, refused=_UNKNOWN)
    return _of_numpy(head.size, f"{_order(head.bits)}{kind}{head.size}")


def _order(bits: int) -> Literal["<", ">"]:
    return ">" if bits & 1 else "<"


def _of_numpy(size: int, code: object) -> Datatype:
    """What NumPy calls ``code``, refused where it knows none or one of another size."""
    try:
        dtype: np.dtype = np.dtype(code)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError, MemoryError):
        return Datatype("unknown", size, refused=_UNKNOWN)
    if dtype.itemsize != size:
        return Datatype("unknown", size, refused=_UNKNOWN)
    return Datatype(str(dtype.name), size, dtype)


def _float(head: _Head, fields: Fields) -> Datatype:
    fields.skip(5)
    exponent, _, mantissa, bias = (fields.number(width) for width in (1, 1, 1, 4))
    dtype = _FLOATS.get((head.size, exponent, mantissa, bias))
    vax_order = head.bits & 0x40
    if dtype is None or vax_order or (dtype is _LONG and _order(head.bits) != _NATIVE):
        return Datatype("unknown", head.size, refused=_UNKNOWN)
    if dtype == BFLOAT16 and head.bits & 1:
        return Datatype("bfloat16", 2, refused="big-endian bfloat16 is not read")
    return Datatype(str(dtype.name), head.size, dtype.newbyteorder(_order(head.bits)))


def _time(head: _Head, fields: Fields) -> Datatype:
    fields.skip(2)
    return Datatype("unknown", head.size, refused=_UNKNOWN)


def _string(head: _Head, fields: Fields) -> Datatype:
    padding = head.bits & 15
    if padding > Text.SPACES.value:
        raise DamagedHdf5("its type pads text in an unknown way")
    known = _of_numpy(head.size, f"S{head.size}")
    return replace(known, name="string", text=Text(padding))


def _bits(head: _Head, fields: Fields) -> Datatype:
    fields.skip(4)
    return _of_numpy(head.size, f"{_order(head.bits)}u{head.size}")


def _opaque(head: _Head, fields: Fields) -> Datatype:
    tag = fields.take(head.bits & 0xFF).rstrip(b"\0")
    named = _NUMPY_TAG.fullmatch(tag)
    if named:
        return _of_numpy(head.size, named[1].decode())
    return replace(_raw(head.size), name="opaque")


def _raw(size: int) -> Datatype:
    return _of_numpy(size, f"V{size}")


def _reference(head: _Head, fields: Fields) -> Datatype:
    return Datatype("reference", head.size, refused=_REFERENCES)


def _variable(head: _Head, fields: Fields) -> Datatype:
    """A sequence or a string, each kept in the global heap: length, address, index."""
    _datatype(fields, head.depth + 1)
    if head.bits & 15 == 1:
        return replace(_raw(head.size), name="string", text=Text.VARIABLE)
    return Datatype("ragged", head.size, refused=_VARYING)


def _array(head: _Head, fields: Fields) -> Datatype:
    rank = fields.number(1)
    fields.skip(3 if head.version < 3 else 0)
    shape = tuple(fields.number(4) for _ in range(rank))
    fields.skip(4 * rank if head.version < 3 else 0)
    base = _datatype(fields, head.depth + 1)
    if math.prod(shape) * base.size != head.size or rank > _MOST_DIMENSIONS:
        raise DamagedHdf5("its array type does not fill its elements")
    return replace(base, size=head.size, shape=(*shape, *base.shape))


def _enumeration(head: _Head, fields: Fields) -> Datatype:
    """The base type; one byte with FALSE and TRUE is how h5py stores booleans."""
    base = _datatype(fields, head.depth + 1)
    count = head.bits & 0xFFFF
    names = [fields.text(8 if head.version < 3 else 1) for _ in range(count)]
    values = fields.take(count * base.size)
    if base.size == 1 and dict(zip(names, values, strict=True)) == {b"FALSE": 0, b"TRUE": 1}:
        return _of_numpy(1, np.bool_)
    return base


def _complex(head: _Head, fields: Fields) -> Datatype:
    base = _datatype(fields, head.depth + 1)
    return _complex_of(head.size, base) or Datatype("complex", head.size, refused=_UNKNOWN)


def _complex_of(size: int, base: Datatype) -> Datatype | None:
    if base.dtype is None or base.dtype.kind != "f" or base.shape or 2 * base.size != size:
        return None
    found = _of_numpy(size, f"{base.dtype.byteorder}c{size}")
    return found if found.dtype is not None else None


class _Member(NamedTuple):
    name: str
    offset: int
    type: Datatype


def _compound(head: _Head, fields: Fields) -> Datatype:
    """Fields of their own types; two floats named r and i are how h5py stores complex numbers."""
    count = head.bits & 0xFFFF
    members = [_member(head, fields) for _ in range(count)]
    if any(m.offset + m.type.size > head.size for m in members):
        raise DamagedHdf5("its compound type has a member outside itself")
    if [(m.name, m.offset) for m in members] == [("r", 0), ("i", head.size // 2)]:
        found = _complex_of(head.size, members[0].type)
        if found and members[0].type == members[1].type:
            return found
    return replace(_structure(head.size, members), name="compound")


def _structure(size: int, members: list[_Member]) -> Datatype:
    refused = next((m.type.refused for m in members if m.type.refused), "")
    if any(m.type.text is Text.VARIABLE for m in members):
        refused = _VARYING
    if refused or not members:
        return Datatype("compound", size, refused=refused or _UNKNOWN)
    layout = {
        "names": [m.name for m in members],
        "formats": [(m.type.dtype, m.type.shape) for m in members],
        "offsets": [m.offset for m in members],
        "itemsize": size,
    }
    return _of_numpy(size, layout)


def _member(head: _Head, fields: Fields) -> _Member:
    name = fields.text(8 if head.version < 3 else 1).decode("utf-8", "replace")
    offset = fields.number(4 if head.version < 3 else width_of(head.size))
    shape: tuple[int, ...] = ()
    if head.version == 1:
        rank = fields.number(1)
        fields.skip(11)
        shape = tuple(fields.number(4) for _ in range(4))[:rank]
    kind = _datatype(fields, head.depth + 1)
    if shape:
        kind = replace(kind, size=kind.size * math.prod(shape), shape=(*shape, *kind.shape))
    return _Member(name, offset, kind)


_PARSERS: dict[_Class, Callable[[_Head, Fields], Datatype]] = {
    _Class.INTEGER: _integer,
    _Class.FLOAT: _float,
    _Class.TIME: _time,
    _Class.STRING: _string,
    _Class.BITS: _bits,
    _Class.OPAQUE: _opaque,
    _Class.COMPOUND: _compound,
    _Class.REFERENCE: _reference,
    _Class.ENUM: _enumeration,
    _Class.VARIABLE: _variable,
    _Class.ARRAY: _array,
    _Class.COMPLEX: _complex,
}
