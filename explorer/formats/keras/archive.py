"""``.keras`` archives: a zip with metadata.json, config.json, the weights and the assets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from explorer.formats.archives.unscanned import other_configs
from explorer.formats.archives.zip_storage import ZipStorage, is_zip
from explorer.formats.artifact import Artifact, Check, Config, Hazard
from explorer.formats.keras.model import METADATA, is_model, open_model
from explorer.formats.keras_config import CONFIG
from explorer.formats.pickles import pickles_in
from explorer.formats.registry import Match
from explorer.formats.storage import Storage


def match(storage: Storage) -> Match | None:
    """Look for a zip with config.json, and the metadata beside it or what tells that of a model.

    Raises `UnreadableArtifact` where it is cut short.
    """
    if storage.is_folder or not is_zip(storage.read("", 0, 4)):
        return None
    archive = ZipStorage(storage)
    if archive.has(CONFIG) and (archive.has(METADATA) or is_model(archive)):
        return Match(storage, archive)
    archive.close()
    return None


def open(match: Match) -> Artifact:
    """Open the archive and keep it open until the artifact is closed."""
    archive: ZipStorage = match.detail
    try:
        return _artifact(match.storage, archive)
    except BaseException:
        archive.close()
        raise


def _artifact(outer: Storage, archive: ZipStorage) -> Artifact:
    inside = open_model(outer, archive, "keras_archive", "Keras archive", outer.size() or 0)

    def configs() -> Iterator[Config]:
        yield from inside.configs()
        yield from other_configs(archive, [""])

    def hazards() -> Iterator[Hazard]:
        yield from archive.hazards()
        yield from inside.hazards()
        yield from pickles_in(archive)

    def checks() -> Iterator[Check]:
        yield from archive.checks()
        yield from inside.checks()

    def close() -> None:
        inside.close()
        archive.close()

    notes = (*inside.notes, *map(_escapes, archive.escaping))
    return replace(
        inside, configs=configs, hazards=hazards, checks=checks, close=close, notes=notes
    )


def _escapes(name: str) -> str:
    return (
        f"The member {name} would be unpacked outside the archive's folder. It is not shown; be "
        "careful with this file."
    )
