"""Tensors whose values lie in one piece in a file, element after element."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from explorer.formats.artifact import (
    Selection,
    Shape,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.selection import leading_run
from explorer.formats.text import dtype_text, tuple_text


class ByRange(Protocol):
    """Where bytes are read from: a storage, or something that reads like one."""

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes of a member from ``offset``."""
        ...


@dataclass(frozen=True, slots=True)
class RawValues:
    """``stored`` bytes from ``start`` of a member, row by row unless ``fortran_order`` is set."""

    storage: ByRange
    member: str
    start: int
    stored: int
    dtype: np.dtype
    shape: tuple[int, ...]
    fortran_order: bool = False

    @property
    def problem(self) -> str:
        """What is wrong where the bytes are not as many as type and shape take, else empty."""
        return wrong_size(self.dtype, self.shape, self.stored)

    def read(self, path: str, selection: Selection) -> np.ndarray:
        """The values of a selection. Raises `TensorUnreadable`, and `IndexError` as NumPy does."""
        if self.problem:
            raise TensorUnreadable(
                f"{path} is damaged: {self.problem} Copy or download the file again."
            )
        try:
            return _native(self._part(selection))
        except (OSError, ValueError, OverflowError, UnreadableArtifact) as error:
            raise TensorUnreadable(
                f"The values of {path} cannot be read: {error}. The file was changed, closed or "
                "damaged; open it again."
            ) from error

    def _part(self, selection: Selection) -> np.ndarray:
        if not self.fortran_order:
            return self._rows(self.shape, selection)
        if len(selection) > len(self.shape):
            raise IndexError(f"{len(selection)} indices for {len(self.shape)} dimensions")
        missing = len(self.shape) - len(selection)
        whole = (*selection, *[slice(None)] * missing)
        turned: np.ndarray = self._rows(self.shape[::-1], whole[::-1]).transpose()
        return turned

    def _rows(self, shape: tuple[int, ...], selection: Selection) -> np.ndarray:
        run = leading_run(shape, selection)
        size = self.dtype.itemsize
        count = run.count * size
        data = self.storage.read(self.member, self.start + run.first * size, count)
        if len(data) < count:
            raise OSError("the file became shorter")
        return run.taken(np.frombuffer(data, self.dtype))


def wrong_size(dtype: np.dtype, shape: Shape, stored: int) -> str:
    """What is wrong where ``stored`` bytes are not what type and shape take, else empty."""
    needed = math.prod(size or 0 for size in shape or ()) * dtype.itemsize
    if needed == stored:
        return ""
    declared = f"{dtype_text(dtype)} {tuple_text(shape)}"
    return f"{declared} takes {needed:,} bytes, but {stored:,} are stored."


def _native(array: np.ndarray) -> np.ndarray:
    """In this machine's byte order; texts as objects that are ``bytes``."""
    if array.dtype.kind == "U":
        array = np.asarray(np.char.encode(array, "utf-8"), dtype="S")
    kind: Any = object if array.dtype.kind == "S" else array.dtype.newbyteorder("=")
    native: np.ndarray = array.astype(kind, copy=False)
    return native
