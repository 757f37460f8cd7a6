"""The members of a zip archive as a storage: read in place where stored, else unpacked bounded."""

from __future__ import annotations

import io
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, cast

from explorer.formats.archives.inflate import DEFLATE, Inflated, expands, is_bomb
from explorer.formats.archives.links import Links
from explorer.formats.archives.local_header import FIXED, contradiction
from explorer.formats.archives.member_index import ArchiveStorage, MemberIndex
from explorer.formats.archives.ranges import FilePart
from explorer.formats.archives.unix_names import unix_name
from explorer.formats.artifact import Check, Hazard, HazardKind, OverLimit, UnreadableArtifact
from explorer.formats.storage import Storage, check_member, stays_inside
from explorer.formats.system_errors import told
from explorer.formats.text import bytes_text

LOCAL_HEADER = b"PK\x03\x04"
EMPTY_ARCHIVE = b"PK\x05\x06"

_BLOCK = 1 << 20
_IN_MEMORY = 4 << 20
_KEPT_IN_MEMORY = 8
_PEEK = 1 << 16
_LARGEST_LIST = 4 << 20
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 1 << 16
_LONGEST_END = _LONGEST_COMMENT + _END.size + _END64_LOCATOR.size
_LONGEST_TARGET = 1 << 12
_METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "Zstandard", 95: "xz"}
"""Other ways of compression (APPNOTE 4.4.5)."""

_UNPACKING_ERRORS = (
    zipfile.BadZipFile,
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    NotImplementedError,
    zlib.error,
    struct.error,
)


def is_zip(head: bytes) -> bool:
    """Whether these first bytes are those of a zip archive."""
    return head.startswith((LOCAL_HEADER, EMPTY_ARCHIVE))


def appended_names(storage: Storage, start: int = 0) -> list[str]:
    """The members of a zip archive that ends a file of another format, which goes to ``start``.

    None where no archive ends there. Raises `UnreadableArtifact` where one does whose list cannot
    be read here: programs differ in what they take for damage.
    """
    size = storage.size() or 0
    start = max(start, size - _LONGEST_END)
    tail = storage.read("", start, max(0, size - start))
    end = tail.rfind(EMPTY_ARCHIVE)
    if end < 0 or end + _END.size > len(tail):
        return []
    with storage.open() as file:
        try:
            _check_list(file, storage)
            with zipfile.ZipFile(file) as archive:
                return archive.namelist()
        except _UNPACKING_ERRORS as error:
            raise UnreadableArtifact(
                f"{storage.name} ends like a zip archive, but its list of members is damaged "
                f"({error}). Copy or download it again."
            ) from error


class ZipStorage(ArchiveStorage):
    """The members of the archive that ``outer`` holds, named as in the archive.

    A member whose name would leave the folder it is unpacked to is listed in ``escaping`` and
    never read. Raises `UnreadableArtifact` where the archive is cut short or damaged.
    """

    kind = "zip archive"

    def __init__(self, outer: Storage) -> None:
        super().__init__(outer)
        self._file = outer.open()
        try:
            _check_list(self._file, outer)
            self._zip = zipfile.ZipFile(self._file)
        except OverLimit:
            self._file.close()
            raise
        except _UNPACKING_ERRORS as error:
            self._file.close()
            raise UnreadableArtifact(
                f"{outer.name} starts like a zip archive, but its list of members at the end is "
                f"missing or damaged ({error}). The file was cut short: copy or download it again."
            ) from error
        for info in self._zip.infolist():
            info.filename = unix_name(info)
        self._infos = {
            i.filename: i for i in self._zip.infolist() if i.filename[-1:] not in ("", "/")
        }
        self.escaping = tuple(name for name in self._infos if not stays_inside(name))
        kept = self._infos.keys() - set(self.escaping)
        self._index = MemberIndex({name: self._infos[name].file_size for name in kept})
        self._raw = outer.open()
        self._unpacked = lru_cache(maxsize=_KEPT_IN_MEMORY)(self._unpack)
        self._inflated: dict[str, Inflated] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the archive."""
        for inflated in self._inflated.values():
            inflated.close()
        self._unpacked.cache_clear()
        self._raw.close()
        self._zip.close()
        self._file.close()

    def size(self, member: str = "") -> int | None:
        """Bytes of a member when unpacked, or ``None`` where there is none."""
        info = self._infos.get(member)
        return None if info is None else info.file_size

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes of a member from ``offset``."""
        info = self._info(member)
        if length is not None and offset + length <= _PEEK:
            return self._peek(info, offset, length)
        with self.open(member) as file, told(f"{self.uri}/{member}"):
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file over a member; unpacked piece by piece where compressed."""
        info = self._info(member)
        try:
            if not _is_packed(info):
                return self._in_place(info)
            self._refuse_bomb(info)
            if info.file_size <= _IN_MEMORY:
                return io.BytesIO(self._unpacked(info.filename))
            return cast("IO[bytes]", self._inflating(info).part(0, info.file_size))
        except _UNPACKING_ERRORS as error:
            raise self._cannot_unpack(info, error) from error

    def offset(self, member: str) -> int | None:
        """Where a stored member's bytes begin in the archive; ``None`` where compressed."""
        info = self._infos.get(member)
        if info is None or info.compress_type != zipfile.ZIP_STORED:
            return None
        return self._data_offset(info)

    def hazards(self) -> Iterator[Hazard]:
        """Members that would be unpacked elsewhere or fill the disk, and those not looked into."""
        for name in self.escaping:
            yield Hazard(HazardKind.ESCAPING_MEMBER, name)
        expanding = list(self._expanding())
        yield from expanding
        if not expanding:
            infos = self._infos.values()
            packed = sum(info.compress_size for info in infos)
            yield from _expansion("all members", packed, sum(info.file_size for info in infos))
        for name, target in self._links().leading_out():
            yield Hazard(HazardKind.SYMBOLIC_LINK, name, target)
        for name, info in self._infos.items():
            if reason := self._why_unread(info):
                yield Hazard(HazardKind.NOT_SCANNED, name, reason)

    def _expanding(self) -> Iterator[Hazard]:
        for name, info in self._infos.items():
            yield from _expansion(name, info.compress_size, info.file_size)

    def _links(self) -> Links:
        links = Links()
        for name, info in self._infos.items():
            if target := self._target(info):
                links.add(name, target)
        return links

    def _target(self, info: zipfile.ZipInfo) -> str:
        """Where a symbolic link leads, empty for all else.

        Unix keeps the kind of a file in the upper half of the external attributes, and the target
        of a link as its content (APPNOTE 4.4.15).
        """
        is_link = stat.S_ISLNK(info.external_attr >> 16) and stays_inside(info.filename)
        if not is_link or info.file_size > _LONGEST_TARGET:
            return ""
        try:
            return self.read(info.filename, 0, info.file_size).decode("utf-8", "replace")
        except UnreadableArtifact:
            return ""

    def checks(self) -> Iterator[Check]:
        """Unpack every member, block by block, and compare its CRC-32."""
        for name in sorted(self._index.sizes):
            yield self._crc_check(self._infos[name])

    def _crc_check(self, info: zipfile.ZipInfo) -> Check:
        rule, name = "zip crc-32", info.filename
        try:
            self._refuse_method(info)
            self._refuse_bomb(info)
            with self._zip.open(info) as packed:
                while packed.read(_BLOCK):
                    pass
            return Check(rule, name, contradiction(self._local_header(info), info))
        except OverLimit as error:
            return Check(rule, name, limit=str(error))
        except _UNPACKING_ERRORS as error:
            return Check(rule, name, f"It cannot be unpacked whole: {error}.")

    def _local_header(self, info: zipfile.ZipInfo) -> bytes:
        return self._at(info.header_offset, self._data_offset(info) - info.header_offset)

    def _info(self, member: str) -> zipfile.ZipInfo:
        info = self._infos.get(check_member(member))
        if info is None:
            raise UnreadableArtifact(f"{self.name} has no member {member}.")
        self._refuse_method(info)
        return info

    def _cannot_unpack(self, info: zipfile.ZipInfo, error: Exception) -> UnreadableArtifact:
        return UnreadableArtifact(
            f"{info.filename} in {self.name} cannot be unpacked: {error}. Copy or download the "
            "archive again."
        )

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        """After the local header: 26 fixed bytes, two lengths, the name and the extra field.

        ZIP File Format Specification (APPNOTE) 4.3.7.
        """
        head = self._at(info.header_offset, FIXED)
        if len(head) < FIXED or not head.startswith(LOCAL_HEADER):
            raise zipfile.BadZipFile("its local header is damaged")
        name, extra = struct.unpack_from("<HH", head, 26)
        return int(info.header_offset + FIXED + name + extra)

    def _at(self, offset: int, length: int) -> bytes:
        with self._lock:
            self._raw.seek(offset)
            return self._raw.read(length)

    def _in_place(self, info: zipfile.ZipInfo) -> IO[bytes]:
        start = self._data_offset(info)
        if start + info.file_size > (self.outer.size() or 0):
            raise zipfile.BadZipFile("it ends after the end of the file")
        return cast("IO[bytes]", FilePart(self.outer.open(), start, info.file_size))

    def _peek(self, info: zipfile.ZipInfo, offset: int, length: int) -> bytes:
        """A few bytes from the beginning, without unpacking the rest."""
        try:
            if not _is_packed(info):
                there = max(0, min(length, info.file_size - offset))
                return self._at(self._data_offset(info) + offset, there)
            with self._zip.open(info) as packed:
                return packed.read(offset + length)[offset:]
        except _UNPACKING_ERRORS as error:
            raise self._cannot_unpack(info, error) from error

    def _unpack(self, name: str) -> bytes:
        return self._zip.read(self._infos[name])

    def _inflating(self, info: zipfile.ZipInfo) -> Inflated:
        start = self._data_offset(info)
        with self._lock:
            if info.filename not in self._inflated:
                self._inflated[info.filename] = Inflated(
                    self.outer.open(), start, info.compress_size, DEFLATE, info.filename
                )
            return self._inflated[info.filename]

    def _refuse_method(self, info: zipfile.ZipInfo) -> None:
        if reason := self._why_unread(info):
            raise OverLimit(reason)

    def _why_unread(self, info: zipfile.ZipInfo) -> str:
        """Why a member is not read at all; empty where it is."""
        name = f"{info.filename} in {self.name}"
        if info.flag_bits & 1:
            return f"{name} is encrypted. Unpack the archive with its password; open what is in it."
        if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return ""
        number = info.compress_type
        method = _METHODS.get(number, f"method {number}")
        return (
            f"{name} is compressed by {method}, which is not read here. Unpack the archive and "
            "open what is in it, or pack it again by the usual method, deflate."
        )

    def _refuse_bomb(self, info: zipfile.ZipInfo) -> None:
        if is_bomb(info.compress_size, info.file_size):
            name = f"{info.filename} in {self.name}"
            raise OverLimit(expands(name, info.compress_size, info.file_size))


def _is_packed(info: zipfile.ZipInfo) -> bool:
    return info.compress_type != zipfile.ZIP_STORED


def _check_list(file: IO[bytes], storage: Storage) -> None:
    """Raise `OverLimit` where the list of members is larger than any model's, before it is read.

    End of central directory: APPNOTE 4.3.14 to 4.3.16.
    """
    size = storage.size() or 0
    start = max(0, size - _LONGEST_END)
    file.seek(start)
    tail = file.read(size - start)
    end = tail.rfind(EMPTY_ARCHIVE)
    if end < 0 or end + _END.size > len(tail):
        raise zipfile.BadZipFile("no end of the list")
    length = _END.unpack_from(tail, end)[5]
    locator = end - _END64_LOCATOR.size
    if locator >= 0 and tail[locator:end].startswith(b"PK\x06\x07"):
        file.seek(_END64_LOCATOR.unpack_from(tail, locator)[2])
        length = _END64.unpack(file.read(_END64.size))[8]
    if length > _LARGEST_LIST:
        raise OverLimit(
            f"{storage.name} is a zip archive with {bytes_text(length)} of names, of which up to "
            f"{bytes_text(_LARGEST_LIST)} are read. Unpack it, and open the folder of the model."
        )


def _expansion(where: str, packed: int, unpacked: int) -> Iterator[Hazard]:
    if is_bomb(packed, unpacked):
        sizes = f"{bytes_text(packed)} → {bytes_text(unpacked)}"
        yield Hazard(HazardKind.EXPANDING_MEMBER, where, sizes)
