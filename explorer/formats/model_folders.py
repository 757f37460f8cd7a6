"""Where the models lie in a folder or an archive, by the names of files alone."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from explorer.formats.storage import Entry, Storage, joined, readable_entries

SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
CHECKPOINT_INDEX = ".index"

_SHARDED = (".weights.json", ".safetensors.index.json")
_SHARD = re.compile(
    r"(.+?)(?:_\d{5}\.weights\.h5|-\d{5}-of-\d{5}\.safetensors)",
)
_UNPACKED_ARCHIVE = {"config.json", "metadata.json"}
_FILES = (
    *(".keras", ".h5", ".hdf5", ".tflite", ".pb", ".pbtxt", ".meta", ".onnx", ".safetensors"),
    *("model.json", *_SHARDED),
)
_FOLDERS_SEARCHED = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A folder that is a model itself, or holds the files of some; ``files`` are bare names."""

    folder: str
    is_model: bool
    files: tuple[str, ...]

    @property
    def depth(self) -> int:
        """How many folders down it lies."""
        return self.folder.count("/") + 1 if self.folder else 0

    @property
    def models(self) -> list[str]:
        """What can be opened: the folder, and the files in it."""
        own = [self.folder] if self.is_model else []
        return own + [joined(self.folder, name) for name in self.files]


def model_folders(storage: Storage) -> Iterator[Found]:
    """The folder itself and those below it that hold models, nearest first.

    At most so many are looked into, and none inside a SavedModel or an unpacked archive.
    """
    pending = deque([""])
    for _ in range(_FOLDERS_SEARCHED):
        if not pending:
            return
        folder = pending.popleft()
        entries = readable_entries(storage, folder)
        names = {entry.name for entry in entries}
        is_whole = bool(names & set(SAVED_MODEL)) or names >= _UNPACKED_ARCHIVE
        found = Found(folder, is_whole or _has_checkpoint(entries), _model_files(entries, is_whole))
        if found.is_model or found.files:
            yield found
        if not is_whole:
            pending += [joined(folder, entry.name) for entry in entries if entry.is_folder]


def _has_checkpoint(entries: list[Entry]) -> bool:
    return any(e.name.endswith(CHECKPOINT_INDEX) and not e.is_folder for e in entries)


def _model_files(entries: list[Entry], is_whole: bool) -> tuple[str, ...]:
    """The model files of a folder, without those that are parts of another."""
    if is_whole:
        return ()
    files = {entry.name for entry in entries if not entry.is_folder}
    return tuple(sorted(name for name in files if _is_model(name) and not _is_part(name, files)))


def _is_model(name: str) -> bool:
    return name.lower().endswith(_FILES)


def _is_part(name: str, files: set[str]) -> bool:
    """Whether a file is a shard of another, or the graph beside a checkpoint."""
    stem, _, ending = name.rpartition(".")
    if ending == "meta":
        return stem + CHECKPOINT_INDEX in files
    shard = _SHARD.fullmatch(name)
    return shard is not None and bool({f"{shard[1]}{end}" for end in _SHARDED} & files)
