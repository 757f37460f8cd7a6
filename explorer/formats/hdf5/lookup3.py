"""Bob Jenkins' lookup3, the checksum of HDF5's metadata (section VIII, Appendix A)."""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF
_START = 0xDEADBEEF
_MIX = (4, 6, 8, 16, 19, 4)
_FINAL = (14, 11, 25, 16, 4, 14, 24)


def lookup3(data: bytes) -> int:
    """The checksum of ``data``, 32 bits; about 8 MB take a second."""
    a = b = c = (_START + len(data)) & _MASK
    if not data:
        return c
    padded = data + bytes(-len(data) % 12)
    words = struct.iter_unpack("<3I", padded)
    for _ in range(len(padded) // 12 - 1):
        x, y, z = next(words)
        a, b, c = _mixed((a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK)
    x, y, z = next(words)
    return _last((a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK)


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for turn in _MIX:
        a = (a - c & _MASK) ^ (c << turn & _MASK | c >> 32 - turn)
        c = c + b & _MASK
        a, b, c = b, c, a
    return a, b, c


def _last(a: int, b: int, c: int) -> int:
    for turn in _FINAL:
        c = (c ^ b) - (b << turn & _MASK | b >> 32 - turn) & _MASK
        a, b, c = b, c, a
    return b
