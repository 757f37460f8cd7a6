"""Stored bytes as NumPy arrays."""

from __future__ import annotations

import numpy as np

from explorer.formats.hdf5.datatypes import Datatype, Text
from explorer.formats.hdf5.errors import NotReadHdf5
from explorer.formats.hdf5.heaps import GlobalHeap


def stored_dtype(datatype: Datatype) -> np.dtype:
    """How one element lies in the file, as NumPy sees it: strings and booleans are raw bytes.

    Raises `NotReadHdf5` where NumPy has no such type.
    """
    if datatype.dtype is None:
        raise NotReadHdf5(datatype.refused)
    return np.dtype(np.int8) if datatype.dtype == np.bool_ else datatype.dtype


def decode(heap: GlobalHeap, datatype: Datatype, raw: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The values of ``raw``, of ``shape`` and then the type's own dimensions.

    Text comes as an object array of ``bytes``, that of varying length from ``heap``. Raises
    `DamagedHdf5`.
    """
    stored = np.frombuffer(raw, stored_dtype(datatype)).reshape((*shape, *datatype.shape))
    return finished(heap, datatype, stored)


def finished(heap: GlobalHeap, datatype: Datatype, stored: np.ndarray) -> np.ndarray:
    """Values as a person expects them from an array of `stored_dtype`."""
    if datatype.text is not None:
        return _text(heap, datatype.text, stored)
    if datatype.dtype == np.bool_:
        return stored.astype(np.bool_)
    return stored


def _text(heap: GlobalHeap, text: Text, stored: np.ndarray) -> np.ndarray:
    if text is Text.VARIABLE:
        values = _from_heap(heap, stored)
    else:
        values = [_trimmed(text, item) for item in stored.reshape(-1).tolist()]
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result.reshape(stored.shape)


def _trimmed(text: Text, value: bytes) -> bytes:
    """What is left without the padding; NumPy has taken the NULs at the end off already."""
    if text is Text.SPACES:
        return value.rstrip(b" ")
    return value.partition(b"\0")[0] if text is Text.TERMINATED else value


def _from_heap(heap: GlobalHeap, stored: np.ndarray) -> list[bytes]:
    """Strings of the global heap: each is a length, a collection's address and an index."""
    found: list[bytes] = []
    for item in stored.reshape(-1).tolist():
        fields = heap.source.parse(item)
        length, address, index = fields.number(4), fields.address(), fields.number(4)
        value = heap.read(address, index)[:length] if length and address else b""
        found.append(value.partition(b"\0")[0])
    return found
