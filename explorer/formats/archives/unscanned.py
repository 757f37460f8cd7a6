"""What lies in an archive beside its model: other models and archives, which are not looked at, and
configs, which are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from explorer.formats.archives.opening import ARCHIVE_ENDINGS, Archive, is_archive
from explorer.formats.artifact import Config, Hazard, HazardKind, UnreadableArtifact
from explorer.formats.hdf5.superblock import superblock_offset
from explorer.formats.keras_config import CONFIG, folder_config
from explorer.formats.model_folders import model_folders
from explorer.formats.storage import joined, walk_bounded
from explorer.formats.two_formats import hdf5_hazard

_MOST_READ = 1000
_KERAS_WEIGHTS = ".weights.h5"
_REASON = "This {what} in the archive was not looked at: it may hold anything. Scan {uri}/{path}."


def unscanned(archive: Archive, opened: Sequence[str]) -> Iterator[Hazard]:
    """The models and archives in an archive but those at, in or around the paths ``opened``.

    At most so many members are looked at, and into fewer.
    """
    models = {model for found in model_folders(archive) for model in found.models}
    for path in sorted(models):
        if not _covers(opened, path):
            yield _hazard(archive, "model", path)
    yield from _taken_for_hdf5(archive, opened)
    left = _MOST_READ
    for path, entry in walk_bounded(archive):
        if entry.is_folder or path in models or _covers(opened, path):
            continue
        left -= 1
        if path.lower().endswith(ARCHIVE_ENDINGS) or (left > 0 and _is_archive(archive, path)):
            yield _hazard(archive, "archive", path)


def other_configs(archive: Archive, opened: Sequence[str]) -> Iterator[Config]:
    """The ``config.json`` of every folder in an archive but those at the paths ``opened``.

    At most so many are read.
    """
    places = (path.rpartition("/") for path in sorted(archive.names()))
    others = (folder for folder, _, name in places if name == CONFIG and folder not in opened)
    for number, folder in enumerate(others):
        if number < _MOST_READ:
            yield from folder_config(archive, folder)
        else:
            yield Config(joined(folder, CONFIG), None)


def _hazard(archive: Archive, what: str, path: str) -> Hazard:
    reason = _REASON.format(what=what, uri=archive.uri, path=path)
    return Hazard(HazardKind.NOT_SCANNED, path, reason)


def _taken_for_hdf5(archive: Archive, opened: Sequence[str]) -> Iterator[Hazard]:
    """A member that makes the whole archive an HDF5 file, unless it was looked at itself."""
    offset = superblock_offset(archive.outer)
    if not offset:
        return
    there = (path for path in archive.names() if archive.offset(path) == offset)
    if not any(_is_opened(opened, path) for path in there):
        yield hdf5_hazard(archive.name, offset)


def _is_opened(opened: Sequence[str], path: str) -> bool:
    """Whether a member is a model that was looked at, or the weights of a Keras folder that was."""
    folder, _, name = path.rpartition("/")
    return path in opened or (folder in opened and name.endswith(_KERAS_WEIGHTS))


def _covers(opened: Sequence[str], path: str) -> bool:
    return any(
        path == place or path.startswith(f"{place}/") or place.startswith(f"{path}/")
        for place in opened
    )


def _is_archive(archive: Archive, path: str) -> bool:
    with suppress(UnreadableArtifact, OSError):
        return is_archive(archive.below(path))
    return False
