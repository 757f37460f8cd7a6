"""A ``.keras`` archive unpacked, or saved with ``zipped=False``: its members in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from explorer.formats.artifact import Artifact, Hazard
from explorer.formats.json_tree import LARGEST_JSON, parse_object
from explorer.formats.keras_model import CONFIG, METADATA, WEIGHTS, open_model
from explorer.formats.registry import Match
from explorer.formats.storage import Storage, escaping_links
from explorer.formats.zip_storage import ZipStorage


def match(storage: Storage) -> Match | None:
    """A folder with config.json, and beside it the metadata or the weights as Keras names them.

    A whole zip archive of that is `keras_archive`'s.
    """
    if isinstance(storage, ZipStorage) or not storage.is_folder or not storage.has(CONFIG):
        return None
    if not any(map(storage.has, (METADATA, *WEIGHTS))):
        return None
    if not any(map(storage.has, WEIGHTS)) and not _is_model(storage):
        return None
    return Match(storage)


def _is_model(storage: Storage) -> bool:
    if (storage.size(CONFIG) or 0) > LARGEST_JSON:
        return False
    config = parse_object(storage.read(CONFIG)) or {}
    return "class_name" in config


def open(match: Match) -> Artifact:
    """Open the weights and keep them open until the artifact is closed."""
    storage = match.storage
    inside = open_model(storage, storage, "keras_v3_dir", "Keras folder", storage.total_size())

    def hazards() -> Iterator[Hazard]:
        yield from escaping_links(storage)
        yield from inside.hazards()

    return replace(inside, hazards=hazards)
