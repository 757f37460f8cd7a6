"""Tensor bundles: an ``.index`` table of entries over one or more ``.data-…`` shards.

TensorFlow checkpoints since version 1.0 and the ``variables`` folder of every SavedModel. The
first key of the table is empty and holds the header; every other key is a tensor's name, or, for
a part of a partitioned tensor, an ordered code of name and slice that starts with a zero byte.
Source: ``tensorflow/core/util/tensor_bundle/tensor_bundle.cc``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError

from explorer.formats.artifact import (
    Location,
    Role,
    Selection,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.checkpoint.partitions import (
    Box,
    box_around,
    box_of,
    box_text,
    common,
    partition_problem,
    within,
)
from explorer.formats.checkpoint.slice_keys import slice_key
from explorer.formats.checkpoint.sstable import MAGIC, Table, mask
from explorer.formats.graph.tf_types import dtype_name, numpy_dtype, shape_of
from explorer.formats.protobuf.varint import varint
from explorer.formats.schema import checkpoint_pb2, tensor_pb2
from explorer.formats.selection import chosen, leading_run
from explorer.formats.storage import Storage, joined
from explorer.formats.text import tuple_text

INDEX_ENDING = ".index"
_MAX_SHARDS = 100_000
_CHECKSUM_BYTES = 4
_TRY_AGAIN = "Copy the checkpoint again from where it was written."

Entry = checkpoint_pb2.BundleEntryProto


def is_index(storage: Storage, member: str = "") -> bool:
    """Whether a file ends in the magic number of a table; a link out of the folder does not."""
    try:
        size = storage.size(member)
        return size is not None and storage.read(member, max(0, size - len(MAGIC))) == MAGIC
    except UnreadableArtifact:
        return False


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: ``prefix`` names it in ``storage``, ``parts`` are of split tensors."""

    storage: Storage
    prefix: str
    header: checkpoint_pb2.BundleHeaderProto
    entries: Mapping[str, Entry]
    parts: Mapping[bytes, Entry]

    @property
    def index_file(self) -> str:
        """The member that holds the table."""
        return self.prefix + INDEX_ENDING

    @cached_property
    def shards(self) -> Sequence[int]:
        """The numbers of the shards that hold a tensor or are there, whatever is declared."""
        whole = (entry for entry in self.entries.values() if not entry.slices)
        used = {entry.shard_id for entry in (*whole, *self.parts.values())}
        shard = re.compile(rf"{re.escape(self.prefix)}\.data-(\d+)-of-{self._shard_count}")
        found = (shard.fullmatch(name) for name in self._files)
        return sorted(used | {int(match[1]) for match in found if match})

    @property
    def shard_files(self) -> list[str]:
        """The members that hold the values, there or not."""
        return [self.shard_file(shard) for shard in self.shards]

    @property
    def _shard_count(self) -> str:
        return f"{self.header.num_shards:05d}"

    @cached_property
    def _files(self) -> frozenset[str]:
        """What lies in the folder of the index."""
        folder, _, _ = self.prefix.rpartition("/")
        return frozenset(joined(folder, entry.name) for entry in self.storage.entries(folder))

    def shard_file(self, shard: int) -> str:
        """The name of one member that holds values."""
        return f"{self.prefix}.data-{shard:05d}-of-{self._shard_count}"

    @cached_property
    def _shard_sizes(self) -> Mapping[int, int]:
        return {n: self.storage.size(self.shard_file(n)) or 0 for n in self.shards}

    def _is_within(self, entry: Entry) -> bool:
        return bool(entry.slices) or (
            entry.offset + entry.size <= self._shard_sizes.get(entry.shard_id, 0)
        )

    @cached_property
    def is_cut_short(self) -> bool:
        """Whether a shard ends, or is missing, before all that it should hold."""
        return not all(map(self._is_within, (*self.entries.values(), *self.parts.values())))

    def held(self, key: str) -> list[bool]:
        """Of a tensor, or of each of its parts, whether its shard is there up to their end."""
        return [self._is_within(entry) for _, entry in self.stored(key)]

    def missing_shards(self) -> list[str]:
        """Those shards that are not there."""
        return [file for file in self.shard_files if file not in self._files]

    def shards_of(self, key: str) -> set[int]:
        """The shards that hold a tensor, or a part of it."""
        entry = self.entries[key]
        if not entry.slices:
            return {entry.shard_id}
        return {part.shard_id for _, part in self._parts(key, entry)}

    def tensor(self, key: str, role: Role = Role.WEIGHT, label: str = "") -> Tensor:
        """The tensor named ``key`` in the index. Nothing of its values is read yet."""
        entry = self.entries[key]
        return Tensor(
            path=key,
            dtype=dtype_name(entry.dtype),
            shape=shape_of(entry.shape),
            nbytes=self._stored_bytes(key, entry),
            role=role,
            location=self._location(key, entry),
            reader=partial(self._read, key),
            label=label,
        )

    def read_scalar(self, key: str) -> bytes:
        """The bytes of a string tensor of one element. Raises `TensorUnreadable`."""
        value = self._read(key, ()).reshape(-1)
        if value.size != 1 or not isinstance(value[0], bytes):
            raise TensorUnreadable(f"{key} is not a single string.")
        return value[0]

    def stored(self, key: str) -> list[tuple[str, Entry]]:
        """What is stored of a tensor: itself, or its parts, each with a name for people."""
        entry = self.entries[key]
        if not entry.slices:
            return [(key, entry)]
        shape = shape_of(entry.shape)
        boxes = ((box_of(piece, shape), part) for piece, part in self._parts(key, entry))
        return [(f"{key} {box_text(box)}" if box else key, part) for box, part in boxes]

    def parts_problem(self, key: str) -> str:
        """Why a partitioned tensor is not whole, as a sentence; empty text where it is."""
        entry = self.entries[key]
        shape = shape_of(entry.shape)
        parts = self._parts(key, entry)
        boxes = [box_of(piece, shape) for piece, _ in parts]
        if len(parts) < len(entry.slices):
            problem = f"only {len(parts)} of them are in the index"
        elif any(self._misfits(key, b, p) for b, (_, p) in zip(boxes, parts, strict=True)):
            problem = "one of them does not fit its place"
        else:
            problem = partition_problem(boxes, shape)
        return f"{key} is kept in {len(entry.slices)} parts, but {problem}." if problem else ""

    def _misfits(self, key: str, box: Box | None, part: Entry) -> bool:
        """Whether a part is not what belongs into ``box``; no box is another matter."""
        shape = None if box is None else tuple(len(r) for r in box)
        is_same = part.dtype == self.entries[key].dtype and shape_of(part.shape) == shape
        return shape is not None and (not is_same or bool(self.size_problem(key, part)))

    def size_problem(self, name: str, entry: Entry) -> str:
        """Where the stored bytes are not as many as type and shape take: that, as a sentence.

        A string takes at least one byte. Types without a size of their own always fit.
        """
        dtype = numpy_dtype(entry.dtype)
        shape = shape_of(entry.shape)
        if shape is None or None in shape:
            return f"{name} has no complete shape."
        count = math.prod(size or 0 for size in shape)
        if entry.dtype == tensor_pb2.DT_STRING and count + _CHECKSUM_BYTES > entry.size:
            return f"{name} declares {count:,} strings, but only {entry.size:,} bytes are stored."
        if dtype is None or count * dtype.itemsize == entry.size:
            return ""
        return (
            f"{name} declares {dtype_name(entry.dtype)} {tuple_text(shape)}, which takes "
            f"{count * dtype.itemsize:,} bytes, but {entry.size:,} bytes are stored."
        )

    def range_problem(self, name: str, entry: Entry) -> str:
        """Where a shard does not hold the bytes of an entry: that, as a sentence."""
        file = self.shard_file(entry.shard_id)
        size = self.storage.size(file)
        if size is None:
            return (
                f"The values of {name} are in {file}, which is missing. Put it beside "
                f"{self.index_file}."
            )
        if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > size:
            return (
                f"The values of {name} end at byte {entry.offset + entry.size:,} of {file}, which "
                f"has {size:,}: it is cut short."
            )
        return ""

    def _parts(self, key: str, entry: Entry) -> list[tuple[tensor_pb2.TensorSliceProto, Entry]]:
        """The slices of a partitioned tensor whose entries are there."""
        found = ((piece, self.parts.get(slice_key(key, piece))) for piece in entry.slices)
        return [(piece, part) for piece, part in found if part is not None]

    def _stored_bytes(self, key: str, entry: Entry) -> int:
        if not entry.slices:
            return entry.size
        return sum(part.size for _, part in self._parts(key, entry))

    def _location(self, key: str, entry: Entry) -> Location:
        file = self.shard_file(min(self.shards_of(key), default=0))
        if entry.slices:
            return Location(file, None, self._stored_bytes(key, entry))
        return Location(file, entry.offset, entry.size, f"crc32c {entry.crc32c:08x}")

    def _read(self, key: str, selection: Selection) -> np.ndarray:
        entry = self.entries[key]
        values = self._assembled if entry.slices else self._values
        try:
            return values(key, entry, selection)
        except (UnreadableArtifact, OSError) as error:
            raise TensorUnreadable(f"The values of {key} cannot be read: {error}") from error

    def _values(self, key: str, entry: Entry, selection: Selection) -> np.ndarray:
        """Values that are stored together."""
        dtype = self._dtype(key, entry)
        _refuse(self.size_problem(key, entry) or self.range_problem(key, entry))
        shape = tuple(size or 0 for size in shape_of(entry.shape) or ())
        if dtype.hasobject:
            return chosen(self._strings(key, entry, shape), selection)
        run = leading_run(shape, selection)
        data = self._bytes(entry, run.first * dtype.itemsize, run.count * dtype.itemsize)
        if len(data) == entry.size:
            _check(key, entry, google_crc32c.value(data))
        return run.taken(np.frombuffer(data, dtype, run.count))

    def _dtype(self, key: str, entry: Entry) -> np.dtype:
        dtype = (
            np.dtype(object) if entry.dtype == tensor_pb2.DT_STRING else numpy_dtype(entry.dtype)
        )
        if dtype is None:
            raise TensorUnreadable(
                f"{key} holds values of type {dtype_name(entry.dtype)}, which only TensorFlow can "
                "rebuild. Its name and shape are all that can be shown."
            )
        big = self.header.endianness == checkpoint_pb2.BundleHeaderProto.BIG
        return dtype.newbyteorder(">") if big else dtype

    def _strings(self, key: str, entry: Entry, shape: tuple[int, ...]) -> np.ndarray:
        """A string tensor: the lengths as varints, their checksum, then the strings end to end."""
        data = self._bytes(entry, 0, entry.size)
        try:
            lengths, at = _lengths(data, math.prod(shape))
        except ValueError as error:
            raise TensorUnreadable(f"{key} is damaged: {error}. {_TRY_AGAIN}") from error
        start = at + _CHECKSUM_BYTES
        if start + sum(lengths) != len(data):
            raise TensorUnreadable(f"{key} is damaged: its strings do not add up. {_TRY_AGAIN}")
        _check(key, entry, google_crc32c.extend(_lengths_crc(lengths), data[at:]))
        return _split(data, start, lengths).reshape(shape)

    def _assembled(self, key: str, entry: Entry, selection: Selection) -> np.ndarray:
        """Of a partitioned tensor what is asked for, from those parts alone that hold any of it."""
        dtype = self._dtype(key, entry)
        _refuse(self.parts_problem(key))
        shape = tuple(size or 0 for size in shape_of(entry.shape) or ())
        wanted, rest = box_around(shape, selection)
        found = ((box_of(piece, shape) or (), part) for piece, part in self._parts(key, entry))
        parts = [(box, part) for box, part in found if all(common(box, wanted))]
        _refuse(next(filter(None, (self.range_problem(key, part) for _, part in parts)), ""))
        whole = np.zeros([len(r) for r in wanted], dtype)
        for box, part in parts:
            shared = common(box, wanted)
            whole[within(wanted, shared)] = self._values(key, part, within(box, shared))
        return chosen(whole, rest)

    def _bytes(self, entry: Entry, offset: int, length: int) -> bytes:
        file = self.shard_file(entry.shard_id)
        data = self.storage.read(file, entry.offset + offset, length)
        if len(data) < length:
            raise TensorUnreadable(f"{file} became shorter while it was being read.")
        return data


def _refuse(problem: str) -> None:
    if problem:
        raise TensorUnreadable(f"{problem} {_TRY_AGAIN}")


def index_table(data: bytes, name: str) -> Table:
    """The table that a whole ``.index`` file is."""
    return Table(lambda offset, length: data[offset : offset + length], len(data), name)


def open_bundle(storage: Storage, prefix: str) -> Bundle:
    """Read the index of the bundle ``prefix``. Raises `UnreadableArtifact`."""
    name = prefix + INDEX_ENDING
    if not storage.has(name):
        raise UnreadableArtifact(
            f"{name}, which says what is where in the data files, is missing. Copy it beside them."
        )
    table = dict(index_table(storage.read(name), name).entries())
    try:
        header = checkpoint_pb2.BundleHeaderProto.FromString(table.pop(b""))
        parsed = {key: Entry.FromString(value) for key, value in table.items()}
    except (KeyError, DecodeError) as error:
        raise UnreadableArtifact(
            f"{name} is a table, but not a checkpoint's index: it has no readable header. Open "
            "the .index file that lies beside the .data files.",
        ) from error
    if not 0 <= header.num_shards <= _MAX_SHARDS:
        raise UnreadableArtifact(f"{name} declares {header.num_shards:,} shards; it is damaged.")
    return Bundle(
        storage,
        prefix,
        header,
        {
            key.decode("utf-8", "backslashreplace"): entry
            for key, entry in parsed.items()
            if not key.startswith(b"\0")
        },
        {key: entry for key, entry in parsed.items() if key.startswith(b"\0")},
    )


def _check(key: str, entry: Entry, crc: int) -> None:
    if mask(crc) != entry.crc32c:
        raise TensorUnreadable(
            f"The values of {key} do not match their checksum, so they are damaged. {_TRY_AGAIN}"
        )


def _lengths(data: bytes, count: int) -> tuple[list[int], int]:
    lengths = []
    at = 0
    for _ in range(count):
        length, at = varint(data, at)
        lengths.append(length)
    return lengths, at


def _lengths_crc(lengths: list[int]) -> int:
    """The crc32c of lengths as TensorFlow takes it: of 4 bytes each, 8 where they need it."""
    crc = 0
    for length in lengths:
        crc = google_crc32c.extend(crc, length.to_bytes(8 if length > 0xFFFFFFFF else 4, "little"))
    return crc


def _split(data: bytes, start: int, lengths: list[int]) -> np.ndarray:
    values = np.empty(len(lengths), object)
    for index, length in enumerate(lengths):
        values[index] = data[start : start + length]
        start += length
    return values
