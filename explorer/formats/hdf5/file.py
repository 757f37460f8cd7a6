"""An open HDF5 file, its attributes as text, and what its superblock declares."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from explorer.formats.artifact import TensorUnreadable, UnreadableArtifact
from explorer.formats.hdf5.attributes import attribute_value
from explorer.formats.hdf5.errors import DamagedHdf5, NotReadHdf5
from explorer.formats.hdf5.objects import Hdf5Object
from explorer.formats.hdf5.source import Source
from explorer.formats.hdf5.superblock import LONGEST, parse_superblock, superblock_offset
from explorer.formats.hdf5.verifying import VerifyingSource
from explorer.formats.storage import Pages, Storage
from explorer.formats.text import bytes_text

HDF5_ERRORS = (OSError, ValueError)
"""What a damaged, vanished, changed or closed file raises, and what is not read."""

_MOST_ATTRIBUTE_VALUES = 1000


def check_complete(storage: Storage, offset: int) -> None:
    """Raise `UnreadableArtifact` where the file is shorter than its superblock says."""
    data = storage.read("", offset, LONGEST)
    size = storage.size() or 0
    try:
        declared = parse_superblock(data).end
    except DamagedHdf5 as error:
        if len(data) == LONGEST:
            return
        raise UnreadableArtifact(
            f"{storage.name} starts like an HDF5 file, but ends in the middle of its first block "
            f"({bytes_text(size)}). Copy or download it again."
        ) from error
    if declared > size:
        raise UnreadableArtifact(
            f"{storage.name} is cut short: its header says {declared:,} bytes, but there are only "
            f"{size:,}. Copy or download it again."
        )


class Hdf5File:
    """An HDF5 file held open until `close`, safe between threads.

    The file is not locked, so another program may replace it meanwhile. ``size`` is in bytes.
    Raises `UnreadableArtifact` where it cannot be opened.
    """

    def __init__(self, storage: Storage, member: str = "") -> None:
        self.name = member or storage.name
        self._pages = Pages(storage, member)
        self.size = self._pages.size
        try:
            start = _start(storage, member)
            head = self._pages.read(start, min(LONGEST, self.size - start))
            self._superblock = parse_superblock(head)
            widths = self._superblock.offset_size, self._superblock.length_size
            self._source = Source(self._pages, start, *widths)
            self._state = self._state_now()
            _ = self.root
        except HDF5_ERRORS as error:
            self._pages.close()
            raise UnreadableArtifact(
                f"{self.name} starts like an HDF5 file, but cannot be read: {plain(error)}. Copy "
                "or download it again."
            ) from error

    @property
    def root(self) -> Hdf5Object:
        """The root group, as it is now; everything read by way of it is one question.

        Raises ``ValueError`` after `close`, ``OSError`` where the file was written to, and
        `DamagedHdf5`.
        """
        if self._state_now() != self._state:
            raise OSError("the file was written to")
        return Hdf5Object(self._source.fresh(), self._superblock.root)

    def verifying_root(self) -> Hdf5Object:
        """As `root`, but its source is a `VerifyingSource`, which has seen the superblock too."""
        _ = self.root
        source = VerifyingSource(self._source)
        self._superblock.verify(source)
        return Hdf5Object(source, self._superblock.root)

    def _state_now(self) -> tuple[int, int]:
        """Size and time of the last change, where the file is one of this machine."""
        try:
            return self._pages.state()
        except io.UnsupportedOperation:
            return self.size, 0

    def close(self) -> None:
        """Close the file; every later access raises."""
        self._pages.close()

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Turn errors inside into `TensorUnreadable`."""
        try:
            yield
        except NotReadHdf5 as error:
            raise TensorUnreadable(
                f"The values of {path} in {self.name} are not read: {plain(error)}. The HDF5 "
                "library itself may read them."
            ) from error
        except (*HDF5_ERRORS, MemoryError) as error:
            raise TensorUnreadable(
                f"The values of {path} in {self.name} cannot be read: {plain(error)}. The file "
                "was changed, closed or damaged; open it again."
            ) from error


def _start(storage: Storage, member: str) -> int:
    offset = superblock_offset(storage, member)
    if offset is None:
        raise DamagedHdf5("it has no superblock")
    return offset


def plain(error: BaseException) -> str:
    """What went wrong, for the end of a sentence."""
    return str(error.args[0]) if error.args else type(error).__name__


def attribute(obj: Hdf5Object, name: bytes) -> np.ndarray | None:
    """One attribute's value, or ``None`` where there is none.

    Raises one of `HDF5_ERRORS` where it is damaged or of a type that is not read.
    """
    found = obj.attributes.get(name)
    return None if found is None else attribute_value(obj.heap, found)


def text_attribute(obj: Hdf5Object, name: str) -> str:
    """An attribute as text, empty where there is none or it cannot be read."""
    try:
        value = attribute(obj, name.encode())
    except HDF5_ERRORS:
        return ""
    return "" if value is None else attribute_value_text(value)


def names_attribute(obj: Hdf5Object, name: str) -> list[str]:
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


def has_names(obj: Hdf5Object, name: str) -> bool:
    """Whether `names_attribute` has something to read, be it an empty list."""
    return any(form.encode() in obj.attributes for form in (name, f"{name}0"))


def _names(obj: Hdf5Object, name: str) -> list[str] | None:
    try:
        value = attribute(obj, name.encode())
    except HDF5_ERRORS:
        return None
    if value is None:
        return None
    return [attribute_value_text(item) for item in value.astype(object).reshape(-1)]


def attribute_value_text(value: Any) -> str:
    """An attribute's value for people: text as it is, lists with commas, cut where long."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return _array_text(value)
    return str(value.item() if isinstance(value, np.generic) else value)


def _array_text(array: np.ndarray) -> str:
    if array.ndim == 0:
        return attribute_value_text(array.item())
    flat = array.reshape(-1)
    shown = ", ".join(attribute_value_text(item) for item in flat[:_MOST_ATTRIBUTE_VALUES])
    left = flat.size - _MOST_ATTRIBUTE_VALUES
    return f"{shown}, … and {left:,} more" if left > 0 else shown
