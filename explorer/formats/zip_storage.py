"""The members of a zip archive as a storage: read in place where stored, else unpacked bounded."""

from __future__ import annotations

import io
import struct
import tempfile
import threading
import zipfile
import zlib
from typing import IO, cast

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.storage import Entry, Storage, check_member
from explorer.formats.text import bytes_text

LOCAL_HEADER = b"PK\x03\x04"
EMPTY_ARCHIVE = b"PK\x05\x06"

_IN_MEMORY = 16 << 20
_BLOCK = 1 << 20
_ALWAYS_UNPACKED = 256 << 20
_MOST_EXPANDED = 100
"""A real model's weights hardly shrink; what expands more than this is made to fill the disk."""


def is_zip(head: bytes) -> bool:
    """Whether these first bytes are those of a zip archive."""
    return head.startswith((LOCAL_HEADER, EMPTY_ARCHIVE))


class ZipStorage(Storage):
    """The members of the archive that ``outer`` holds, named as in the archive.

    A member whose name would leave the folder it is unpacked to is listed in ``escaping`` and
    never read. Raises `UnreadableArtifact` where the archive is cut short or damaged.
    """

    is_folder = True

    def __init__(self, outer: Storage) -> None:
        self._outer = outer
        self.uri = outer.uri
        self.name = outer.name
        self._file = outer.open()
        try:
            self._zip = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            self._file.close()
            raise UnreadableArtifact(
                f"{outer.name} starts like a zip archive, but its list of members at the end is "
                f"missing or damaged ({error}). The file was cut short: copy or download it again."
            ) from error
        self._infos = {i.filename: i for i in self._zip.infolist() if not i.is_dir()}
        self.escaping = tuple(name for name in self._infos if not _stays_inside(name))

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()
        self._file.close()

    def entries(self, folder: str = "") -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where it does not exist."""
        above = f"{folder}/" if folder else ""
        found: dict[str, Entry] = {}
        for name, info in self._infos.items():
            if not name.startswith(above) or name in self.escaping:
                continue
            first, slash, _ = name[len(above) :].partition("/")
            found[first] = Entry(first, bool(slash), 0 if slash else info.file_size)
        return sorted(found.values(), key=lambda entry: entry.name)

    def size(self, member: str = "") -> int | None:
        """Bytes of a member when unpacked, or ``None`` where there is none."""
        info = self._infos.get(member)
        return None if info is None else info.file_size

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes of a member from ``offset``."""
        with self.open(member) as file:
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file over a member; unpacked to a file that vanishes where compressed."""
        info = self._infos.get(check_member(member))
        if info is None:
            raise UnreadableArtifact(f"{self.name} has no member {member}.")
        try:
            if info.compress_type == zipfile.ZIP_STORED and not _is_encrypted(info):
                return self._in_place(info)
            return self._unpacked(info)
        except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, zlib.error) as error:
            raise UnreadableArtifact(
                f"{member} in {self.name} cannot be unpacked: {error}. Copy or download the "
                "archive again."
            ) from error

    def parent(self) -> Storage | None:
        """The archive has no folder around it that its members may name."""
        return None

    def offset(self, member: str) -> int | None:
        """Where a stored member's bytes begin in the archive; ``None`` where compressed."""
        info = self._infos.get(member)
        if info is None or info.compress_type != zipfile.ZIP_STORED:
            return None
        return self._data_offset(info)

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        """After the local header: 26 fixed bytes, two lengths, the name and the extra field.

        ZIP File Format Specification (APPNOTE) 4.3.7.
        """
        head = self._outer.read("", info.header_offset, 30)
        if len(head) < 30 or not head.startswith(LOCAL_HEADER):
            raise zipfile.BadZipFile("its local header is damaged")
        name, extra = struct.unpack_from("<HH", head, 26)
        return int(info.header_offset + 30 + name + extra)

    def _in_place(self, info: zipfile.ZipInfo) -> IO[bytes]:
        start = self._data_offset(info)
        if start + info.file_size > (self._outer.size() or 0):
            raise zipfile.BadZipFile("it ends after the end of the file")
        return cast("IO[bytes]", FilePart(self._outer.open(), start, info.file_size))

    def _unpacked(self, info: zipfile.ZipInfo) -> IO[bytes]:
        self._refuse_bomb(info)
        file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - handed on
        try:
            with self._zip.open(info) as packed:
                while block := packed.read(_BLOCK):
                    file.write(block)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return cast("IO[bytes]", file)

    def _refuse_bomb(self, info: zipfile.ZipInfo) -> None:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("it is compressed in a way that Keras never writes")
        if info.file_size <= max(_ALWAYS_UNPACKED, info.compress_size * _MOST_EXPANDED):
            return
        raise UnreadableArtifact(
            f"{info.filename} in {self.name} would expand from {bytes_text(info.compress_size)} "
            f"to {bytes_text(info.file_size)}. No model's weights shrink that much; this is made "
            "to fill the disk, so it is not unpacked."
        )


def _is_encrypted(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & 1)


def _stays_inside(name: str) -> bool:
    try:
        check_member(name)
    except UnreadableArtifact:
        return False
    return ":" not in name.partition("/")[0]


class FilePart(io.RawIOBase):
    """``length`` bytes of a file from ``start`` as a file of their own; closes the file with it."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        self._file = file
        self._start = start
        self._length = length
        self._position = 0
        self._lock = threading.Lock()

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor of the file below, to see whether that has changed."""
        return self._file.fileno()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the part."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position within the part."""
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Up to ``size`` bytes, never beyond the part.

        Raises ``OSError`` where the file has become shorter since.
        """
        left = max(0, self._length - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        with self._lock:
            self._file.seek(self._start + self._position)
            data = self._file.read(wanted)
        if len(data) < wanted:
            raise OSError("the file became shorter")
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """Fill ``buffer`` as far as the part goes."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
        super().close()
