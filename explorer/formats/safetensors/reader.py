"""``.safetensors`` files: the length of a JSON header, the header, then the values.

Source: https://github.com/huggingface/safetensors, section Format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from explorer.formats.artifact import (
    Artifact,
    Check,
    Contents,
    Location,
    Node,
    NodeType,
    OverLimit,
    Producer,
    Selection,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.contents import yes_if
from explorer.formats.json_tree import LARGEST_JSON, excess, json_children, parse_object
from explorer.formats.nodes import tensor_nodes
from explorer.formats.raw_tensor import RawValues, wrong_size
from explorer.formats.registry import Match
from explorer.formats.storage import Storage
from explorer.formats.text import bytes_text, count_text

ENDING = ".safetensors"

_LENGTH = 8
_METADATA = "__metadata__"
_START = re.compile(rb'\{\s*["}]')
_DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "U8": "<u1",
    "I8": "<i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "C64": "<c8",
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu,
}
_BACKENDS = {"pt": "torch", "tf": "tensorflow", "flax": "jax", "np": "numpy", "mlx": "mlx"}
"""The values of ``format`` that the libraries write."""


def match(storage: Storage) -> Match | None:
    """A length that fits into the file, and behind it the beginning of a JSON object.

    Raises `UnreadableArtifact` for a file of that ending which is cut short.
    """
    if storage.is_folder:
        return None
    head, size = storage.read("", 0, 64), storage.size() or 0
    length = int.from_bytes(head[:_LENGTH], "little")
    begins = _START.match(head, _LENGTH) is not None
    if begins and length <= size - _LENGTH:
        return Match(storage, length)
    if begins and storage.name.lower().endswith(ENDING):
        raise UnreadableArtifact(
            f"{storage.name} is cut short: its header takes {length:,} bytes, but "
            f"{bytes_text(size)} are there. Copy or download it again."
        )
    return None


def open(match: Match) -> Artifact:
    """Read the header. Raises `UnreadableArtifact` where it is damaged."""
    storage = match.storage
    file = read_file(match)
    return Artifact(
        path=storage.uri,
        name=storage.name,
        format="safetensors",
        format_name="Safetensors",
        size=storage.size() or 0,
        root=file.node(),
        producer=Producer(backend=_BACKENDS.get(str(file.metadata.get("format")), "")),
        contents=Contents(weights=yes_if(bool(file.tensors))),
        tensors=lambda: file.tensors,
        checks=file.checks,
        notes=tuple(file.notes()),
    )


@dataclass(frozen=True, slots=True)
class SafetensorsFile:
    """One file: its tensors, what is wrong with them by their paths, and what else it says."""

    storage: Storage
    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]
    problems: Mapping[str, str]

    def checks(self) -> Iterator[Check]:
        """Whether each tensor has the bytes that its type and shape take."""
        for tensor in self.tensors:
            yield Check("byte count", tensor.path, self.problems.get(tensor.path, ""))

    def notes(self) -> Iterator[str]:
        """What cannot be read."""
        return (f"{path} cannot be read: {problem}" for path, problem in self.problems.items())

    def node(self) -> Node:
        """The file with its metadata and tensors."""
        return Node(
            self.storage.name,
            NodeType.FILE,
            kind=f"Safetensors · {count_text(len(self.tensors), 'tensor')}",
            size=self.storage.size(),
            attributes=lambda: [(str(key), str(value)) for key, value in self.metadata.items()],
            source=_Children(self.metadata, self.tensors),
        )


def read_file(match: Match) -> SafetensorsFile:
    """What the header of a matched file says. Raises `UnreadableArtifact`."""
    storage = match.storage
    header = _header(storage, match.detail)
    metadata = header.pop(_METADATA, None)
    start = _LENGTH + match.detail
    tensors = tuple(_tensor(storage, start, *item) for item in header.items())
    size = storage.size() or 0
    found = ((t.path, _problem(t, header[t.path], start, size)) for t in tensors)
    problems = {path: problem for path, problem in found if problem}
    return SafetensorsFile(
        storage, metadata if isinstance(metadata, dict) else {}, tensors, problems
    )


def _header(storage: Storage, length: int) -> dict[str, Any]:
    text = storage.read("", _LENGTH, min(length, LARGEST_JSON + 1))
    if much := excess(text):
        raise OverLimit(
            f"The header of {storage.name} has {much}, as the names of no model's tensors take, so "
            "it is not read. Save the tensors in several files."
        )
    header = parse_object(text)
    if header is None:
        raise UnreadableArtifact(
            f"{storage.name} starts like a safetensors file, but its header is no JSON. Copy or "
            "download it again."
        )
    return header


def _tensor(storage: Storage, start: int, path: str, entry: Any) -> Tensor:
    values = _values(storage, start, entry)
    if values is None:
        dtype = str(entry.get("dtype")) if isinstance(entry, dict) else "unknown"
        reader = partial(_refuse, path, dtype)
        return Tensor(path, dtype, _shape(entry), _nbytes(entry), reader=reader)
    location = Location(storage.name, values.start, values.stored)
    reader = partial(values.read, path)
    return Tensor(
        path, values.dtype.name, values.shape, values.stored, location=location, reader=reader
    )


def _refuse(path: str, dtype: str, _selection: Selection) -> np.ndarray:
    raise TensorUnreadable(
        f"{path} is of type {dtype}, or its entry in the header is damaged; its values are not "
        "read here."
    )


def _values(storage: Storage, start: int, entry: Any) -> RawValues | None:
    """Where the values are, ``None`` where the header does not say it in a way known here."""
    span, shape = _span(entry), _shape(entry)
    kind = _DTYPES.get(str(entry.get("dtype"))) if isinstance(entry, dict) else None
    if span is None or shape is None or kind is None:
        return None
    begin, end = span
    return RawValues(storage, "", start + begin, end - begin, np.dtype(kind), shape)


def _numbers(entry: Any, key: str) -> tuple[int, ...] | None:
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, list) and all(type(number) is int and number >= 0 for number in value):
        return tuple(value)
    return None


def _shape(entry: Any) -> tuple[int, ...] | None:
    return _numbers(entry, "shape")


def _span(entry: Any) -> tuple[int, int] | None:
    span = _numbers(entry, "data_offsets")
    return (span[0], span[1]) if span and len(span) == 2 and span[0] <= span[1] else None


def _nbytes(entry: Any) -> int:
    begin, end = _span(entry) or (0, 0)
    return end - begin


def _problem(tensor: Tensor, entry: Any, start: int, size: int) -> str:
    """What is wrong with an entry of the header of a file of ``size`` bytes, empty if nothing."""
    span = _span(entry)
    if span is None or tensor.shape is None:
        return "its entry in the header is damaged."
    if start + span[1] > size:
        return f"it ends at byte {start + span[1]:,}, but the file has {size:,}. It was cut short."
    kind = _DTYPES.get(str(entry.get("dtype")))
    return "" if kind is None else wrong_size(np.dtype(kind), tensor.shape, span[1] - span[0])


class _Children:
    """The tensors, and before them the metadata where there is any."""

    def __init__(self, metadata: Mapping[str, Any], tensors: tuple[Tensor, ...]) -> None:
        below = json_children(dict(metadata))
        kind = count_text(len(metadata), "entry", "entries")
        node = Node(_METADATA, NodeType.GROUP, kind=kind, source=below)
        self._first = [node] if below else []
        self._nodes = tensor_nodes(tensors)

    def __len__(self) -> int:
        return len(self._first) + len(self._nodes)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        skipped = len(self._first)
        rest = self._nodes.page(max(0, start - skipped), max(0, stop - skipped))
        return self._first[start:stop] + rest
