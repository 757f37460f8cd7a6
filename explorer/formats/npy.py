"""NumPy's ``.npy`` files and ``.npz`` archives. Arrays of objects are pickles: never loaded.

Source: ``numpy/lib/_format_impl.py`` (NEP 1).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from explorer.formats.archives.zip_storage import ZipStorage, is_zip
from explorer.formats.artifact import (
    Artifact,
    Check,
    Hazard,
    Location,
    Node,
    NodeType,
    OverLimit,
    Role,
    Selection,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.nodes import tensor_nodes
from explorer.formats.pickles import pickle_hazard
from explorer.formats.raw_tensor import RawValues
from explorer.formats.registry import Match
from explorer.formats.storage import Storage
from explorer.formats.text import count_text, dtype_text

ENDING = ".npy"

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_USUAL_HEADER = 256
_LOCAL_HEADER, _LONGEST_NAME = 30, 1 << 16
_LONGEST_HEADER = 10_000
"""As much as NumPy itself parses of a file that it does not trust."""

_KEYS = {"descr", "fortran_order", "shape"}
_DEEPEST_PARSE_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def match(storage: Storage) -> Match | None:
    """A ``.npy`` file by its magic, or a zip archive of nothing but such files."""
    if storage.is_folder:
        return None
    head = storage.read("", 0, len(_MAGIC))
    if head == _MAGIC:
        return Match(storage)
    if not is_zip(head) or not _begins_with_array(storage):
        return None
    archive = ZipStorage(storage)
    names = archive.names()
    if names and all(name.endswith(ENDING) for name in names):
        return Match(storage, archive)
    archive.close()
    return None


def _begins_with_array(storage: Storage) -> bool:
    """Whether the first member is called as an array is: a peek, before all are listed."""
    head = storage.read("", 0, _LOCAL_HEADER + _LONGEST_NAME)
    length = int.from_bytes(head[26:28], "little")
    return head[_LOCAL_HEADER : _LOCAL_HEADER + length].endswith(ENDING.encode())


def open(match: Match) -> Artifact:
    """Open the array, or the archive until the artifact is closed."""
    if match.detail is None:
        return _array_artifact(match.storage)
    try:
        return _archive_artifact(match.storage, match.detail)
    except BaseException:
        match.detail.close()
        raise


# One array


@dataclass(frozen=True, slots=True)
class Array:
    """A ``.npy`` file: its values, or what damage or limit keeps them from us, and its tensor."""

    tensor: Tensor
    values: RawValues | None
    problem: str = ""
    is_pickle: bool = False
    limit: str = ""

    def check(self) -> Check:
        """Whether its bytes are as many as its header declares."""
        return Check("byte count", self.tensor.path, self.problem, self.limit)


def read_array(storage: Storage, member: str, path: str, role: Role = Role.OTHER) -> Array:
    """The array in a member, known by ``path``. Raises `UnreadableArtifact`."""
    try:
        values = _values(storage, member)
    except ValueError as error:
        raise UnreadableArtifact(
            f"{member or storage.name} starts like a NumPy array, but its header is damaged: "
            f"{error}. Copy or download it again."
        ) from error
    is_pickle = values.dtype.hasobject
    location = Location(member or storage.name, values.start, values.stored)
    reader = partial(_refuse_pickle, path) if is_pickle else partial(values.read, path)
    dtype = "object" if is_pickle else dtype_text(values.dtype)
    tensor = Tensor(path, dtype, values.shape, values.stored, role, location, reader)
    return Array(tensor, values, "" if is_pickle else values.problem, is_pickle)


def _refuse_pickle(path: str, _selection: Selection) -> np.ndarray:
    raise TensorUnreadable(
        f"{path} is an array of Python objects, which NumPy stores as a pickle. Loading a pickle "
        "runs whatever code it names, so it is not opened here."
    )


def _values(storage: Storage, member: str) -> RawValues:
    """Where the values are, by the header. Raises ``ValueError``."""
    head = storage.read(member, 0, _USUAL_HEADER)
    length_bytes = _LENGTH_BYTES.get(head[6]) if len(head) >= 12 else None
    if length_bytes is None:
        raise ValueError("its version is not 1, 2 or 3")
    start = 8 + length_bytes
    length = int.from_bytes(head[8:start], "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"it declares a header of {length:,} bytes")
    whole = start + length <= len(head)
    header = head[start : start + length] if whole else storage.read(member, start, length)
    found = _parsed(header.decode("utf-8" if head[6] == 3 else "latin-1"))
    stored = (storage.size(member) or 0) - start - length
    if stored < 0:
        raise ValueError("it ends before its header does")
    dtype, shape = _dtype(found["descr"]), _shape(found["shape"])
    return RawValues(
        storage, member, start + length, stored, dtype, shape, found["fortran_order"] is True
    )


def _parsed(text: str) -> dict[str, object]:
    try:
        found = ast.literal_eval(text.strip())
    except _DEEPEST_PARSE_ERRORS as error:
        raise ValueError("it is no dictionary of plain values") from error
    if not isinstance(found, dict) or not found.keys() >= _KEYS:
        raise ValueError("type, order or shape is missing")
    return found


def _dtype(descr: object) -> np.dtype:
    try:
        dtype: np.dtype = np.lib.format.descr_to_dtype(descr)  # type: ignore[arg-type]
    except Exception as error:
        raise ValueError("its type is none of NumPy's") from error
    return dtype


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > 64:
        raise ValueError("its shape is no tuple")
    if not all(type(size) is int and size >= 0 for size in value):
        raise ValueError("a dimension is no number")
    return value


def _array_artifact(storage: Storage) -> Artifact:
    array = read_array(storage, "", storage.name.removesuffix(ENDING))
    return Artifact(
        path=storage.uri,
        name=storage.name,
        format="numpy",
        format_name="NumPy array",
        size=storage.size() or 0,
        root=Node(
            storage.name,
            NodeType.FILE,
            kind="NumPy array",
            size=storage.size(),
            source=tensor_nodes([array.tensor], lambda _tensor: _details(array)),
        ),
        tensors=lambda: (array.tensor,),
        hazards=lambda: _hazards([array]),
        checks=lambda: [array.check()],
        notes=tuple(_notes([array])),
    )


def _details(array: Array) -> list[tuple[str, str]]:
    if array.values is None:
        return []
    order = "columns first (Fortran)" if array.values.fortran_order else "rows first (C)"
    return [("stored type", str(array.values.dtype)), ("order", order)]


def _hazards(arrays: Sequence[Array]) -> Iterator[Hazard]:
    return (pickle_hazard(array.tensor.path) for array in arrays if array.is_pickle)


def _notes(arrays: Sequence[Array]) -> Iterator[str]:
    for array in arrays:
        if reason := array.problem or array.limit:
            yield f"{array.tensor.path} cannot be read: {reason}"
        if array.is_pickle:
            yield f"{array.tensor.path} holds Python objects as a pickle, which is not loaded."


# Archives


def _archive_artifact(storage: Storage, archive: ZipStorage) -> Artifact:
    arrays = {a.tensor.path: a for a in (_member(archive, n) for n in sorted(archive.names()))}
    tensors = tuple(array.tensor for array in arrays.values())
    return Artifact(
        path=storage.uri,
        name=storage.name,
        format="npz",
        format_name="NumPy archive",
        size=storage.size() or 0,
        root=Node(
            storage.name,
            NodeType.FILE,
            kind=f"NumPy archive · {count_text(len(tensors), 'array')}",
            size=storage.size(),
            source=tensor_nodes(tensors, lambda tensor: _details(arrays[tensor.path])),
        ),
        tensors=lambda: tensors,
        hazards=lambda: [*archive.hazards(), *_hazards(list(arrays.values()))],
        checks=lambda: _checks(archive, list(arrays.values())),
        notes=tuple(_notes(list(arrays.values()))),
        close=archive.close,
    )


def _member(archive: ZipStorage, member: str) -> Array:
    path = member.removesuffix(ENDING)
    try:
        return read_array(archive, member, path)
    except (UnreadableArtifact, OSError) as error:
        tensor = Tensor(path, "unknown", None, archive.size(member) or 0, Role.OTHER)
        if isinstance(error, OverLimit):
            return Array(tensor, None, limit=str(error))
        return Array(tensor, None, str(error))


def _checks(archive: ZipStorage, arrays: Sequence[Array]) -> Iterator[Check]:
    yield from archive.checks()
    for array in arrays:
        yield array.check()
