"""Files whose bytes come from ranges of something else."""

from __future__ import annotations

import io
import threading
from abc import abstractmethod
from typing import IO


class RangeFile(io.RawIOBase):
    """``length`` bytes that are read by range, as a seekable file. Not safe between threads."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._position = 0

    @abstractmethod
    def _at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, both inside the file; fewer where they are gone."""

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

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
        data = self._at(self._position, wanted) if wanted else b""
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


class FilePart(RangeFile):
    """``length`` bytes of a file from ``start`` as a file of their own; closes the file with it."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        super().__init__(length)
        self._file = file
        self._start = start
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """The descriptor of the file below, to see whether that has changed."""
        return self._file.fileno()

    def _at(self, offset: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(self._start + offset)
            return self._file.read(length)

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
        super().close()
