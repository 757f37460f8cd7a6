"""Snappy's raw format, in which some builds of TensorFlow compress the blocks of an index.

Source: ``format_description.txt`` of google/snappy. A length, then elements: literals, and copies
of bytes already written.
"""

from __future__ import annotations

from explorer.formats.protobuf.varint import varint

_LITERAL = 0
_LONGEST_COPY = 64
_SHORT_LITERAL = 60


def decompress(data: bytes) -> bytes:
    """The bytes that were compressed. Raises `ValueError` where the data is damaged."""
    length, at = varint(data, 0)
    if length > len(data) * _LONGEST_COPY:
        raise ValueError(f"{len(data):,} bytes cannot expand to {length:,}")
    out = bytearray()
    while at < len(data):
        at = _literal(data, at, out) if data[at] & 3 == _LITERAL else _copy(data, at, out)
        if len(out) > length:
            break
    if len(out) != length:
        raise ValueError(f"it should expand to {length:,} bytes, but does not")
    return bytes(out)


def _literal(data: bytes, at: int, out: bytearray) -> int:
    """Append bytes that stand as they are; a length of 60 or more follows in 1 to 4 bytes."""
    length = data[at] >> 2
    at += 1
    if length >= _SHORT_LITERAL:
        width = length - _SHORT_LITERAL + 1
        length = int.from_bytes(data[at : at + width], "little")
        at += width
    end = at + length + 1
    if end > len(data):
        raise ValueError("a literal reaches beyond the end")
    out += data[at:end]
    return end


def _copy(data: bytes, at: int, out: bytearray) -> int:
    """Append bytes written before; the offset takes 1, 2 or 4 bytes beside the tag."""
    tag = data[at]
    width = (0, 1, 2, 4)[tag & 3]
    offset = int.from_bytes(data[at + 1 : at + 1 + width], "little")
    length = (tag >> 2) + 1
    if width == 1:
        offset |= (tag >> 5) << 8
        length = (tag >> 2 & 7) + 4
    if not 0 < offset <= len(out):
        raise ValueError("a copy begins before the first byte")
    source = out[-offset:][:length]
    out += (source * (length // len(source) + 1))[:length]  # a copy may reach into itself
    return at + 1 + width
