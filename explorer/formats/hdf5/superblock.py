"""The superblock: how wide addresses are and where the root group is (section II.A)."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.source import STRUCT_CODES, Fields, Source
from explorer.formats.storage import Storage

SIGNATURE = b"\x89HDF\r\n\x1a\n"

LONGEST = 128
_CHECKSUM = 4
_BEFORE_ADDRESSES = {0: 24, 1: 28}
_WIDTHS_AT = {0: 13, 1: 13, 2: 9, 3: 9}


@dataclass(frozen=True, slots=True)
class Superblock:
    """What it says: widths in bytes, the root group's object header, and where the file ends.

    ``root`` counts from the superblock, ``end`` from the beginning of the file.
    """

    version: int
    offset_size: int
    length_size: int
    root: int
    end: int

    def verify(self, source: Source) -> None:
        """Tell ``source`` of the checksum, which versions 2 and 3 have at the end."""
        if self.version >= 2:
            source.verify(0, 12 + 4 * self.offset_size + _CHECKSUM)


def superblock_offset(storage: Storage, member: str = "") -> int | None:
    """Where the signature stands: at 0 or, after a user block, at 512, 1024, 2048 and so on."""
    size = storage.size(member) or 0
    offset = 0
    while offset + len(SIGNATURE) <= size:
        if storage.read(member, offset, len(SIGNATURE)) == SIGNATURE:
            return offset
        offset = max(512, offset * 2)
    return None


@parses("its superblock")
def parse_superblock(data: bytes) -> Superblock:
    """The superblock that ``data`` begins with, `LONGEST` bytes where there are so many.

    Raises `DamagedHdf5` where it ends early or has widths or a version that do not exist.
    """
    version = data[8]
    if version not in _WIDTHS_AT:
        raise DamagedHdf5(f"its superblock has the unknown version {version}")
    offset_size, length_size = data[_WIDTHS_AT[version]], data[_WIDTHS_AT[version] + 1]
    if offset_size not in STRUCT_CODES or length_size not in STRUCT_CODES:
        raise DamagedHdf5("its superblock declares addresses of an impossible width")
    fields = Fields(data[_BEFORE_ADDRESSES.get(version, 12) :], offset_size, length_size)
    fields.address()  # the base address: the library trusts the place of the signature instead
    fields.address()
    end = fields.address()
    if version < 2:
        fields.address()
        fields.address()
    return Superblock(version, offset_size, length_size, fields.address(), end)
