"""The members of a tar archive, plain or gzip'd, as a storage; nothing is unpacked to disk.

Formats: POSIX ustar and pax (IEEE Std 1003.1, ``pax``), and GNU tar's long names
(``src/tar.h``). A gzip'd archive is unpacked once to list it, block by block, since its headers
lie between the members.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import IO, cast

from explorer.formats.archives.inflate import GZIP, Inflated
from explorer.formats.archives.links import Links
from explorer.formats.archives.member_index import ArchiveStorage, MemberIndex
from explorer.formats.archives.ranges import FilePart
from explorer.formats.artifact import Check, Hazard, HazardKind, OverLimit, UnreadableArtifact
from explorer.formats.storage import Storage, check_member, stays_inside
from explorer.formats.system_errors import told

GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"

_BLOCK = 512
_MAGIC = slice(257, 262)
_CHECKSUM = slice(148, 156)
_CHECKED_AT_ONCE = 1 << 20
_MOST_MEMBERS = 150_000
_LONGEST_EXTENSION = 1 << 16
_FILE, _HARD_LINK, _SYMBOLIC_LINK, _FOLDER = b"0", b"1", b"2", b"5"
_OLD_FILE, _CONTIGUOUS = b"\0", b"7"
_DEVICES = {b"3": "character device", b"4": "block device", b"6": "pipe"}
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"


def is_tar(head: bytes) -> bool:
    """Whether this first block is the header of a member: its checksum says so."""
    return len(head) >= _BLOCK and head[_MAGIC] == b"ustar" and _is_sound(head)


def is_gzip(head: bytes) -> bool:
    """Whether these first bytes are those of a gzip stream."""
    return head.startswith(GZIP_MAGIC)


@dataclass(frozen=True, slots=True)
class _Member:
    """``start`` is where its bytes begin in the (unpacked) archive."""

    name: str
    kind: bytes
    start: int
    size: int
    link: str


class TarStorage(ArchiveStorage):
    """The members of the archive that ``outer`` holds, named as in the archive.

    Raises `UnreadableArtifact` where it is cut short, damaged, or expands beyond all measure.
    """

    kind = "tar archive"

    def __init__(self, outer: Storage) -> None:
        super().__init__(outer)
        self._size = outer.size() or 0
        self._file = outer.open()
        packed = is_gzip(self._file.read(len(GZIP_MAGIC)))
        self._inflated = Inflated(self._file, 0, self._size, GZIP, outer.name) if packed else None
        self._hazards: list[Hazard] = []
        try:
            self._members = self._resolved(list(self._listed()))
        except (OSError, ValueError, UnreadableArtifact) as error:
            self.close()
            raise _damaged(outer, error) from error
        self._index = MemberIndex({name: m.size for name, m in self._members.items()})

    def close(self) -> None:
        """Close the archive."""
        self._file.close()

    def size(self, member: str = "") -> int | None:
        """Bytes of a member, or ``None`` where there is none."""
        found = self._members.get(member)
        return None if found is None else found.size

    def offset(self, member: str) -> int | None:
        """Where a member's bytes begin in the archive; ``None`` where it is compressed."""
        found = self._members.get(member)
        return None if found is None or self._inflated is not None else found.start

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes of a member from ``offset``."""
        with self.open(member) as file, told(f"{self.uri}/{member}"):
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file over a member."""
        found = self._members.get(check_member(member))
        if found is None:
            raise UnreadableArtifact(f"{self.name} has no member {member}.")
        if self._inflated is not None:
            return cast("IO[bytes]", self._inflated.part(found.start, found.size))
        return cast("IO[bytes]", FilePart(self.outer.open(), found.start, found.size))

    def hazards(self) -> Iterator[Hazard]:
        """Members that lead out of the folder the archive is unpacked to, and devices."""
        return iter(self._hazards)

    def checks(self) -> Iterator[Check]:
        """The headers' checksums, compared when the archive was listed, and gzip's own."""
        for name in sorted(self._members):
            yield Check("tar header", name)
        if self._inflated is not None:
            yield Check("gzip crc-32", self.name, self._problem(self._inflated))

    def _problem(self, inflated: Inflated) -> str:
        """Unpack all, block by block: zlib compares the checksum at the end."""
        offset = 0
        try:
            while block := inflated.read(offset, _CHECKED_AT_ONCE):
                offset += len(block)
        except (OSError, UnreadableArtifact) as error:
            return f"It cannot be unpacked whole: {error}."
        return ""

    # Reading the headers

    def _listed(self) -> Iterator[_Member]:
        at = 0
        extra: dict[str, str] = {}
        for _ in range(_MOST_MEMBERS):
            head = self._at(at, _BLOCK)
            if not head.strip(b"\0"):
                return
            member = _member(head, at, extra)
            extra = self._extra(member, extra) if member.kind in _EXTENSIONS else {}
            if member.kind not in _EXTENSIONS:
                yield member
            at = member.start + -(-member.size // _BLOCK) * _BLOCK
            self._check_complete(member)
        raise OverLimit(
            f"{self.name} has more than {_MOST_MEMBERS:,} members, which is as many as are read. "
            "Unpack it, and open the folder of the model."
        )

    def _at(self, offset: int, length: int) -> bytes:
        if self._inflated is not None:
            return self._inflated.read(offset, length)
        self._file.seek(offset)
        return self._file.read(length)

    def _check_complete(self, member: _Member) -> None:
        last = member.start + member.size - 1
        ends = last < self._size if self._inflated is None else bool(self._at(last, 1))
        if member.size and not ends:
            raise ValueError(f"it ends in the middle of {member.name}")

    def _extra(self, member: _Member, before: Mapping[str, str]) -> dict[str, str]:
        """What an extension says of the member after it: its name, link and size."""
        if member.size > _LONGEST_EXTENSION:
            raise ValueError(f"a name in it declares {member.size:,} bytes")
        data = self._at(member.start, member.size)
        if member.kind == _PAX:
            return {**before, **_pax(data)}
        key = {_LONG_NAME: "path", _LONG_LINK: "linkpath"}.get(member.kind)
        text = data.rstrip(b"\0").decode("utf-8", "replace")
        return {**before, key: text} if key else dict(before)

    def _resolved(self, listed: list[_Member]) -> dict[str, _Member]:
        """Files by name; a link to another member is that member under its own name."""
        files: dict[str, _Member] = {}
        for member in listed:
            if not stays_inside(member.name):
                self._hazards.append(Hazard(HazardKind.ESCAPING_MEMBER, member.name, member.link))
            elif member.kind in _DEVICES:
                device = _DEVICES[member.kind]
                self._hazards.append(Hazard(HazardKind.DEVICE, member.name, device))
            elif member.kind in (_FILE, _OLD_FILE, _CONTIGUOUS):
                files[member.name] = member
        links = [m for m in listed if m.link and stays_inside(m.name)]
        self._hazards += _links_out(links)
        files.update({m.name: files[t] for m in links if (t := _target(m)) in files})
        return files


def _links_out(members: Sequence[_Member]) -> Iterator[Hazard]:
    links = Links()
    for member in members:
        add = links.add_hard if member.kind == _HARD_LINK else links.add
        add(member.name, member.link)
    for member in members:
        if member.kind == _HARD_LINK and links.leads_out(member.link):
            yield Hazard(HazardKind.ESCAPING_MEMBER, member.name, member.link)
    for name, target in links.leading_out():
        yield Hazard(HazardKind.SYMBOLIC_LINK, name, target)


def _target(member: _Member) -> str:
    """Where a link leads: a hard link from the top, a symbolic one from its own folder."""
    above = "" if member.kind == _HARD_LINK else posixpath.dirname(member.name)
    return posixpath.normpath(posixpath.join(above, member.link))


_EXTENSIONS = (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL)


def end_of_members(storage: Storage) -> int:
    """From where on a zip archive at the end of a plain tar archive is no member of it.

    The last member may be one as a whole. Of a tar archive that cannot be read it is 0.
    """
    try:
        with closing(TarStorage(storage)) as archive:
            start, name = max(
                ((archive.offset(n) or 0, n) for n in archive.names()), default=(0, "")
            )
            is_zip = bool(name) and archive.read(name, 0, len(_ZIP_MAGIC)) == _ZIP_MAGIC
            return start + (archive.size(name) or 0) if is_zip else start
    except UnreadableArtifact:
        return 0


def _damaged(outer: Storage, error: Exception) -> UnreadableArtifact:
    if isinstance(error, UnreadableArtifact):
        return error
    return UnreadableArtifact(
        f"{outer.name} starts like a tar archive, but it cannot be read to its end: {error}. Copy "
        "or download it again."
    )


def _member(head: bytes, at: int, extra: Mapping[str, str]) -> _Member:
    if len(head) < _BLOCK or not _is_sound(head):
        raise ValueError(f"the header at byte {at:,} is damaged")
    kind = head[156:157]
    link = extra.get("linkpath", _text(head[157:257]))
    has_data = kind in (_FILE, _OLD_FILE, _CONTIGUOUS, *_EXTENSIONS)
    size = int(extra["size"]) if extra.get("size", "").isdecimal() else _number(head[124:136])
    return _Member(
        name=_plain(extra.get("path") or _full_name(head)),
        kind=kind,
        start=at + _BLOCK,
        size=size if has_data else 0,
        link=link if kind in (_HARD_LINK, _SYMBOLIC_LINK) else "",
    )


def _plain(name: str) -> str:
    """``./a//b/`` is ``a/b``; what leads up stays as it is."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return ("/" if name.startswith("/") else "") + "/".join(parts)


def _full_name(head: bytes) -> str:
    """Long names are split, in POSIX's archives; GNU's have other things in that place."""
    name, prefix = _text(head[:100]), _text(head[345:500])
    is_posix = head[257:263] == b"ustar\0"
    return f"{prefix}/{name}" if prefix and is_posix else name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _number(field: bytes) -> int:
    """Octal digits, or GNU's binary number where the first bit is set. Raises ``ValueError``."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b" \0") or b"0", 8)


def _is_sound(head: bytes) -> bool:
    """The sum of all bytes, those of the checksum itself taken as spaces."""
    try:
        stored = _number(head[_CHECKSUM])
    except ValueError:
        return False
    return stored == sum(head[:148]) + sum(b" " * 8) + sum(head[156:_BLOCK])


def _pax(data: bytes) -> dict[str, str]:
    """Records of ``length key=value`` and a newline."""
    found: dict[str, str] = {}
    while match := re.match(rb"(\d{1,6}) ([^=\n]{1,100})=", data):
        length = int(match[1])
        if not match.end() <= length - 1 < len(data):
            break
        value = data[match.end() : length - 1]
        found[match[2].decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        data = data[length:]
    return found
