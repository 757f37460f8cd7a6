"""NumPy's ``.npy`` files and ``.npz`` archives. Arrays of objects are pickles: never loaded.

Source: ``numpy/lib/_format_impl.py`` (NEP 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from explorer.formats.archives.zip_storage import ZipStorage, is_zip
from explorer.formats.artifact import (
    Artifact,
    Check,
    Hazard,
    HazardKind,
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
from explorer.formats.npy_header import MAGIC, array_values
from explorer.formats.pickles import pickle_hazard
from explorer.formats.raw_tensor import RawValues
from explorer.formats.registry import Match
from explorer.formats.storage import Storage
from explorer.formats.text import count_text, dtype_text

ENDING = ".npy"

_LOCAL_HEADER, _LONGEST_NAME = 30, 1 << 16


def match(storage: Storage) -> Match | None:
    """A ``.npy`` file by its magic, or a zip archive of nothing but such files."""
    if storage.is_folder:
        return None
    head = storage.read("", 0, len(MAGIC))
    if head == MAGIC:
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
        values = array_values(storage, member)
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
    for array in arrays:
        if array.is_pickle:
            yield pickle_hazard(array.tensor.path)
        elif array.values is None and array.problem:
            reason = f"It cannot be read, but may hold Python objects: {array.problem}"
            yield Hazard(HazardKind.NOT_SCANNED, array.tensor.path, reason)


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
