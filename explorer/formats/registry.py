"""The table of formats, and `open_artifact`, which picks one by content."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Protocol, cast

from explorer.formats.artifact import Artifact, UnreadableArtifact
from explorer.formats.storage import Storage, open_storage


@dataclass(frozen=True, slots=True)
class Match:
    """A reader's word that it knows this file. ``detail`` is the reader's own."""

    storage: Storage
    detail: Any = None


class Reader(Protocol):
    """What each reader module has."""

    def match(self, storage: Storage) -> Match | None:
        """A cheap peek; raises `UnreadableArtifact` where it is this format, but damaged."""
        ...

    def open(self, match: Match) -> Artifact:
        """Open what was matched; raises `UnreadableArtifact`."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """A row of the table: ``looks_for`` is what `match` needs to see."""

    name: str
    endings: tuple[str, ...]
    looks_for: str
    module: str

    def reader(self) -> Reader:
        """The reader module, imported on first use."""
        return cast("Reader", importlib.import_module(f"explorer.formats.{self.module}"))


FORMATS: tuple[Format, ...] = (
    Format("SavedModel", ("",), "a folder with saved_model.pb", "saved_model"),
    Format(
        "TensorFlow checkpoint",
        (".index",),
        "a .index file that ends in the SSTable magic number",
        "tf_checkpoint",
    ),
    Format("Keras archive", (".keras",), "a zip file with config.json", "keras_archive"),
    Format("HDF5", (".h5", ".hdf5", ".keras"), "the HDF5 signature \\x89HDF", "keras_hdf5"),
    Format("TensorFlow Lite", (".tflite",), "TFL3 at byte 4", "tflite"),
)
