"""An open HDF5 file, its attributes as text, and what its superblock declares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5t

from explorer.formats.artifact import TensorUnreadable, UnreadableArtifact
from explorer.formats.storage import Storage
from explorer.formats.text import bytes_text

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HDF5_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, NotImplementedError)
"""What h5py raises for a damaged, vanished or closed file, and for types NumPy does not have."""

_MOST_ATTRIBUTE_VALUES = 1000


def superblock_offset(storage: Storage, member: str = "") -> int | None:
    """Where the signature stands: at 0 or, after a user block, at 512, 1024, 2048 and so on.

    HDF5 File Format Specification 3.0, section II.A.
    """
    size = storage.size(member) or 0
    offset = 0
    while offset + len(SIGNATURE) <= size:
        if storage.read(member, offset, len(SIGNATURE)) == SIGNATURE:
            return offset
        offset = max(512, offset * 2)
    return None


def check_complete(storage: Storage, offset: int, member: str = "") -> None:
    """Raise `UnreadableArtifact` where the file is shorter than its superblock says.

    The end-of-file address stands after two addresses: from byte 24 in version 0, 28 in version
    1, 12 in versions 2 and 3.
    """
    head = storage.read(member, offset, 64)
    version = head[8] if len(head) > 8 else 0
    width_at, addresses_at = {0: (13, 24), 1: (13, 28)}.get(version, (9, 12))
    width = head[width_at] if len(head) > width_at else 0
    end_at = addresses_at + 2 * width
    raw = head[end_at : end_at + width]
    size = storage.size(member) or 0
    name = member or storage.name
    if width not in (2, 4, 8) or len(raw) < width:
        raise UnreadableArtifact(
            f"{name} starts like an HDF5 file, but ends in the middle of its first block "
            f"({bytes_text(size)}). Copy or download it again."
        )
    declared = int.from_bytes(raw, "little")
    if declared > size:
        raise UnreadableArtifact(
            f"{name} is cut short: its header says {declared:,} bytes, but there are only "
            f"{size:,}. Copy or download it again."
        )


class Hdf5File:
    """An HDF5 file held open until `close`; h5py's own lock makes it safe between threads.

    The file is not locked, so another program may replace it meanwhile. ``size`` is in bytes.
    Raises `UnreadableArtifact` where it cannot be opened.
    """

    def __init__(self, storage: Storage, member: str = "") -> None:
        self.name = member or storage.name
        self.size = storage.size(member) or 0
        path = None if member else storage.local_path
        self._stream = storage.open(member) if path is None else None
        try:
            self._file = h5py.File(path or self._stream, "r", locking=False)
        except HDF5_ERRORS as error:
            self._close_stream()
            raise UnreadableArtifact(
                f"{self.name} starts like an HDF5 file, but the HDF5 library cannot read it: "
                f"{plain(error)}. It is damaged; copy or download it again."
            ) from error

        self._state = self._state_now()

    @property
    def root(self) -> Any:
        """The root group's low-level identifier.

        Raises ``ValueError`` after `close` and ``OSError`` where the file was written to: the
        library would read zeros where there is nothing left to read.
        """
        if not self._file.id.valid:
            raise ValueError("the file was closed")
        if self._state_now() != self._state:
            raise OSError("the file was written to")
        return self._file["/"].id

    def _state_now(self) -> tuple[int, int]:
        """Size and time of the last change of a local file."""
        if self._stream is not None:
            return self.size, 0
        now = os.fstat(self._file.id.get_vfd_handle())
        return now.st_size, now.st_mtime_ns

    def close(self) -> None:
        """Close the file; every later access raises."""
        self._file.close()
        self._close_stream()

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Turn the library's errors inside into `TensorUnreadable`."""
        try:
            yield
        except (*HDF5_ERRORS, MemoryError) as error:
            raise TensorUnreadable(
                f"The values of {path} in {self.name} cannot be read: {plain(error)}. The file "
                "was changed, closed or damaged; open it again."
            ) from error


def plain(error: BaseException) -> str:
    """The library's own words, without its ``Unable to synchronously …`` around them."""
    text = str(error.args[0]) if error.args else type(error).__name__
    _, bracket, inner = text.partition("(")
    return inner.rsplit(")", 1)[0] if bracket and text.startswith(("Unable", "Can't")) else text


def attribute_names(obj: Any) -> list[bytes]:
    """The names of an object's attributes in HDF5's order, as stored."""
    names: list[bytes] = []
    h5a.iterate(obj, names.append)
    return names


def attribute(obj: Any, name: bytes) -> Any:
    """One attribute's value, or ``None`` where there is none.

    Raises one of `HDF5_ERRORS` where it is damaged or of a type that is not read.
    """
    if not h5a.exists(obj, name):
        return None
    refused = not_read(h5a.open(obj, name).get_type())
    if refused:
        raise TypeError(refused)
    return h5py.AttributeManager(_Owner(obj))[name]


def text_attribute(obj: Any, name: str) -> str:
    """An attribute as text, empty where there is none or it cannot be read."""
    try:
        value = attribute(obj, name.encode())
    except HDF5_ERRORS:
        return ""
    return "" if value is None else value_text(value)


def names_attribute(obj: Any, name: str) -> list[str]:
    """A list of names, also where Keras had to spread it over ``name0``, ``name1`` and so on.

    Keras does so where the list is longer than an object header holds (64,512 bytes).
    """
    whole = _names(obj, name)
    if whole is not None:
        return whole
    found: list[str] = []
    part = 0
    while (more := _names(obj, f"{name}{part}")) is not None:
        found += more
        part += 1
    return found


def has_names(obj: Any, name: str) -> bool:
    """Whether `names_attribute` has something to read, be it an empty list."""
    return any(h5a.exists(obj, form.encode()) for form in (name, f"{name}0"))


def _names(obj: Any, name: str) -> list[str] | None:
    try:
        value = attribute(obj, name.encode())
    except HDF5_ERRORS:
        return None
    if value is None:
        return None
    return [value_text(item) for item in np.asarray(value, dtype=object).reshape(-1)]


def value_text(value: Any) -> str:
    """An attribute's value for people: text as it is, lists with commas, cut where long."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return _array_text(value)
    return str(value.item() if isinstance(value, np.generic) else value)


def _array_text(array: np.ndarray) -> str:
    if array.ndim == 0:
        return value_text(array.item())
    flat = array.reshape(-1)
    shown = ", ".join(value_text(item) for item in flat[:_MOST_ATTRIBUTE_VALUES])
    left = flat.size - _MOST_ATTRIBUTE_VALUES
    return f"{shown}, … and {left:,} more" if left > 0 else shown


def not_read(kind: Any) -> str:
    """Why values of an HDF5 type are not read, empty where they are.

    Keras writes none of these, and the library itself can crash on damaged ones.
    """
    if kind.detect_class(h5t.VLEN):
        return "values of varying length, which no Keras file holds, are not read"
    if kind.detect_class(h5t.REFERENCE):
        return "references to other objects of the file are not read"
    return ""


class _Owner:
    """The little of an h5py object that `h5py.AttributeManager` asks for."""

    def __init__(self, identifier: Any) -> None:
        self.id = identifier
