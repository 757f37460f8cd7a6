"""The table of formats, and `open_artifact`, which picks one by content."""

from __future__ import annotations

import importlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

from explorer.formats import diagnosis, unknown
from explorer.formats.artifact import Artifact, OverLimit, UnreadableArtifact
from explorer.formats.storage import Storage
from explorer.formats.system_errors import system_error
from explorer.formats.two_formats import with_second_format


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

    @property
    def absence(self) -> str:
        """Why a file is none of this format, where nothing speaks for it."""
        return f"It looks for {self.looks_for}; that is not here."

    def fits(self, name: str) -> bool:
        """Whether a file of this name is likely one; only decides which reader is asked first."""
        return any(ending and name.lower().endswith(ending) for ending in self.endings)


_KERAS_FOLDER = Format(
    "Keras folder",
    ("",),
    "a folder with config.json, and metadata.json or model.weights.h5 beside it",
    "keras.folder",
)

FORMATS: tuple[Format, ...] = (
    Format(
        "SavedModel",
        ("",),
        "a folder with saved_model.pb or saved_model.pbtxt",
        "saved_model.reader",
    ),
    Format(
        "TensorFlow checkpoint",
        (".index",),
        "a .index file that ends in the SSTable magic number",
        "checkpoint.reader",
    ),
    Format(
        "Keras archive",
        (".keras",),
        "a zip file with config.json that names a class, or metadata.json or weights beside it",
        "keras.archive",
    ),
    _KERAS_FOLDER,
    Format(
        "Keras sharded weights",
        (".weights.json", ".weights.h5"),
        "a JSON file whose weight_map names .weights.h5 files, or one of these beside it",
        "keras.shards",
    ),
    Format("HDF5", (".h5", ".hdf5", ".keras"), "the HDF5 signature \\x89HDF", "keras.hdf5"),
    Format("TensorFlow Lite", (".tflite",), "TFL3 at byte 4", "tflite.reader"),
    Format(
        "TensorFlow graph",
        (".pb", ".pbtxt"),
        "a GraphDef message, in binary or as text: operations with names and kinds",
        "graph.graph_def",
    ),
    Format(
        "TensorFlow meta graph",
        (".meta",),
        "a MetaGraphDef message, in binary or as text: a graph with what belongs to it",
        "saved_model.meta_graph",
    ),
    Format("NumPy", (".npy", ".npz"), "\\x93NUMPY, or a zip file of nothing but that", "npy"),
    Format("Safetensors", (".safetensors",), "the length of a JSON header", "safetensors.reader"),
    Format(
        "Safetensors, sharded",
        (".safetensors.index.json",),
        "a JSON file with a weight_map",
        "safetensors.index",
    ),
    Format("ONNX", (".onnx",), "a message with the fields of an ONNX model", "onnx.reader"),
    Format(
        "TensorFlow.js",
        (".json",),
        "a JSON file with modelTopology or weightsManifest, or a folder with model.json",
        "tfjs.reader",
    ),
    Format(
        "Archive",
        (".tar", ".tar.gz", ".tgz"),
        "a zip, tar or gzip'd tar archive",
        "archives.reader",
    ),
)


def open_artifact(path: str) -> Artifact:
    """Open a saved model by what is in it; its file ending only decides who is asked first.

    ``path`` is a file, a folder, a checkpoint prefix or an `fsspec` URL. A ``saved_model.pb``
    opens its folder, a ``.data-…`` shard its checkpoint; ``models.zip/inner/path`` opens what lies
    in an archive. A file that no reader knows opens as what it is, of format ``unknown``. Raises
    `UnreadableArtifact` with what was looked for, what was found and every reader's reason, or
    `OverLimit` where the one reader that knows it cannot take so much.
    """
    located = diagnosis.locate(path)
    if located.inner:
        from explorer.formats.archives import reader  # it opens its members by this module

        return reader.open_inner(located.storage, located.inner)
    return open_stored(located.storage)


def open_stored(storage: Storage) -> Artifact:
    """Open what a storage holds; see `open_artifact`."""
    reasons: dict[str, str] = {}
    damaged: list[str] = []
    recognised = False
    for row in _in_order(storage):
        try:
            match = row.reader().match(storage)
            if match is not None:
                return _with_second_format(storage, row.reader().open(match))
            reasons[row.name] = row.absence
        except OverLimit as error:
            raise OverLimit(str(error), path=storage.uri) from error
        except (UnreadableArtifact, OSError) as error:
            reasons[row.name] = _reason(storage, error)
            damaged.append(reasons[row.name])
            recognised |= isinstance(error, UnreadableArtifact)
    try:
        refusal = damaged[0] if damaged else diagnosis.refusal(storage)
        if not refusal:
            found = unknown.open_unknown(storage, diagnosis.no_model(storage), reasons)
            return _with_second_format(storage, found)
    except OSError as error:
        refusal = system_error(storage.uri, error)
    raise UnreadableArtifact(
        refusal,
        path=storage.uri,
        found=diagnosis.found(storage),
        reasons=reasons,
        damaged=recognised,
    )


def _with_second_format(storage: Storage, artifact: Artifact) -> Artifact:
    return with_second_format(storage, artifact, lambda: _keras_model(storage))


def _keras_model(folder: Storage) -> Artifact | None:
    """The Keras model in a folder that is read as something else; ``None`` where there is none."""
    reader = _KERAS_FOLDER.reader()
    with suppress(UnreadableArtifact, OSError):
        match = reader.match(folder)
        return reader.open(match) if match else None
    return None


def _in_order(storage: Storage) -> list[Format]:
    return sorted(FORMATS, key=lambda row: not row.fits(storage.name))


def _reason(storage: Storage, error: UnreadableArtifact | OSError) -> str:
    return system_error(storage.uri, error) if isinstance(error, OSError) else str(error)
