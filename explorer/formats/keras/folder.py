"""A ``.keras`` archive unpacked, or saved with ``zipped=False``: its members in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from explorer.formats.archives.zip_storage import ZipStorage
from explorer.formats.artifact import Artifact, Hazard
from explorer.formats.keras.model import METADATA, WEIGHTS, is_model, open_model
from explorer.formats.keras_config import CONFIG
from explorer.formats.pickles import pickles_in
from explorer.formats.registry import Match
from explorer.formats.storage import Storage, escaping_links


def match(storage: Storage) -> Match | None:
    """A folder with config.json, and beside it the metadata or the weights as Keras names them.

    A whole zip archive of that is `keras_archive`'s.
    """
    if isinstance(storage, ZipStorage) or not storage.is_folder or not storage.has(CONFIG):
        return None
    has_company = any(map(storage.has, (METADATA, *WEIGHTS)))
    return Match(storage) if has_company and is_model(storage) else None


def open(match: Match) -> Artifact:
    """Open the weights and keep them open until the artifact is closed."""
    storage = match.storage
    inside = open_model(storage, storage, "keras_v3_dir", "Keras folder", storage.total_size())

    def hazards() -> Iterator[Hazard]:
        yield from escaping_links(storage)
        yield from inside.hazards()
        yield from pickles_in(storage)

    return replace(inside, hazards=hazards)
