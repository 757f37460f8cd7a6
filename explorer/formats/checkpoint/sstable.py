"""Sorted string tables, the format of a checkpoint's ``.index`` file.

LevelDB's table format (``doc/table_format.md``, TensorFlow's copy is ``tensorflow/core/lib/io/
table``): data blocks, an index block that says where they are, and a footer of 48 bytes whose last
eight are a magic number. A block is a list of entries, each ``shared, unshared, value length``
as varints and then the part of the key that differs from the key before; behind every block stand
one byte of compression type and the masked crc32c of both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import NamedTuple

import google_crc32c

from explorer.formats.artifact import Check, UnreadableArtifact
from explorer.formats.checkpoint.snappy import decompress
from explorer.formats.protobuf.varint import varint

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_MASK_DELTA = 0xA282EAD8
_PLAIN, _SNAPPY = 0, 1
_MOST_KEY_BYTES = 64 << 20
"""Keys repeat what they share with the key before, so a small file can declare endless ones."""


class _Damaged(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with the table, as part of a sentence."""


class _Handle(NamedTuple):
    """Where a block is; no key in it is behind ``last_key``."""

    last_key: bytes
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Where the next block can begin."""
        return self.offset + self.size + _TRAILER_BYTES

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return f"block at byte {self.offset:,}"


def mask(crc: int) -> int:
    """A crc32c as TensorFlow stores it, rotated and shifted. Source: ``tsl/lib/hash/crc32c.h``."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


class Table:
    """A table of ``size`` bytes that ``read`` gives by offset and length.

    Blocks are read when needed, and each is checked against its checksum first. All methods raise
    `UnreadableArtifact`, naming the table by ``name``, where it is cut short or damaged.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int, name: str) -> None:
        self._read = read
        self._size = size
        self._name = name

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key and value, in order."""
        with self._named():
            yield from self._entries()

    def first(self) -> tuple[bytes, bytes] | None:
        """The first key and value, without reading further blocks than the one they are in."""
        with self._named():
            return next(self._entries(), None)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, by reading the one block that can hold it."""
        with self._named():
            handles = self._handles
            at = bisect_left(handles, key, key=lambda handle: handle.last_key)
            if at == len(handles):
                return None
            entries = _block_entries(self._block(handles[at], handles[at].title))
            return next((value for found, value in entries if found == key), None)

    def checks(self) -> Iterator[Check]:
        """One check for the footer, and one for the checksum and entries of each block."""
        footer = self._problem(lambda: self._footer)
        yield Check("footer", self._name, footer)
        if footer:
            return
        index = self._problem(lambda: self._handles)
        yield Check("block crc32c", f"{self._name}, index block", index)
        yield self._block_check(self._footer[0])
        for handle in () if index else self._handles:
            yield self._block_check(handle)

    def _block_check(self, handle: _Handle) -> Check:
        problem = self._problem(lambda: list(_block_entries(self._block(handle, handle.title))))
        return Check("block crc32c", f"{self._name}, {handle.title}", problem)

    def _problem(self, attempt: Callable[[], object]) -> str:
        try:
            with self._named():
                attempt()
        except UnreadableArtifact as error:
            return str(error)
        return ""

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (_Damaged, ValueError) as error:
            raise UnreadableArtifact(
                f"{self._name} is damaged: {error}. Copy the file again from where it was written.",
                found=self._read(0, 16).hex(" "),
            ) from error

    @cached_property
    def _footer(self) -> tuple[_Handle, _Handle]:
        """The block of metadata, which TensorFlow leaves empty, and the index block."""
        footer = self._read(max(0, self._size - FOOTER_BYTES), FOOTER_BYTES)
        if len(footer) < FOOTER_BYTES or not footer.endswith(MAGIC):
            raise _Damaged("it does not end in the magic number of a table, so it is cut short")
        metadata, at = _handle(footer, 0, b"")
        return metadata, _handle(footer, at, b"")[0]

    @cached_property
    def _handles(self) -> list[_Handle]:
        """The data blocks in order; each begins where or after the one before it ends."""
        handles: list[_Handle] = []
        for key, value in _block_entries(self._block(self._footer[1], "index block")):
            handle, _ = _handle(value, 0, key)
            if handles and handle.offset < handles[-1].end:
                raise _Damaged(f"its {handle.title} begins inside the block before it")
            handles.append(handle)
        return handles

    def _entries(self) -> Iterator[tuple[bytes, bytes]]:
        key_bytes = 0
        for handle in self._handles:
            for key, value in _block_entries(self._block(handle, handle.title)):
                key_bytes += len(key)
                if key_bytes > _MOST_KEY_BYTES:
                    raise _Damaged(f"its keys take more than {_MOST_KEY_BYTES:,} bytes")
                yield key, value

    def _block(self, handle: _Handle, what: str) -> bytes:
        """The contents of a block, without trailer and restart points."""
        if handle.end > self._size:
            end = handle.offset + handle.size
            raise _Damaged(f"its {what} ends at byte {end:,}, beyond the file's {self._size:,}")
        data = self._read(handle.offset, handle.size + _TRAILER_BYTES)
        stored = int.from_bytes(data[-4:], "little")
        if (
            len(data) < handle.size + _TRAILER_BYTES
            or mask(google_crc32c.value(data[:-4])) != stored
        ):
            raise _Damaged(f"the checksum of its {what} does not match")
        return _without_restarts(_expanded(data[:-_TRAILER_BYTES], data[-5], what), what)


def _handle(data: bytes, at: int, last_key: bytes) -> tuple[_Handle, int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return _Handle(last_key, offset, size), at


def _expanded(block: bytes, compression: int, what: str) -> bytes:
    if compression == _PLAIN:
        return block
    if compression == _SNAPPY:
        return decompress(block)
    raise _Damaged(f"its {what} is compressed in an unknown way ({compression})")


def _without_restarts(block: bytes, what: str) -> bytes:
    length = len(block) - 4 * (int.from_bytes(block[-4:], "little") + 1)
    if length < 0:
        raise _Damaged(f"its {what} names more restart points than it has room for")
    return block[:length]


def _block_entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    key = b""
    at = 0
    while at < len(block):
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        length, at = varint(block, at)
        value_at = at + unshared
        if shared > len(key) or value_at + length > len(block):
            raise _Damaged("an entry reaches beyond its block")
        key = key[:shared] + block[at:value_at]
        at = value_at + length
        yield key, block[value_at:at]
