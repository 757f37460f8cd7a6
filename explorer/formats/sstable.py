"""Sorted string tables, the format of a checkpoint's ``.index`` file.

LevelDB's table format (``doc/table_format.md``, TensorFlow's copy is ``tensorflow/core/lib/io/
table``): data blocks, an index block that says where they are, and a footer of 48 bytes whose last
eight are a magic number. A block is a list of entries, each ``shared, unshared, value length``
as varints and then the part of the key that differs from the key before; behind every block stand
one byte of compression type and the masked crc32c of both.
"""

from __future__ import annotations

from collections.abc import Iterator

import google_crc32c

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.snappy import decompress
from explorer.formats.varint import varint

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_MASK_DELTA = 0xA282EAD8
_PLAIN, _SNAPPY = 0, 1


class _Damaged(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with the table, as part of a sentence."""


def mask(crc: int) -> int:
    """A crc32c as TensorFlow stores it, rotated and shifted. Source: ``tsl/lib/hash/crc32c.h``."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def table_entries(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Every key and value of a table, in order.

    Every block is checked against its checksum first. Raises `UnreadableArtifact`, naming the
    table by ``name``, where it is cut short or damaged.
    """
    try:
        for _, handle in _block_entries(_block(data, _index_handle(data), "index block")):
            offset, at = varint(handle, 0)
            size, _ = varint(handle, at)
            yield from _block_entries(_block(data, (offset, size), f"block at byte {offset:,}"))
    except (_Damaged, ValueError) as error:
        raise UnreadableArtifact(
            f"{name} is damaged: {error}. Copy the file again from where it was written.",
            found=data[:16].hex(" "),
        ) from error


def _index_handle(data: bytes) -> tuple[int, int]:
    footer = data[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or not footer.endswith(MAGIC):
        raise _Damaged("it does not end in the magic number of a table, so it is cut short")
    at = 0
    numbers = []
    for _ in range(4):
        number, at = varint(footer, at)
        numbers.append(number)
    return numbers[2], numbers[3]


def _block(data: bytes, handle: tuple[int, int], what: str) -> bytes:
    """The contents of a block, without trailer and restart points."""
    offset, size = handle
    end = offset + size
    if end + _TRAILER_BYTES > len(data):
        raise _Damaged(f"its {what} ends at byte {end:,}, beyond the file's {len(data):,}")
    stored = int.from_bytes(data[end + 1 : end + _TRAILER_BYTES], "little")
    if mask(google_crc32c.value(data[offset : end + 1])) != stored:
        raise _Damaged(f"the checksum of its {what} does not match")
    return _without_restarts(_expanded(data[offset:end], data[end], what), what)


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
