"""Numbers of variable length, as Protocol Buffers and LevelDB write them."""

from __future__ import annotations

_MAX_BYTES = 10


def varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The unsigned number at ``at`` and where the next byte is. Raises `ValueError`."""
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for index, byte in enumerate(data[at : at + _MAX_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError("a number does not end")


def varint_of(value: int) -> bytes:
    """The bytes of an unsigned number."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
