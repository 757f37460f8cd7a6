"""The bytes of a file by HDF5's addresses, and fields read one after another."""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.hdf5.errors import DamagedHdf5
from explorer.formats.storage import Pages

STRUCT_CODES = {2: "H", 4: "I", 8: "Q"}
"""For addresses and lengths of each width that a superblock may declare."""

_READ_COST = 64
_ALWAYS_READ = 4 << 20
_TIMES_READ = 16


@lru_cache
def _extent(offset_size: int, length_size: int) -> struct.Struct:
    """An address and a length after it."""
    return struct.Struct(f"<{STRUCT_CODES[offset_size]}{STRUCT_CODES[length_size]}")


def width_of(number: int) -> int:
    """How many bytes a number up to this one takes."""
    return max(1, (number.bit_length() + 7) // 8)


def numbers(raw: np.ndarray) -> np.ndarray:
    """Little-endian integers of any width, a row of bytes each, as ``uint64``."""
    wide = np.zeros((len(raw), 8), np.uint8)
    wide[:, : raw.shape[1]] = raw
    return wide.view("<u8")[:, 0]


def rows_of(block: bytes, width: int) -> np.ndarray:
    """The bytes of a block, ``width`` to a row."""
    return np.frombuffer(block, np.uint8).reshape(-1, width)


class Source:
    """One question's view of a file: addresses count from ``base``, widths are in bytes.

    How much metadata it reads is limited by the size of the file: whole files hold each byte
    once, so more than a few times that means blocks that refer to each other in circles.
    """

    __slots__ = (
        "_left",
        "_pages",
        "base",
        "extent",
        "length_size",
        "offset_size",
        "size",
        "undefined",
    )

    def __init__(self, pages: Pages, base: int, offset_size: int, length_size: int) -> None:
        self._pages = pages
        self._left = _ALWAYS_READ + _TIMES_READ * pages.size
        self.base = base
        self.size = pages.size - base
        self.offset_size = offset_size
        self.length_size = length_size
        self.extent = _extent(offset_size, length_size)
        self.undefined = (1 << 8 * offset_size) - 1

    @property
    def arguments(self) -> tuple[Pages, int, int, int]:
        """What another source of the same file is made with."""
        return self._pages, self.base, self.offset_size, self.length_size

    def fresh(self) -> Source:
        """The same file with nothing read yet."""
        return Source(*self.arguments)

    def read(self, address: int, length: int) -> bytes:
        """``length`` bytes of metadata.

        Raises `DamagedHdf5` where there are fewer, ``OSError`` where the file changed.
        """
        self._left -= length + _READ_COST
        if self._left < 0:
            raise DamagedHdf5("its blocks refer to each other over and over")
        return self.data(address, length)

    def read_up_to(self, address: int, length: int) -> bytes:
        """As `read`, but fewer at the end of the file."""
        return self.read(address, max(0, min(length, self.size - address)))

    def data(self, address: int, length: int) -> bytes:
        """``length`` bytes of values, which are not limited beyond the file's own size."""
        if address < 0 or address + length > self.size:
            raise DamagedHdf5("it points beyond the end of the file")
        try:
            return self._pages.read(self.base + address, length)
        except UnreadableArtifact as error:
            raise OSError(str(error)) from error

    def verify(self, address: int, length: int, at: int | None = None) -> None:
        """Told of each block with a checksum, at its end or ``at`` an offset in it.

        Nothing is done here; `VerifyingSource` compares them.
        """

    def verify_free_space(self, address: int) -> None:
        """Told of the free-space manager of each heap that has one; nothing is done here."""

    def fields(self, address: int, length: int) -> Fields:
        """The fields of a block of metadata."""
        return self.parse(self.read(address, length))

    def parse(self, body: bytes) -> Fields:
        """The fields of bytes that were read before."""
        return Fields(body, self.offset_size, self.length_size)


class Fields:
    """Little-endian fields of a block, read one after another; `DamagedHdf5` at its end."""

    __slots__ = ("_length_size", "_offset_size", "at", "data")

    def __init__(self, data: bytes, offset_size: int = 8, length_size: int = 8) -> None:
        self.data = data
        self.at = 0
        self._offset_size = offset_size
        self._length_size = length_size

    def number(self, width: int) -> int:
        """An unsigned integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), "little")

    def address(self) -> int:
        """A "size of offsets" integer; `Source.undefined` where there is nothing."""
        return self.number(self._offset_size)

    def length(self) -> int:
        """A "size of lengths" integer."""
        return self.number(self._length_size)

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        end = self.at + length
        if length < 0 or end > len(self.data):
            raise DamagedHdf5("one of its blocks is too short")
        part = self.data[self.at : end]
        self.at = end
        return part

    def skip(self, length: int) -> None:
        """Go on after ``length`` bytes."""
        self.take(length)

    def text(self, padded_to: int = 1) -> bytes:
        """Bytes up to a NUL, with NULs after it to a multiple of ``padded_to``."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise DamagedHdf5("one of its names has no end")
        found = self.data[self.at : end]
        self.skip(-(-(len(found) + 1) // padded_to) * padded_to)
        return found

    def expect(self, signature: bytes, *versions: int) -> None:
        """A signature and, where ``versions`` are given, one of them in the byte after it."""
        if self.take(len(signature)) != signature:
            raise DamagedHdf5(f"a block that starts with {signature.decode()} is not where it was")
        if versions and self.number(1) not in versions:
            raise DamagedHdf5(f"a block {signature.decode()} has an unknown version")
