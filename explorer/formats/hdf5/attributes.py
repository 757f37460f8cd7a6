"""Attributes: small named values beside an object (section IV.A.2.m)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from explorer.formats.hdf5 import btree2
from explorer.formats.hdf5.dataspace import parse_dataspace
from explorer.formats.hdf5.datatypes import parse_datatype
from explorer.formats.hdf5.errors import DamagedHdf5, NotReadHdf5, parses
from explorer.formats.hdf5.fractal_heap import indexed_objects
from explorer.formats.hdf5.heaps import GlobalHeap
from explorer.formats.hdf5.object_header import Message, MessageType, shared_body
from explorer.formats.hdf5.source import Source
from explorer.formats.hdf5.values import decode


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute with its type and shape still as stored; ``sharing`` are the flags of both."""

    name: bytes
    sharing: int
    datatype: bytes
    dataspace: bytes
    data: bytes


def read_attributes(source: Source, messages: list[Message]) -> dict[bytes, Attribute]:
    """The attributes of the object with these messages, sorted by name, as HDF5 lists them.

    Raises `DamagedHdf5`.
    """
    found: list[Attribute] = []
    for kind, _, body in messages:
        if kind == MessageType.ATTRIBUTE:
            found.append(parse_attribute(source, body))
        elif kind == MessageType.ATTRIBUTE_INFO:
            found += _dense(source, body)
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


@parses("its table of attributes")
def _dense(source: Source, body: bytes) -> list[Attribute]:
    """The attributes of an object with many, in a heap; none where it has few (IV.A.2.v)."""
    fields = source.parse(body)
    fields.skip(1)
    fields.skip(2 if fields.number(1) & 1 else 0)
    heap, tree = fields.address(), fields.address()
    found = indexed_objects(source, heap, tree, btree2.ATTRIBUTE_NAMES, 0)
    return [parse_attribute(source, one) for one in found]


@parses("one of its attributes")
def parse_attribute(source: Source, body: bytes) -> Attribute:
    """An attribute message; in version 1 each part is padded to 8 bytes."""
    fields = source.parse(body)
    version, flags = fields.number(1), fields.number(1)
    if version not in (1, 2, 3):
        raise DamagedHdf5("one of its attributes has an unknown version")
    sizes = [fields.number(2) for _ in range(3)]
    fields.skip(1 if version == 3 else 0)
    unit = 8 if version == 1 else 1
    name, datatype, dataspace = (fields.take(-(-size // unit) * unit) for size in sizes)
    sharing = 0 if version == 1 else flags
    return Attribute(name.partition(b"\0")[0], sharing, datatype, dataspace, body[fields.at :])


@parses("its value")
def attribute_value(heap: GlobalHeap, attribute: Attribute) -> np.ndarray:
    """The value; text as an object array of ``bytes``, an empty array where there is none.

    ``heap`` is where text of varying length is, one for all attributes of an object. Raises
    `DamagedHdf5`, and `NotReadHdf5` for types that NumPy does not have.
    """
    source = heap.source
    datatype = attribute.datatype
    if attribute.sharing & 1:
        datatype = shared_body(source, MessageType.DATATYPE, datatype)
    if attribute.sharing & 2:
        raise NotReadHdf5("its shape is kept in a table of shared messages, which is not read")
    kind = parse_datatype(datatype)
    if kind.refused:
        raise NotReadHdf5(kind.refused)
    shape = parse_dataspace(attribute.dataspace, source.length_size).shape
    if shape is None:
        return np.empty(0, kind.dtype or object)
    wanted = math.prod(shape) * kind.size
    if wanted > len(attribute.data):
        raise DamagedHdf5("its value is longer than what is stored of it")
    return decode(heap, kind, attribute.data[:wanted], shape)
