"""A file that is of one format by its beginning, and of another to those who look elsewhere.

The list of a zip archive's members stands at its end, so whatever is put before it is passed over:
Keras takes such a file for a ``.keras`` archive, though it begins like HDF5 or TensorFlow Lite. An
HDF5 file may begin behind a block of anything, and Keras 2 takes every file in which the HDF5
library finds one for a model. What is no array to NumPy it takes for a pickle. Of folders Keras
takes every one with config.json for a model, whatever else is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain

from explorer.formats.archives.tar_storage import end_of_members, is_tar
from explorer.formats.archives.zip_storage import ZipStorage, appended_names, is_zip
from explorer.formats.artifact import Artifact, Hazard, HazardKind, UnreadableArtifact
from explorer.formats.hdf5.superblock import superblock_offset
from explorer.formats.keras_config import folder_config
from explorer.formats.pickles import pickle_hazard, taken_for_pickle
from explorer.formats.storage import Storage
from explorer.formats.text import listed

_WEIGHTS = "model.weights.h5"
_KERAS = {"config.json", "metadata.json", _WEIGHTS}
_KERAS_FOLDER = "keras_v3_dir"
_HDF5 = {"hdf5", "keras_hdf5", "keras_sharded_weights"}
_HEAD = 512


def with_second_format(
    storage: Storage, artifact: Artifact, keras_model: Callable[[], Artifact | None]
) -> Artifact:
    """The artifact that was read from ``storage``, with what else it is among its hazards.

    Of a folder the configs and hazards of the ``keras_model`` in it are among its own.
    """
    if storage.is_folder:
        is_keras = artifact.format == _KERAS_FOLDER
        return artifact if is_keras else _with_keras(storage, artifact, keras_model)

    def hazards() -> Iterator[Hazard]:
        yield from artifact.hazards()
        yield from _second_formats(storage, artifact)
        if taken_for_pickle(storage):
            yield pickle_hazard(storage.name)

    return replace(artifact, hazards=hazards)


def _with_keras(
    storage: Storage, artifact: Artifact, keras_model: Callable[[], Artifact | None]
) -> Artifact:
    def hazards() -> Iterator[Hazard]:
        yield from artifact.hazards()
        second = keras_model()
        if second is not None:
            with closing(second):
                yield from second.hazards()

    return replace(
        artifact,
        configs=lambda: chain(artifact.configs(), folder_config(storage)),
        hazards=hazards,
    )


def hdf5_hazard(name: str, offset: int) -> Hazard:
    """The fact that a file called ``name`` holds an HDF5 file where programs look for one."""
    return Hazard(HazardKind.TWO_FORMATS, name, f"an HDF5 file from byte {offset:,} on")


def _second_formats(storage: Storage, artifact: Artifact) -> Iterator[Hazard]:
    """What stands in the file besides what was read; see `unscanned` for members of archives."""
    if artifact.format in _HDF5 and not artifact.archive:
        what = _archive_behind(storage, artifact.format, 0)
    else:
        offset = 0 if artifact.archive else superblock_offset(storage)
        if offset and offset != _own_weights(storage, artifact):
            yield hdf5_hazard(storage.name, offset)
        head = storage.read("", 0, _HEAD)
        start = end_of_members(storage) if is_tar(head) else 0
        what = "" if is_zip(head) else _archive_behind(storage, artifact.format, start)
    if what:
        yield Hazard(HazardKind.TWO_FORMATS, storage.name, what)


def _own_weights(storage: Storage, artifact: Artifact) -> int | None:
    """Where a Keras archive has its weights: that may happen to be where HDF5 is looked for."""
    if artifact.format != "keras_archive":
        return None
    with closing(ZipStorage(storage)) as archive:
        return archive.offset(_WEIGHTS)


def _archive_behind(storage: Storage, format: str, start: int) -> str:
    """The zip archive at the end, in words; TensorFlow Lite has one of its own there."""
    try:
        names = appended_names(storage, start)
    except UnreadableArtifact:
        return "a zip archive whose list of members cannot be read here"
    is_own = format == "tflite" and not _KERAS & {*names}
    return f"a zip archive of {listed(names)}" if names and not is_own else ""
