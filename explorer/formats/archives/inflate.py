"""What a deflate or gzip stream unpacks to, read by range in bounded memory.

Nothing is written to disk: the state of the decompressor is kept at points along the way (about
100 KB each), and a read begins at the last point before it.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import IO, Any

from explorer.formats.archives.ranges import RangeFile
from explorer.formats.artifact import OverLimit
from explorer.formats.text import bytes_text

GZIP = 31
"""``wbits`` of a stream with gzip's header and checksum."""
DEFLATE = -15
"""``wbits`` of a bare stream, as in zip archives."""

ALWAYS_UNPACKED = 256 << 20
MOST_EXPANDED = 100
"""A real model's weights hardly shrink; what expands more than this is made to fill the disk."""

_PACKED_BLOCK = 1 << 15
_BLOCK = 1 << 18
_FIRST_SPACING = 1 << 20
_MOST_POINTS = 128
_GZIP_MAGIC = b"\x1f\x8b"


def is_bomb(packed: int, unpacked: int) -> bool:
    """Whether so many bytes expand to more than a model's would."""
    return unpacked > max(ALWAYS_UNPACKED, packed * MOST_EXPANDED)


@dataclass(slots=True)
class _State:
    """A decompressor in mid-stream, and where it stands in what is packed and unpacked."""

    decompressor: Any
    packed: int
    unpacked: int

    def copy(self) -> _State:
        return _State(self.decompressor.copy(), self.packed, self.unpacked)


class Inflated:
    """The unpacked bytes of ``length`` packed ones from ``start`` of ``file``. Safe in threads.

    Every read raises ``OSError`` where the stream is damaged or cut short, and
    `OverLimit` where it expands beyond all measure.
    """

    def __init__(self, file: IO[bytes], start: int, length: int, wbits: int, name: str) -> None:
        self._file = file
        self._start = start
        self._length = length
        self._wbits = wbits
        self._name = name
        self._lock = threading.Lock()
        self._spacing = _FIRST_SPACING
        self._state = _State(zlib.decompressobj(wbits), 0, 0)
        self._points = [self._state.copy()]
        self._block = b""

    def close(self) -> None:
        """Close the file below."""
        self._file.close()

    def part(self, start: int, length: int) -> RangeFile:
        """A file over ``length`` unpacked bytes from ``start``; closing it leaves this open."""
        return _InflatedPart(self, start, length)

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer at the end of the stream."""
        parts: list[bytes] = []
        with self._lock:
            self._go_back(offset)
            while length > 0 and self._reach(offset):
                begin = offset - (self._state.unpacked - len(self._block))
                parts.append(self._block[begin : begin + length])
                offset += len(parts[-1])
                length -= len(parts[-1])
        return b"".join(parts)

    def _go_back(self, offset: int) -> None:
        """Stand no later than ``offset``, at a point near it or where the last read ended."""
        point = self._points[bisect_right(self._points, offset, key=lambda p: p.unpacked) - 1]
        begin = self._state.unpacked - len(self._block)
        if begin <= offset and point.unpacked <= self._state.unpacked:
            return
        self._state = point.copy()
        self._block = b""

    def _reach(self, offset: int) -> bool:
        """Unpack until the block holds ``offset``; false where the stream ends before it."""
        while offset >= self._state.unpacked:
            try:
                self._block = self._next_block()
            except zlib.error as error:
                raise OSError(f"its compressed data is damaged ({error})") from error
            if not self._block:
                return False
            self._state.unpacked += len(self._block)
            self._refuse_bomb()
            self._keep_point()
        return True

    def _next_block(self) -> bytes:
        state = self._state
        while True:
            if state.decompressor.eof and not self._next_stream(state):
                return b""
            packed = state.decompressor.unconsumed_tail or self._packed_block(state)
            block: bytes = state.decompressor.decompress(packed, _BLOCK)
            if block:
                return block
            if not packed and not state.decompressor.eof:
                raise OSError("its compressed data ends too early")

    def _next_stream(self, state: _State) -> bool:
        """Gzip files may be several streams in a row, each with a header of its own."""
        begin = state.packed - len(state.decompressor.unused_data)
        if self._wbits != GZIP or self._stored(begin, len(_GZIP_MAGIC)) != _GZIP_MAGIC:
            return False
        state.packed = begin
        state.decompressor = zlib.decompressobj(GZIP)
        return True

    def _packed_block(self, state: _State) -> bytes:
        data = self._stored(state.packed, _PACKED_BLOCK)
        state.packed += len(data)
        return data

    def _stored(self, offset: int, length: int) -> bytes:
        self._file.seek(self._start + offset)
        return self._file.read(max(0, min(length, self._length - offset)))

    def _refuse_bomb(self) -> None:
        if is_bomb(self._state.packed, self._state.unpacked):
            raise OverLimit(expands(self._name, self._state.packed, self._state.unpacked))

    def _keep_point(self) -> None:
        """At equal distances, which grow so that there are never more than so many points."""
        if self._state.unpacked < self._points[-1].unpacked + self._spacing:
            return
        self._points.append(self._state.copy())
        if len(self._points) > _MOST_POINTS:
            self._points = self._points[::2]
            self._spacing *= 2


def expands(name: str, packed: int, unpacked: int) -> str:
    """Why something that expands so much is not unpacked."""
    return (
        f"{name} would expand from {bytes_text(packed)} to {bytes_text(unpacked)} or more. No "
        "model's weights shrink that much; this is made to fill the disk, so it is not unpacked."
    )


class _InflatedPart(RangeFile):
    def __init__(self, inflated: Inflated, start: int, length: int) -> None:
        super().__init__(length)
        self._inflated = inflated
        self._start = start

    def _at(self, offset: int, length: int) -> bytes:
        return self._inflated.read(self._start + offset, length)
