"""How readers get bytes: by range, from a local path, a URL or a member of an archive.

Readers never call ``open()`` themselves. A storage is one file or one folder; its members are
named by paths with forward slashes relative to it, and ``""`` is the file itself. A member name
that would leave the folder, by ``..`` or through a symbolic link, is refused. What the system does
not let a storage read raises `UnreadableArtifact` as well.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

from explorer.formats.artifact import Hazard, HazardKind, UnreadableArtifact
from explorer.formats.system_errors import told

_PAGE = 1 << 16
_PAGES_KEPT = 64
_MOST_WALKED = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of a folder; ``size`` in bytes, 0 for folders.

    ``link`` is what a symbolic link leads to, as it is stored; empty for all else.
    """

    name: str
    is_folder: bool
    size: int
    link: str = ""


class Storage(ABC):
    """One file or folder to read from; ``archives`` counts those that it lies in."""

    uri: str
    name: str
    is_folder: bool
    archives = 0

    @abstractmethod
    def entries(self, folder: str = "") -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where it does not exist."""

    @abstractmethod
    def size(self, member: str = "") -> int | None:
        """Bytes of a file, or ``None`` where there is no such file."""

    @abstractmethod
    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer at the end of the file."""

    @abstractmethod
    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file object over a member."""

    @abstractmethod
    def parent(self) -> Storage | None:
        """The folder this lies in, or ``None`` where that cannot be told."""

    def below(self, member: str) -> Storage:
        """A member as a storage of its own."""
        return Inside(self, member)

    def leads_out(self, member: str) -> bool:
        """Whether a symbolic link leads out of this folder.

        Raises `UnreadableArtifact` where it leads to itself.
        """
        return False

    @property
    def local_path(self) -> Path | None:
        """The path on this machine, for libraries that read files themselves."""
        return None

    def has(self, member: str) -> bool:
        """Whether ``member`` is a file here."""
        return self.size(member) is not None

    def total_size(self, folder: str = "") -> int:
        """Bytes of the file, or of all files in ``folder`` and below it."""
        if not self.is_folder:
            return self.size() or 0
        return sum(entry.size for _, entry in walk(self, folder))


def check_member(member: str) -> str:
    """The name itself; raises `UnreadableArtifact` where it would leave the folder, or is none."""
    if not _can_be_name(member):
        raise UnreadableArtifact(f"{member!r} has characters in it that no file's name can have.")
    if member.startswith("/") or "\\" in member or ".." in member.split("/"):
        raise UnreadableArtifact(f"The name {member!r} points outside the model's folder.")
    return member


def _can_be_name(member: str) -> bool:
    try:
        return b"\0" not in os.fsencode(member)
    except UnicodeEncodeError:
        return False


def stays_inside(name: str) -> bool:
    """Whether what a file names would lie in the model's folder, or be unpacked to it."""
    try:
        check_member(name)
    except UnreadableArtifact:
        return False
    return ":" not in name.partition("/")[0]


def joined(folder: str, name: str) -> str:
    """The path of a member of ``folder``, which is empty at the top."""
    return f"{folder}/{name}" if folder else name


def walk(storage: Storage, folder: str = "") -> Iterator[tuple[str, Entry]]:
    """Every member of ``folder`` and below it with its path.

    Links are not followed, and folders that may not be read hold nothing.
    """
    pending = [folder]
    while pending:
        above = pending.pop()
        for entry in readable_entries(storage, above):
            member = joined(above, entry.name)
            yield member, entry
            if entry.is_folder:
                pending.append(member)


def walk_bounded(storage: Storage) -> Iterator[tuple[str, Entry]]:
    """As `walk`, but at most so many members, so that a folder of millions ends."""
    return itertools.islice(walk(storage), _MOST_WALKED)


def readable_entries(storage: Storage, folder: str) -> list[Entry]:
    """The members of ``folder``; none where it may not be read."""
    try:
        return storage.entries(folder)
    except (OSError, UnreadableArtifact):
        return []


def escaping_links(storage: Storage) -> Iterator[Hazard]:
    """The symbolic links of a folder that lead out of it; none is followed."""
    if not storage.is_folder:
        return
    for member, entry in walk_bounded(storage):
        if entry.link and _leads_out(storage, member):
            yield Hazard(HazardKind.SYMBOLIC_LINK, member, entry.link)


def _leads_out(storage: Storage, member: str) -> bool:
    try:
        return storage.leads_out(member)
    except UnreadableArtifact:
        return False


class Inside(Storage):
    """A file or folder ``path`` inside ``outer``, which stays open."""

    def __init__(self, outer: Storage, path: str) -> None:
        self._outer = outer
        self._path = check_member(path.strip("/"))
        self.uri = f"{outer.uri.rstrip('/')}/{self._path}"
        self.name = self._path.rpartition("/")[2]
        self.is_folder = not outer.has(self._path)
        self.archives = outer.archives

    def _locate(self, member: str) -> str:
        return joined(self._path, check_member(member)) if member else self._path

    def entries(self, folder: str = "") -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where it does not exist."""
        return self._outer.entries(self._locate(folder))

    def size(self, member: str = "") -> int | None:
        """Bytes of a file, or ``None`` where there is no such file."""
        return self._outer.size(self._locate(member))

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        return self._outer.read(self._locate(member), offset, length)

    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file object over a member."""
        return self._outer.open(self._locate(member))

    def parent(self) -> Storage | None:
        """The folder this lies in, at most the outer one."""
        above = self._path.rpartition("/")[0]
        return self._outer.below(above) if above else self._outer

    def below(self, member: str) -> Storage:
        """A member as a storage of its own."""
        return self._outer.below(self._locate(member))


class LocalStorage(Storage):
    """A file or folder on this machine, read with ``pread``."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self.uri = str(path)
        self.name = path.name or self._path.name or self.uri
        self.is_folder = self._path.is_dir()

    def _locate(self, member: str) -> Path:
        path = self._path / check_member(member) if member else self._path
        if self.leads_out(member):
            raise UnreadableArtifact(
                f"{member} is a symbolic link that leads out of {self.name}, so it is not "
                "followed. Copy the folder with its links resolved, as “cp -rL” does, and open the "
                "copy; or open the file itself that the link leads to."
            )
        return path

    def entries(self, folder: str = "") -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where it does not exist."""
        path = self._locate(folder)
        if not path.is_dir():
            return []
        with told(self.uri), os.scandir(path) as found:
            listed = [_entry(entry) for entry in found]
        return sorted(listed, key=lambda entry: entry.name)

    def below(self, member: str) -> Storage:
        """A member as a storage of its own."""
        return LocalStorage(self._path / check_member(member))

    def leads_out(self, member: str) -> bool:
        """Whether a symbolic link leads out of this folder."""
        try:
            return not (self._path / member).resolve().is_relative_to(self._path)
        except (OSError, RuntimeError) as error:  # Python 3.12 and older
            raise UnreadableArtifact(
                f"{member} is a symbolic link that leads to itself."
            ) from error

    def size(self, member: str = "") -> int | None:
        """Bytes of a file, or ``None`` where there is no such file."""
        path = self._locate(member)
        with told(str(path)):
            return path.stat().st_size if path.is_file() else None

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        with self.open(member) as file, told(self.uri):
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file object over a member."""
        path = self._locate(member)
        with told(self.uri):
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise UnreadableArtifact(f"{path} is a device or a pipe, so it is not read.")
            return path.open("rb")

    def parent(self) -> Storage | None:
        """The folder this lies in."""
        return LocalStorage(self._path.parent)

    @property
    def local_path(self) -> Path | None:
        """The path itself."""
        return self._path


def _entry(entry: os.DirEntry[str]) -> Entry:
    is_folder = entry.is_dir(follow_symlinks=False)
    size = 0 if is_folder else entry.stat(follow_symlinks=False).st_size
    link = str(Path(entry.path).readlink()) if entry.is_symlink() else ""
    return Entry(entry.name, is_folder, size, link)


@contextlib.contextmanager
def _reached(uri: str) -> Iterator[None]:
    """What a network's own library raises, as ``OSError``."""
    try:
        yield
    except (OSError, UnreadableArtifact):
        raise
    except Exception as error:
        raise OSError(errno.ECONNRESET, f"{type(error).__name__}: {error}", uri) from error


class RemoteStorage(Storage):
    """Anything `fsspec` reads: URLs and object stores."""

    def __init__(self, filesystem: Any, path: str, uri: str) -> None:
        self._fs = filesystem
        self._path = path.rstrip("/")
        self.uri = uri
        self.name = self._path.rsplit("/", 1)[-1] or uri
        with _reached(uri):
            self.is_folder = bool(filesystem.isdir(self._path))

    def _locate(self, member: str) -> str:
        return f"{self._path}/{check_member(member)}" if member else self._path

    def entries(self, folder: str = "") -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where it does not exist."""
        path = self._locate(folder)
        with told(self.uri), _reached(self.uri):
            found = self._fs.ls(path, detail=True) if self._fs.isdir(path) else []
        return sorted(map(_remote_entry, found), key=lambda entry: entry.name)

    def size(self, member: str = "") -> int | None:
        """Bytes of a file, or ``None`` where there is no such file."""
        path = self._locate(member)
        with told(self.uri), _reached(self.uri):
            return int(self._fs.size(path)) if self._fs.isfile(path) else None

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        end = None if length is None else offset + length
        with told(self.uri), _reached(self.uri):
            return bytes(self._fs.cat_file(self._locate(member), start=offset, end=end))

    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file object over a member."""
        with told(self.uri), _reached(self.uri):
            return cast("IO[bytes]", self._fs.open(self._locate(member), "rb"))

    def below(self, member: str) -> Storage:
        """A member as a storage of its own."""
        path = self._locate(member)
        return RemoteStorage(self._fs, path, f"{self.uri.rstrip('/')}/{member}")

    def parent(self) -> Storage | None:
        """The folder this lies in."""
        above, _, _ = self._path.rpartition("/")
        return RemoteStorage(self._fs, above, above) if above else None


def _remote_entry(item: Mapping[str, Any]) -> Entry:
    name = item["name"].rstrip("/").rsplit("/", 1)[-1]
    return Entry(name, item["type"] == "directory", int(item.get("size") or 0))


def local_path(path: str) -> Path:
    """The path on this machine, ``~`` put out as a shell does: as it is where nobody is called so.

    `Path.expanduser` raises there.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111


def open_storage(path: str) -> Storage:
    """The storage for a local path or an `fsspec` URL. Raises `UnreadableArtifact`."""
    if "://" not in path:
        return LocalStorage(local_path(path))
    import fsspec  # only a URL needs it, and it is slow to import

    try:
        filesystem, inner = fsspec.core.url_to_fs(path)
        return RemoteStorage(filesystem, inner, path)
    except (ImportError, ValueError, OSError) as error:
        raise UnreadableArtifact(
            f"{path} cannot be reached: {error}. Check the address, or download the file and open "
            "the copy.",
            path=path,
        ) from error


class Pages:
    """A file read here and there, in small pieces: pages of it are kept, large reads go past them.

    Safe between threads. Raises ``OSError`` where the file cannot be read.
    """

    def __init__(self, storage: Storage, member: str = "") -> None:
        self.name = member or storage.name
        self.size = storage.size(member) or 0
        self._file = storage.open(member)
        self._lock = threading.Lock()
        self._page = lru_cache(maxsize=_PAGES_KEPT)(self._load)

    def close(self) -> None:
        """Close the file; what is read afterwards raises ``ValueError``."""
        self._file.close()
        self._page.cache_clear()

    def state(self) -> tuple[int, int]:
        """Size and time of the last change of a local file, though another took its name.

        Raises ``ValueError`` after `close`, `io.UnsupportedOperation` where this is no local file.
        """
        now = os.fstat(self._file.fileno())
        return now.st_size, now.st_mtime_ns

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``. Raises `UnreadableArtifact` where there are fewer."""
        if length > _PAGE:
            data = self._at(offset, length)
        else:
            first, last = offset // _PAGE, (offset + max(length, 1) - 1) // _PAGE
            data = b"".join([self._page(number) for number in range(first, last + 1)])
            start = offset - first * _PAGE
            data = data[start : start + length]
        if len(data) < length:
            raise UnreadableArtifact(
                f"{self.name} became shorter while it was being read. Open it again."
            )
        return data

    def _load(self, number: int) -> bytes:
        return self._at(number * _PAGE, _PAGE)

    def _at(self, offset: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            return self._file.read(length)
