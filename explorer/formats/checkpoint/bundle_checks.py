"""Whether a tensor bundle is all there and undamaged: its index, its shards and every tensor.

How each kind of tensor is summed up is in ``tensorflow/core/util/tensor_bundle/
tensor_bundle.cc``: numbers as they lie; of strings first their lengths, as 4 bytes each, or 8 where
they need it; of variants the length of each, as 8 bytes, before its message.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import groupby

import google_crc32c

from explorer.formats.artifact import Check, UnreadableArtifact
from explorer.formats.checkpoint.sstable import Table, mask
from explorer.formats.checkpoint.tensor_bundle import Bundle, Entry
from explorer.formats.graph.tf_types import shape_of
from explorer.formats.schema import tensor_pb2
from explorer.formats.storage import Pages
from explorer.formats.text import count_text

_BLOCK = 1 << 20


def bundle_checks(bundle: Bundle) -> Iterator[Check]:
    """The index block by block, each shard, and of each tensor byte count and crc32c.

    Reads everything once, from the first byte of a shard to its last, at most 1 MB at a time.
    Tensors of a missing shard are not listed again.
    """
    yield from index_checks(bundle)
    present = set()
    tensors = Counter(shard for key in bundle.entries for shard in bundle.shards_of(key))
    for shard in bundle.shards:
        check = _shard_check(bundle, bundle.shard_file(shard), tensors[shard])
        if not check.problem:
            present.add(shard)
        yield check
    for key, entry in bundle.entries.items():
        if entry.slices:
            yield Check("parts", key, bundle.parts_problem(key))
    stored = [part for key in bundle.entries for part in bundle.stored(key)]
    stored.sort(key=lambda part: (part[1].shard_id, part[1].offset))
    for shard, parts in groupby(stored, key=lambda part: part[1].shard_id):
        if shard in present:
            yield from _shard_tensors(bundle, shard, parts)


def _shard_tensors(
    bundle: Bundle, shard: int, parts: Iterable[tuple[str, Entry]]
) -> Iterator[Check]:
    """The checks of what a shard holds, in the order in which it lies there."""
    with closing(Pages(bundle.storage, bundle.shard_file(shard))) as pages:
        for where, entry in parts:
            yield Check("byte count", where, bundle.size_problem(where, entry))
            yield Check("crc32c", where, _crc_problem(bundle, pages, where, entry))


def index_checks(bundle: Bundle) -> Iterator[Check]:
    """The footer and every block of the index."""
    file = bundle.index_file
    size = bundle.storage.size(file) or 0
    return Table(partial(bundle.storage.read, file), size, file).checks()


def _shard_check(bundle: Bundle, file: str, tensors: int) -> Check:
    try:
        missing = not bundle.storage.has(file)
    except (UnreadableArtifact, OSError) as error:
        return Check("shard present", file, str(error))
    text = f"{file} is missing, and with it values of {count_text(tensors, 'tensor')}."
    return Check("shard present", file, text if missing else "")


def _crc_problem(bundle: Bundle, pages: Pages, where: str, entry: Entry) -> str:
    if min(entry.offset, entry.size) < 0 or entry.offset + entry.size > pages.size:
        return bundle.range_problem(where, entry)
    try:
        crc = mask(_summed(_Stream(pages, entry), entry))
    except (ValueError, UnreadableArtifact, OSError) as error:
        return f"The values of {where} cannot be read: {error}."
    if crc == entry.crc32c:
        return ""
    return (
        f"The {entry.size:,} bytes of {where} at byte {entry.offset:,} of "
        f"{bundle.shard_file(entry.shard_id)} have the checksum {crc:08x}, but should have "
        f"{entry.crc32c:08x}: they are damaged."
    )


class _Stream:
    """The bytes of an entry, passed over from first to last; ``crc`` is of those summed up."""

    def __init__(self, pages: Pages, entry: Entry) -> None:
        self._read = pages.read
        self._next = entry.offset
        self._end = entry.offset + entry.size
        self._block = b""
        self._at = 0
        self.crc = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self._end - self._next + len(self._block) - self._at

    def _fill(self) -> None:
        self._block = self._read(self._next, min(_BLOCK, self._end - self._next))
        self._at = 0
        self._next += len(self._block)
        if not self._block:
            raise ValueError("they end too early")

    def add(self, number: int, width: int) -> None:
        """Sum up a number that is not stored in this form."""
        self.crc = google_crc32c.extend(self.crc, number.to_bytes(width, "little"))

    def sum_up(self, length: int) -> None:
        """Pass over bytes, summing them up."""
        while length:
            if self._at == len(self._block):
                self._fill()
            part = self._block[self._at : self._at + length]
            self.crc = google_crc32c.extend(self.crc, part)
            self._at += len(part)
            length -= len(part)

    def varint(self) -> int:
        """Pass over a number of variable length, without summing it up."""
        value = shift = 0
        while shift < 70:
            if self._at == len(self._block):
                self._fill()
            byte = self._block[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value & (1 << 64) - 1
        raise ValueError("a length does not end")


def _summed(stream: _Stream, entry: Entry) -> int:
    """The crc32c of an entry, not masked. Raises ``ValueError`` where it cannot be right."""
    count = math.prod(size or 0 for size in shape_of(entry.shape) or ())
    if entry.dtype == tensor_pb2.DT_STRING:
        _sum_strings(stream, count)
    elif entry.dtype == tensor_pb2.DT_VARIANT:
        _sum_variants(stream, count)
    else:
        stream.sum_up(entry.size)
    return stream.crc


def _sum_strings(stream: _Stream, count: int) -> None:
    total = 4  # the checksum of the lengths, between them and the strings
    for _ in range(count):
        length = stream.varint()
        stream.add(length, 8 if length > 0xFFFFFFFF else 4)
        total += length
    if total != stream.left:
        raise ValueError("the lengths of its strings do not add up")
    stream.sum_up(total)


def _sum_variants(stream: _Stream, count: int) -> None:
    for _ in range(count):
        length = stream.varint()
        if length + 4 > stream.left:
            raise ValueError("one of its variants is cut short")
        stream.add(length, 8)
        stream.sum_up(length + 4)
