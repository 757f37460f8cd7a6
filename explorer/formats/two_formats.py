"""A zip archive at the end of a file of another format, which others may read instead of it.

The list of a zip archive's members stands at its end, so whatever is put before it is passed over:
Keras takes such a file for a ``.keras`` archive, though it begins like HDF5 or TensorFlow Lite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from explorer.formats.archives.tar_storage import is_tar
from explorer.formats.archives.zip_storage import appended_names, is_zip
from explorer.formats.artifact import Artifact, Hazard, HazardKind
from explorer.formats.storage import Storage
from explorer.formats.text import listed

_KERAS = {"config.json", "metadata.json", "model.weights.h5"}
_HEAD = 512


def with_second_format(storage: Storage, artifact: Artifact) -> Artifact:
    """The artifact that was read from ``storage``, with an archive behind it among its hazards."""
    if storage.is_folder:
        return artifact

    def hazards() -> Iterator[Hazard]:
        yield from artifact.hazards()
        yield from _second_format(storage, artifact.format)

    return replace(artifact, hazards=hazards)


def _second_format(storage: Storage, format: str) -> Iterator[Hazard]:
    """The members of a tar archive may be zip archives, and TensorFlow Lite has one of its own."""
    head = storage.read("", 0, _HEAD)
    if is_zip(head) or is_tar(head):
        return
    names = appended_names(storage)
    if names and (format != "tflite" or _KERAS & {*names}):
        yield Hazard(HazardKind.TWO_FORMATS, storage.name, listed(names))
