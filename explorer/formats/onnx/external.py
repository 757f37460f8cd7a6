"""The files beside an ONNX model in which it says that values of its tensors lie.

Source: ``TensorProto.external_data`` of ``onnx/onnx.proto``, ``onnx/external_data_helper.py``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from functools import cached_property

from explorer.formats.artifact import Check, Hazard, HazardKind, OverLimit, UnreadableArtifact
from explorer.formats.onnx.tensor import StoredTensor
from explorer.formats.protobuf.wire import ProtoFile
from explorer.formats.storage import stays_inside
from explorer.formats.text import count_text

_MOST_FILES = 10_000


class ExternalFiles:
    """Those that ``stored`` names. None is read. Raises `OverLimit` where they are too many."""

    def __init__(self, file: ProtoFile, stored: Sequence[StoredTensor]) -> None:
        self._stored = stored
        self._folder = file.storage.parent()
        self._names = sorted({tensor.external for tensor in stored if tensor.external})
        if len(self._names) > _MOST_FILES:
            raise OverLimit(
                f"{file.name} names {len(self._names):,} files with values of tensors, and no more "
                f"than {_MOST_FILES:,} are looked for, as no model has so many; be careful with "
                "this file."
            )

    @cached_property
    def _outside(self) -> frozenset[str]:
        return frozenset(filter(self._is_outside, self._names))

    def _is_outside(self, name: str) -> bool:
        """Whether a file lies outside the model's folder, by its name or through a link."""
        if not stays_inside(posixpath.normpath(name)):
            return True
        try:
            return self._folder is not None and self._folder.leads_out(name)
        except UnreadableArtifact:
            return False

    def hazards(self) -> Iterator[Hazard]:
        """Tensors whose values are to be read from outside the model's folder."""
        for stored in self._stored:
            if stored.external in self._outside:
                yield Hazard(HazardKind.EXTERNAL_STORAGE, stored.tensor.path, stored.external)

    def checks(self) -> Iterator[Check]:
        """Whether each tensor has the bytes that its type and shape take, here or in its file."""
        names = [n for n in self._names if stays_inside(n) and n not in self._outside]
        sizes = {name: self._size_of(name) for name in names}
        for stored in self._stored:
            problem = stored.problem or _cut_short(stored, sizes.get(stored.external))
            yield Check("byte count", stored.tensor.path, problem)
        for name, size in sizes.items():
            missing = f"{name}, which holds values of tensors, is not beside the model."
            yield Check("shard present", name, missing if size is None else "")

    def _size_of(self, name: str) -> int | None:
        """The bytes of a file beside the model, ``None`` where it is not there."""
        return None if self._folder is None else self._folder.size(name)

    def notes(self) -> Iterator[str]:
        """How many tensors lie in which files."""
        count = sum(bool(stored.external) for stored in self._stored)
        if count:
            yield (
                f"{count_text(count, 'tensor')} lie in other files: "
                f"{', '.join(self._names[:5])}. They are named here, and not read."
            )


def _cut_short(stored: StoredTensor, size: int | None) -> str:
    """What is wrong where its values go beyond the file of ``size`` bytes that they lie in."""
    place = stored.tensor.location
    end = 0 if place is None else (place.offset or 0) + place.nbytes
    if place is None or size is None or end <= size:
        return ""
    return f"Its values end at byte {end:,} of {place.file}, which has {size:,} bytes."
