"""The objects of a file: groups, datasets and named types."""

from __future__ import annotations

from enum import Enum
from functools import cached_property

from explorer.formats.hdf5.attributes import Attribute, read_attributes
from explorer.formats.hdf5.dataset import Dataset
from explorer.formats.hdf5.heaps import GlobalHeap
from explorer.formats.hdf5.links import Link, read_links
from explorer.formats.hdf5.object_header import MessageType, read_messages, reference_count
from explorer.formats.hdf5.source import Source


class ObjectKind(Enum):
    """What an object is."""

    GROUP = "group"
    DATASET = "dataset"
    NAMED_TYPE = "named type"
    UNKNOWN = "unknown"


class Hdf5Object:
    """The object whose header is at ``address``; raises `DamagedHdf5` where there is none.

    ``head`` is what `read_heads` read there, empty where that was not asked. What the object holds
    is read when first asked for, by one thread.
    """

    def __init__(self, source: Source, address: int, head: bytes = b"") -> None:
        self.source = source
        self.address = address
        self._messages = read_messages(source, address, head)
        self.kind = _kind({message[0] for message in self._messages})

    def at(self, address: int, head: bytes = b"") -> Hdf5Object:
        """Another object of the same file."""
        return Hdf5Object(self.source, address, head)

    @property
    def reference_count(self) -> int:
        """How many hard links lead here."""
        return reference_count(self.source, self.address, self._messages)

    @cached_property
    def links(self) -> dict[bytes, Link]:
        """What a group holds, sorted by name."""
        return read_links(self.source, self._messages)

    @cached_property
    def attributes(self) -> dict[bytes, Attribute]:
        """The attributes, sorted by name, their values not yet read."""
        return read_attributes(self.source, self._messages)

    @cached_property
    def heap(self) -> GlobalHeap:
        """Where the attributes have their text of varying length."""
        return GlobalHeap(self.source)

    def dataset(self) -> Dataset:
        """The dataset that this is."""
        return Dataset(self.source, self._messages)


def _kind(types: set[int]) -> ObjectKind:
    """As the HDF5 library tells them apart."""
    if types & {MessageType.SYMBOL_TABLE, MessageType.LINK_INFO}:
        return ObjectKind.GROUP
    if types >= {MessageType.DATATYPE, MessageType.DATASPACE}:
        return ObjectKind.DATASET
    return ObjectKind.NAMED_TYPE if MessageType.DATATYPE in types else ObjectKind.UNKNOWN
