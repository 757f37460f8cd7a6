"""The weights of TensorFlow.js: groups of them, one after another in files cut at any byte.

Source: ``tfjs-core/src/io/types.ts`` and ``io_utils.ts`` (``decodeWeights``), and
``tensorflowjs/quantization.py`` of the converter.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from explorer.formats.artifact import (
    Check,
    Location,
    Role,
    Selection,
    Shape,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.raw_tensor import RawValues
from explorer.formats.selection import chosen
from explorer.formats.storage import Storage
from explorer.formats.text import count_text

_TYPES = {
    "float32": "<f4",
    "float16": "<f2",
    "int32": "<i4",
    "uint8": "<u1",
    "uint16": "<u2",
    "int8": "<i1",
    "int16": "<i2",
    "bool": "?",
    "complex64": "<c8",
}
_LONGEST_TEXTS = 16 << 20
_MOST_TEXTS = 100


@dataclass(frozen=True, slots=True)
class Quantization:
    """Values are stored as ``dtype``; what they stand for is ``stored × scale + minimum``."""

    dtype: str
    scale: float
    minimum: float

    def text(self) -> str:
        """``uint8 × 0.0123 − 1.5``."""
        if self.dtype == "float16":
            return self.dtype
        return f"{self.dtype} × {self.scale:.9g} + {self.minimum:.9g}"


@dataclass(frozen=True, slots=True)
class Weight:
    """One weight of the manifest with where it lies, and what is wrong with it."""

    tensor: Tensor
    quantization: Quantization | None = None
    problem: str = ""


class Shards:
    """The files of a group as one row of bytes; ``missing`` ones have no length known."""

    def __init__(self, folder: Storage | None, names: Sequence[str]) -> None:
        self._folder = folder
        self.names = names
        self.sizes = [self._size(name) for name in names]
        self.missing = [n for n, size in zip(names, self.sizes, strict=True) if size is None]
        self._ends = list(accumulate(size or 0 for size in self.sizes))

    def _size(self, name: str) -> int | None:
        try:
            return None if self._folder is None else self._folder.size(name)
        except (OSError, UnreadableArtifact):  # a name that leads out of the folder
            return None

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return self._ends[-1] if self._ends else 0

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        """Up to ``length`` bytes from ``offset`` of the whole row."""
        end = self.total if length is None else min(self.total, offset + length)
        parts: list[bytes] = []
        for name, begin, size in self._between(offset, end):
            parts.append(self._shard(name, begin, size))
        return b"".join(parts)

    def _shard(self, name: str, begin: int, size: int) -> bytes:
        if self._folder is None:
            raise OSError(f"{name} is not there")
        return self._folder.read(name, begin, size)

    def _between(self, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """For each file that holds bytes of the range: its name, from where, and how many."""
        index = bisect_right(self._ends, start)
        while start < end:
            first = self._ends[index - 1] if index else 0
            stop = min(end, self._ends[index])
            if stop > start:
                yield self.names[index], start - first, stop - start
            start, index = stop, index + 1

    def location(self, start: int, size: int) -> Location:
        """Where a range lies; without an offset if it goes over several files."""
        parts = list(self._between(start, min(start + size, self.total)))
        if len(parts) == 1:
            return Location(parts[0][0], parts[0][1], size)
        return Location(parts[0][0] if parts else (self.names or [""])[0], None, size)


class Group:
    """One entry of the manifest: weights by their places in its files."""

    def __init__(self, folder: Storage | None, entry: Mapping[str, Any]) -> None:
        specs = entry.get("weights")
        self.shards = Shards(folder, file_names(entry))
        self.end = 0
        self._texts_read = 0
        self.weights = [
            self._weight(spec)
            for spec in (specs if isinstance(specs, list) else [])
            if isinstance(spec, dict) and isinstance(spec.get("name"), str)
        ]

    def _weight(self, spec: Mapping[str, Any]) -> Weight:
        shape, dtype = _shape(spec.get("shape")), str(spec.get("dtype"))
        quantization = _quantization(spec.get("quantization"))
        stored = quantization.dtype if quantization else dtype
        if shape is None or (stored not in _TYPES and dtype != "string"):
            return _damaged(spec["name"], dtype, "its entry in the manifest is damaged.")
        start = self.end
        if dtype == "string":
            return self._texts(spec["name"], shape, start)
        values = RawValues(
            self.shards,
            "",
            start,
            math.prod(shape) * np.dtype(_TYPES[stored]).itemsize,
            np.dtype(_TYPES[stored]),
            shape,
        )
        self.end += values.stored
        reader: Callable[[Selection], np.ndarray] = partial(values.read, spec["name"])
        if quantization is not None:
            reader = partial(_dequantized, reader, quantization, dtype)
        return self._found(spec, dtype, shape, start, reader, quantization)

    def _found(
        self,
        spec: Mapping[str, Any],
        dtype: str,
        shape: Shape,
        start: int,
        reader: Callable[[Selection], np.ndarray],
        quantization: Quantization | None,
    ) -> Weight:
        size = self.end - start
        problem = self._problem(start, size)
        tensor = Tensor(
            spec["name"],
            dtype,
            shape,
            size,
            _role(spec),
            self.shards.location(start, size),
            partial(_refuse, spec["name"], problem) if problem else reader,
        )
        return Weight(tensor, quantization, problem)

    def _problem(self, start: int, size: int) -> str:
        if self.shards.missing:
            return f"its file {self.shards.missing[0]} is not there. Copy it beside the model."
        if start + size > self.shards.total:
            return (
                f"it ends at byte {start + size:,} of its group, whose "
                f"{count_text(len(self.shards.names), 'file')} hold {self.shards.total:,}."
            )
        return ""

    def _texts(self, name: str, shape: tuple[int, ...], start: int) -> Weight:
        """Each text has its length before it, so all before the end must be read to find it."""
        self._texts_read += 1
        if self._texts_read > _MOST_TEXTS:
            return _damaged(name, "string", "too many weights of its group are texts.")
        try:
            texts, self.end = _read_texts(self.shards, start, math.prod(shape))
        except (OSError, ValueError, UnreadableArtifact) as error:
            return _damaged(name, "string", f"its texts cannot be read: {error}.")
        found = np.empty(len(texts), object)
        found[:] = texts
        values = found.reshape(shape)
        spec = {"name": name, "dtype": "string"}
        return self._found(spec, "string", shape, start, partial(chosen, values), None)

    def checks(self) -> Iterator[Check]:
        """Whether the files are there, and hold as many bytes as the weights take."""
        for name, size in zip(self.shards.names, self.shards.sizes, strict=True):
            yield Check("shard present", name, f"{name} is not there." if size is None else "")
        if not self.shards.missing:
            yield Check("byte count", ", ".join(self.shards.names[:3]), self._wrong_total())
        for weight in self.weights:
            yield Check("byte count", weight.tensor.path, weight.problem)

    def _wrong_total(self) -> str:
        if self.end == self.shards.total:
            return ""
        return (
            f"The weights of this group take {self.end:,} bytes, but its files hold "
            f"{self.shards.total:,}."
        )


def file_names(entry: Mapping[str, Any]) -> list[str]:
    """The files that an entry of the manifest names."""
    paths = entry.get("paths")
    return [p for p in paths if isinstance(p, str)] if isinstance(paths, list) else []


def _read_texts(shards: Shards, start: int, count: int) -> tuple[list[bytes], int]:
    if count * 4 > shards.total:
        raise ValueError(f"{count:,} are declared")
    data = shards.read("", start, _LONGEST_TEXTS)
    texts: list[bytes] = []
    at = 0
    for _ in range(count):
        length = int.from_bytes(data[at : at + 4], "little")
        if at + 4 + length > len(data):
            raise ValueError("they end after the file")
        texts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return texts, start + at


def _damaged(name: str, dtype: str, problem: str) -> Weight:
    reader = partial(_refuse, name, problem)
    return Weight(Tensor(name, dtype, None, 0, reader=reader), None, problem)


def _refuse(name: str, problem: str, _selection: Selection) -> np.ndarray:
    raise TensorUnreadable(f"{name} cannot be read: {problem}")


def _role(spec: Mapping[str, Any]) -> Role:
    if spec.get("group") == "optimizer":
        return Role.OPTIMIZER
    return Role.WEIGHT if spec.get("dtype") in ("float32", "float16") else Role.CONSTANT


def _shape(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, list) and all(type(d) is int and d >= 0 for d in value):
        return tuple(value)
    return None


def _quantization(value: Any) -> Quantization | None:
    if not isinstance(value, dict) or not isinstance(value.get("dtype"), str):
        return None
    scale, minimum = _number(value.get("scale"), 1), _number(value.get("min"), 0)
    return Quantization(value["dtype"], scale, minimum)


def _number(value: Any, otherwise: float) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else otherwise


def _dequantized(
    read: Callable[[Selection], np.ndarray],
    quantization: Quantization,
    dtype: str,
    selection: Selection,
) -> np.ndarray:
    """What the stored numbers stand for; integers are rounded, as the converter does."""
    stored = read(selection)
    kind = _TYPES.get(dtype, "<f4")
    if quantization.dtype == "float16":
        return stored.astype(kind)
    values = stored.astype(np.float64) * quantization.scale + quantization.minimum
    return (np.round(values) if dtype == "int32" else values).astype(kind)
