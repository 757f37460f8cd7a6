"""Frames between client and worker: MessagePack messages, and the raw arrays that follow them.

One message is one frame. Each array that its `ArrayHeader` announces follows as raw bytes in C
order, in frames of at most 64 MB; one without elements has no frame. Strings follow as MessagePack
lists of at most 16,384: decoding one holds Python's lock, and with it every thread of the window.
Neither side trusts the other: a frame that is not what it should be raises `DamagedFrame`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import numpy as np

from explorer.engine.messages import (
    ArrayHeader,
    Command,
    Envelope,
    Event,
    Predict,
    Predicted,
    Result,
    TestSetMade,
)
from explorer.formats.text import dtype_text

_MESSAGE_LIMIT = 64 << 20
_FRAME = 64 << 20
_ARRAY_LIMIT = 16 << 30
_STRING = "string"
_STRINGS = 1 << 14  # in one frame
_PLAIN = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
_EXTENDED = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4")


class DamagedFrame(Exception):  # noqa: N818 - the name says what was received
    """What arrived is no message, or not the array that was announced."""


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy dtype of a header's name. Raises `DamagedFrame` for any other."""
    if name in _PLAIN:
        return np.dtype(name)
    if name in _EXTENDED:
        import ml_dtypes

        extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return extended
    raise DamagedFrame(f"{name!r} is not a dtype that is sent.")


def header_of(name: str, array: np.ndarray) -> ArrayHeader:
    """The header that announces ``array``."""
    return ArrayHeader(name, dtype_text(array.dtype), array.shape)


def headers_of(message: Command | Event) -> tuple[ArrayHeader, ...]:
    """The arrays that follow a message."""
    if isinstance(message, Envelope) and isinstance(message.request, Predict):
        return message.request.inputs
    if isinstance(message, Result):
        if isinstance(message.value, Predicted):
            return message.value.outputs
        if isinstance(message.value, TestSetMade):
            return message.value.inputs
    return ()


class Channel:
    """One end of the connection; sends whole messages from any thread, receives on one.

    ``receives`` is the union of messages that may arrive. Raises `EOFError` or `OSError` where the
    other end is gone.
    """

    def __init__(self, connection: Connection, receives: Any) -> None:
        self._connection = connection
        self._decoder = msgspec.msgpack.Decoder(receives)
        self._lock = threading.Lock()

    def send(self, message: Command | Event, arrays: Sequence[np.ndarray] = ()) -> None:
        """Send a message and the arrays that its headers announce."""
        headers = headers_of(message)
        if len(headers) != len(arrays):
            raise ValueError(f"{len(headers)} arrays announced, {len(arrays)} given")
        frames = [_frames(h, a) for h, a in zip(headers, arrays, strict=True)]
        with self._lock:
            self._connection.send_bytes(msgspec.msgpack.encode(message))
            for frame in (frame for one in frames for frame in one):
                self._connection.send_bytes(frame)

    def receive(self) -> tuple[Any, list[np.ndarray]]:
        """The next message with its arrays. Raises `DamagedFrame`."""
        frame = self._receive(_MESSAGE_LIMIT)
        try:
            message = self._decoder.decode(frame)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise DamagedFrame(f"A message was damaged: {error}.") from error
        return message, [self._array(header) for header in headers_of(message)]

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _receive(self, limit: int) -> bytes:
        try:
            return self._connection.recv_bytes(limit)
        except OSError as error:
            if error.errno is None:  # how multiprocessing says that a message is over the limit
                raise DamagedFrame(f"A message was longer than {limit} bytes.") from error
            raise

    def _array(self, header: ArrayHeader) -> np.ndarray:
        if any(size < 0 for size in header.shape):
            raise DamagedFrame(f"The shape {header.shape} of {header.name} is impossible.")
        if header.dtype == _STRING:
            return self._strings(header)
        array = _room(header, dtype_of(header.dtype))
        self._fill(header, _raw(array))
        return array

    def _strings(self, header: ArrayHeader) -> np.ndarray:
        count = math.prod(header.shape)
        array = _room(header, np.dtype(object)).reshape(-1)
        for start in range(0, count, _STRINGS):
            items = _decoded(header, self._receive(_MESSAGE_LIMIT))
            if len(items) != min(_STRINGS, count - start):
                raise DamagedFrame(
                    f"{header.name} was announced as {header.shape}: {len(items)} strings in a "
                    "frame."
                )
            array[start : start + len(items)] = items
        return array.reshape(header.shape)

    def _fill(self, header: ArrayHeader, raw: memoryview) -> None:
        for start in range(0, len(raw), _FRAME):
            part = raw[start : start + _FRAME]
            frame = self._receive(_FRAME)
            if len(frame) != len(part):
                raise DamagedFrame(
                    f"{header.name} was announced as {header.dtype} {header.shape}; a frame has "
                    f"{len(frame)} bytes instead of {len(part)}."
                )
            part[:] = frame


def _room(header: ArrayHeader, dtype: np.dtype) -> np.ndarray:
    if math.prod(header.shape) * dtype.itemsize > _ARRAY_LIMIT:
        raise DamagedFrame(f"{header.name} is larger than {_ARRAY_LIMIT} bytes.")
    try:
        return np.empty(header.shape, dtype)
    except (ValueError, OverflowError, MemoryError) as error:
        raise DamagedFrame(f"There is no room for {header.name}: {error}.") from error


def _raw(array: np.ndarray) -> memoryview:
    """The bytes of a contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data


def _frames(header: ArrayHeader, array: np.ndarray) -> Sequence[Any]:
    if header.dtype == _STRING:
        flat = array.reshape(-1)
        parts = (flat[start : start + _STRINGS] for start in range(0, len(flat), _STRINGS))
        return [
            msgspec.msgpack.encode([_encoded(item) for item in part.tolist()]) for part in parts
        ]
    native = array.astype(dtype_of(header.dtype), order="C", copy=False)
    raw = _raw(np.ascontiguousarray(native))
    return [raw[start : start + _FRAME] for start in range(0, len(raw), _FRAME)]


def _encoded(item: object) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()


def _decoded(header: ArrayHeader, frame: bytes) -> list[bytes]:
    try:
        return msgspec.msgpack.decode(frame, type=list[bytes])
    except msgspec.MsgspecError as error:
        raise DamagedFrame(f"The strings of {header.name} were damaged: {error}.") from error


def named_headers(arrays: Mapping[str, np.ndarray]) -> tuple[ArrayHeader, ...]:
    """The headers of named arrays, in order."""
    return tuple(header_of(name, array) for name, array in arrays.items())
