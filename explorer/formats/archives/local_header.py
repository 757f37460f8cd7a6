"""The header before each member of a zip archive, which says again what the list at the end says.

Some programs go by the one, some by the other. Source: APPNOTE 4.3.7, 4.3.9 and 4.5.3.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator

FIXED = 30
"""Bytes before the name."""

_HEADER = struct.Struct("<4s2xHH4xLLLHH")
_FOLLOWS = 1 << 3
"""Of the flags: checksum and sizes follow the member, and may be 0 here."""
_IN_EXTRA = 0xFFFFFFFF
_ZIP64 = 1


def contradiction(head: bytes, info: zipfile.ZipInfo) -> str:
    """Where a header with its name and extra fields is not as the list says; empty if it is.

    Raises ``struct.error`` where it is cut short.
    """
    _, flags, method, crc, packed, size, name, _ = _HEADER.unpack_from(head)
    sizes = _wide_sizes(head[FIXED + name :], size, packed)
    told = {
        "compression method": (method, info.compress_type),
        "CRC-32": (crc, info.CRC),
        "size": (sizes[0], info.file_size),
        "packed size": (sizes[1], info.compress_size),
    }
    for what, (here, listed) in told.items():
        left_out = bool(flags & _FOLLOWS) and here == 0
        if here != listed and not left_out:
            form = "08x" if what == "CRC-32" else ","
            return (
                f"Its {what} is {here:{form}} in its own header, but {listed:{form}} in the list "
                "of members at the end: not every program reads it alike."
            )
    return ""


def _wide_sizes(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """The two sizes, from the field of ZIP64 where they are too large for their own."""
    wide = next((data for kind, data in _extra_fields(extra) if kind == _ZIP64), b"")
    numbers = iter(struct.unpack_from(f"<{len(wide) // 8}Q", wide))
    size, packed = (next(numbers, n) if n == _IN_EXTRA else n for n in (size, packed))
    return size, packed


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        yield kind, extra[4 : 4 + length]
        extra = extra[4 + length :]
