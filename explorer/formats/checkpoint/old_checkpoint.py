"""Checkpoints of format V1, the only one before TensorFlow 1.0 and to be had until 1.15.

One table, or one for each shard, that holds everything: under the empty key what tensors there are,
under every other key a slice of one with its values. Source: ``tensorflow/core/util/
tensor_slice_writer.cc`` and ``saved_tensor_slice.proto``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice

import numpy as np
from google.protobuf.message import DecodeError

from explorer.formats.artifact import (
    Check,
    Location,
    Selection,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.checkpoint.partitions import box_of
from explorer.formats.checkpoint.slice_keys import slice_key
from explorer.formats.checkpoint.sstable import Table
from explorer.formats.checkpoint.tensor_bundle import Bundle, Entry
from explorer.formats.graph.tensor_proto import tensor_at
from explorer.formats.graph.tf_types import numpy_dtype, shape_of
from explorer.formats.protobuf.wire import ProtoFile
from explorer.formats.schema import checkpoint_pb2, tensor_pb2
from explorer.formats.selection import chosen, is_inflated
from explorer.formats.storage import Storage

_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})")
_MOST_STRINGS = 20
_LEAST_BYTES = 8
"""A number of 8 bytes takes at least one where it is written as a varint."""


def shard_prefix(name: str) -> str:
    """What the shards of a checkpoint are called before their number, empty for no shard."""
    found = _SHARD.fullmatch(name)
    return found[1] if found else ""


def is_old(storage: Storage, member: str) -> bool:
    """Whether a table is a checkpoint of this format. Raises `UnreadableArtifact`."""
    first = _table(storage, member).first()
    return first is not None and first[0] == b"" and _message(first[1]).HasField("meta")


@dataclass(frozen=True)
class OldBundle(Bundle):
    """An opened checkpoint; ``files`` are its tables, there or not.

    The offset of an entry is the number of its key in ``keys``.
    """

    files: tuple[str, ...]
    keys: tuple[bytes, ...]

    @property
    def index_file(self) -> str:
        """There is none."""
        return ""

    @cached_property
    def shards(self) -> Sequence[int]:
        """The numbers of the tables."""
        return range(len(self.files))

    def shard_file(self, shard: int) -> str:
        """The name of one of the tables."""
        return self.files[shard]

    def size_problem(self, name: str, entry: Entry) -> str:
        """Nothing: how many bytes numbers take depends on what they are."""
        return ""

    def range_problem(self, name: str, entry: Entry) -> str:
        """Nothing: values are found by their keys."""
        return ""

    def parts_problem(self, key: str) -> str:
        """Why a partitioned tensor is not whole, as a sentence; empty text where it is."""
        declared = sum(part.size for _, part in self.stored(key))
        held = self._held
        if is_inflated(declared, _LEAST_BYTES * held, packed=False):
            return f"{key} declares {declared:,} bytes, but all files together have {held:,}."
        return super().parts_problem(key)

    @cached_property
    def _held(self) -> int:
        return sum(self.storage.size(file) or 0 for file in self.files)

    def checks(self) -> Iterator[Check]:
        """The tables and every block of them, and the tensors: whether all is there and whole."""
        missing = set(self.missing_shards())
        for file in self.files:
            text = f"{file} is missing, and with it the names and values of the tensors in it."
            yield Check("shard present", file, text if file in missing else "")
            if file not in missing:
                yield from _table(self.storage, file).checks()
        for key, entry in self.entries.items():
            if entry.slices:
                yield Check("parts", key, self.parts_problem(key))
            for where, stored in self.stored(key):
                yield Check("values", where, self._problem(where, stored))

    def _problem(self, where: str, entry: Entry) -> str:
        try:
            self._values(where, entry, ())
        except (UnreadableArtifact, TensorUnreadable, OSError) as error:
            return str(error)
        return ""

    def _stored_bytes(self, key: str, entry: Entry) -> int:
        """Of strings, which are stored one by one, what they take together.

        What is damaged, or one of too many to be looked up, counts 0.
        """
        if entry.dtype != tensor_pb2.DT_STRING or key not in self._sized_strings:
            return super()._stored_bytes(key, entry)
        with suppress(UnreadableArtifact):
            found = (self._message(part) for _, part in self.stored(key))
            return sum(len(s) for message in found if message for s in message.data.data.string_val)
        return 0

    @cached_property
    def _sized_strings(self) -> frozenset[str]:
        strings = (k for k, e in self.entries.items() if e.dtype == tensor_pb2.DT_STRING)
        return frozenset(islice(strings, _MOST_STRINGS))

    @cached_property
    def _tables(self) -> dict[str, Table]:
        present = set(self.files) - set(self.missing_shards())
        return {file: _table(self.storage, file) for file in present}

    def _message(self, entry: Entry) -> checkpoint_pb2.SavedTensorSlices | None:
        """What is stored of an entry, ``None`` where it is not there."""
        table = self._tables.get(self.shard_file(entry.shard_id))
        value = table.get(self.keys[entry.offset]) if table and self.keys else None
        return None if value is None else _message(value)

    def _location(self, key: str, entry: Entry) -> Location:
        return replace(super()._location(key, entry), offset=None, checksum="")

    def _values(self, key: str, entry: Entry, selection: Selection) -> np.ndarray:
        file = self.shard_file(entry.shard_id)
        value = _table(self.storage, file).get(self.keys[entry.offset])
        if value is None:
            raise TensorUnreadable(f"{key} is named in {file}, but its values are not in it.")
        data = _message(value).data.data
        if is_inflated(entry.size, _LEAST_BYTES * len(value), packed=False):
            raise TensorUnreadable(f"{key} declares {entry.size:,} bytes, but few are in {file}.")
        data.dtype = entry.dtype
        data.tensor_shape.CopyFrom(entry.shape)
        return chosen(_read(self.storage, data, key), selection)


def open_old(storage: Storage, name: str, files: tuple[str, ...]) -> OldBundle:
    """Read what tensors there are in the tables of a checkpoint. Raises `UnreadableArtifact`.

    ``files`` are the tables that are there; of shards, their names tell how many there should be.
    """
    every = _all_shards(name, files)
    present = set(files)
    entries: dict[str, Entry] = {}
    parts: dict[bytes, Entry] = {}
    keys: list[bytes] = []
    for shard, file in enumerate(every):
        first = _table(storage, file).first() if file in present else None
        for tensor in _message(first[1]).meta.tensor if first else ():
            whole = Entry(dtype=tensor.type, shape=tensor.shape, shard_id=shard)
            entry = entries.setdefault(tensor.name, whole)
            for piece in tensor.slice:
                key = slice_key(tensor.name, piece)
                part = _part(entry, piece, shard, len(keys))
                keys.append(key)
                if _is_whole(piece):
                    entry.MergeFrom(Entry(offset=part.offset, size=part.size))
                else:
                    parts[key] = part
                    entry.slices.append(piece)
    header = checkpoint_pb2.BundleHeaderProto(num_shards=len(every))
    return OldBundle(storage, name, header, entries, parts, every, tuple(keys))


def _all_shards(prefix: str, files: tuple[str, ...]) -> tuple[str, ...]:
    counts = {int(found[2]) for file in files if (found := _SHARD.fullmatch(file))}
    declared = [f"{prefix}-{n:05d}-of-{count:05d}" for count in counts for n in range(count)]
    return tuple(sorted({*files, *declared}))


def _part(whole: Entry, piece: tensor_pb2.TensorSliceProto, shard: int, number: int) -> Entry:
    shape = shape_of(whole.shape)
    box = box_of(piece, shape) if shape else ()
    sizes = [len(r) for r in box or ()]
    dtype = numpy_dtype(whole.dtype)
    return Entry(
        dtype=whole.dtype,
        shape=tensor_pb2.TensorShapeProto(
            dim=[tensor_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
        ),
        shard_id=shard,
        offset=number,
        size=math.prod(sizes) * (dtype.itemsize if dtype else 0),
    )


def _is_whole(piece: tensor_pb2.TensorSliceProto) -> bool:
    return not any(extent.HasField("length") for extent in piece.extent)


def _table(storage: Storage, file: str) -> Table:
    return Table(partial(storage.read, file), storage.size(file) or 0, file or storage.name)


def _message(data: bytes) -> checkpoint_pb2.SavedTensorSlices:
    try:
        return checkpoint_pb2.SavedTensorSlices.FromString(data)
    except DecodeError as error:
        raise UnreadableArtifact(
            f"It is a table, but not a checkpoint of TensorFlow: {error}. Open its .index file."
        ) from error


def _read(storage: Storage, data: tensor_pb2.TensorProto, key: str) -> np.ndarray:
    file = ProtoFile(storage, key, data.SerializeToString())
    with file.wire() as wire:
        tensor: Tensor = tensor_at(wire, file, file.span, key)
    return tensor.read()
