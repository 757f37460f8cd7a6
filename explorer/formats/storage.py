"""How readers get bytes: by range, from a local path, a URL or a member of an archive.

Readers never call ``open()`` themselves. A storage is one file or one folder; its members are
named by paths with forward slashes relative to it, and ``""`` is the file itself. A member name
that would leave the folder, by ``..`` or through a symbolic link, is refused.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

from explorer.formats.artifact import UnreadableArtifact

_PAGE = 1 << 16
_PAGES_KEPT = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of a folder; ``size`` in bytes, 0 for folders."""

    name: str
    is_folder: bool
    size: int


class Storage(ABC):
    """One file or folder to read from."""

    uri: str
    name: str
    is_folder: bool

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
        total = 0
        pending = [folder]
        while pending:
            above = pending.pop()
            for entry in self.entries(above):
                total += entry.size
                if entry.is_folder:
                    pending.append(f"{above}/{entry.name}" if above else entry.name)
        return total


def check_member(member: str) -> str:
    """The name itself; raises `UnreadableArtifact` where it would leave the folder."""
    if member.startswith("/") or "\\" in member or ".." in member.split("/"):
        raise UnreadableArtifact(f"The name {member!r} points outside the model's folder.")
    return member


class LocalStorage(Storage):
    """A file or folder on this machine, read with ``pread``."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self.uri = str(path)
        self.name = path.name or self._path.name
        self.is_folder = self._path.is_dir()

    def _locate(self, member: str) -> Path:
        path = self._path / check_member(member) if member else self._path
        if not path.resolve().is_relative_to(self._path):
            raise UnreadableArtifact(
                f"{member} is a symbolic link that leads out of {self.name}, so it is not "
                "followed. Copy the folder with its links resolved, and open the copy."
            )
        return path

    def entries(self, folder: str = "") -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where it does not exist."""
        path = self._locate(folder)
        if not path.is_dir():
            return []
        with os.scandir(path) as found:
            listed = [Entry(e.name, e.is_dir(follow_symlinks=False), _entry_size(e)) for e in found]
        return sorted(listed, key=lambda entry: entry.name)

    def size(self, member: str = "") -> int | None:
        """Bytes of a file, or ``None`` where there is no such file."""
        path = self._locate(member)
        return path.stat().st_size if path.is_file() else None

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        with self.open(member) as file:
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file object over a member."""
        return self._locate(member).open("rb")

    def parent(self) -> Storage | None:
        """The folder this lies in."""
        return LocalStorage(self._path.parent)

    @property
    def local_path(self) -> Path | None:
        """The path itself."""
        return self._path


def _entry_size(entry: os.DirEntry[str]) -> int:
    return 0 if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size


class RemoteStorage(Storage):
    """Anything `fsspec` reads: URLs, object stores, members of archives."""

    def __init__(self, filesystem: Any, path: str, uri: str) -> None:
        self._fs = filesystem
        self._path = path.rstrip("/")
        self.uri = uri
        self.name = self._path.rsplit("/", 1)[-1] or uri
        self.is_folder = bool(filesystem.isdir(self._path))

    def _locate(self, member: str) -> str:
        return f"{self._path}/{check_member(member)}" if member else self._path

    def entries(self, folder: str = "") -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where it does not exist."""
        path = self._locate(folder)
        if not self._fs.isdir(path):
            return []
        listed = [
            Entry(
                item["name"].rstrip("/").rsplit("/", 1)[-1],
                item["type"] == "directory",
                int(item.get("size") or 0),
            )
            for item in self._fs.ls(path, detail=True)
        ]
        return sorted(listed, key=lambda entry: entry.name)

    def size(self, member: str = "") -> int | None:
        """Bytes of a file, or ``None`` where there is no such file."""
        path = self._locate(member)
        return int(self._fs.size(path)) if self._fs.isfile(path) else None

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        end = None if length is None else offset + length
        return bytes(self._fs.cat_file(self._locate(member), start=offset, end=end))

    def open(self, member: str = "") -> IO[bytes]:
        """A seekable file object over a member."""
        return cast("IO[bytes]", self._fs.open(self._locate(member), "rb"))

    def parent(self) -> Storage | None:
        """The folder this lies in."""
        above, _, _ = self._path.rpartition("/")
        return RemoteStorage(self._fs, above, above) if above else None


def open_storage(path: str) -> Storage:
    """The storage for a local path or an `fsspec` URL. Raises `UnreadableArtifact`."""
    if "://" not in path:
        return LocalStorage(Path(path).expanduser())
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
