"""What stands at a path that something new is to be saved to, and whether it may be replaced."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.formats.artifact import Artifact, UnreadableArtifact
from explorer.formats.keras.model import METADATA, WEIGHTS
from explorer.formats.keras_config import CONFIG
from explorer.formats.registry import open_artifact

_MODEL_FILES = {"saved_model.pb", "saved_model.pbtxt", "checkpoint", "keras_metadata.pb"}
_WRITTEN = re.compile(
    r"saved_model\.pb(txt)?|keras_metadata\.pb|fingerprint\.pb|variables|assets(\.extra)?|debug"
    r"|checkpoint|.+\.index|.+\.data-\d{5}-of-\d{5}"
)
"""What TensorFlow writes into the folder of a SavedModel or of checkpoints."""
_KERAS_FILES = {CONFIG, METADATA}
_KERAS_WRITTEN = re.compile("|".join(map(re.escape, (*_KERAS_FILES, *WEIGHTS, "assets"))))
"""What Keras writes into a folder with ``zipped=False``."""
_DATA_FORMATS = {"hdf5", "numpy", "npz", "unknown"}
"""What may hold anybody's numbers, and is no model by itself."""
_VOWELS = "AEIOU"


@dataclass(frozen=True, slots=True)
class Occupant:
    """``kind`` is such as ``a Keras HDF5 file``; ``size`` in bytes, ``changed`` in seconds since
    the epoch. ``obstacle`` says why it must not be replaced, and is empty where it may be.
    """

    kind: str
    size: int
    changed: float
    is_model: bool = False
    obstacle: str = ""


def occupant(path: Path) -> Occupant | None:
    """What stands at ``path``, or ``None``; a symbolic link is not followed.

    Only what is empty, a link or a readable model may be replaced, and a folder only if it holds
    nothing else: whatever else there is, somebody may miss. Raises `OSError`.
    """
    if not os.path.lexists(path):
        return None
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return _occupant(path, f"a symbolic link to {path.readlink()}, which itself stays")
    if stat.S_ISDIR(mode):
        return _folder(path)
    if stat.S_ISREG(mode):
        return _file(path)
    return _occupant(path, "a device or a pipe", obstacle=f"{path.name} is a device or a pipe")


def _occupant(path: Path, kind: str, *, obstacle: str = "") -> Occupant:
    found = path.lstat()
    reason = f"{obstacle}, so it is not replaced. Choose another name." if obstacle else ""
    return Occupant(kind, found.st_size, found.st_mtime, obstacle=reason)


def _folder(path: Path) -> Occupant:
    names = sorted(member.name for member in path.iterdir())
    if not names:
        return _occupant(path, "an empty folder")
    written = _written_with(names)
    if written is None:
        reason = f"{path.name} is a folder that holds no saved model"
        return _occupant(path, "a folder without a model", obstacle=reason)
    if foreign := [name for name in names if not written.fullmatch(name)]:
        reason = (
            f"{path.name} also holds {', '.join(foreign[:3])}, which is no part of a saved model "
            "and would be lost"
        )
        return _occupant(path, "a folder with more than a model", obstacle=reason)
    try:
        return _model(path, "a folder with {article} {format}")
    except UnreadableArtifact:
        return _occupant(path, "a folder with a model that cannot be read")


def _written_with(names: Sequence[str]) -> re.Pattern[str] | None:
    """The names of what is written together with a model of which these files are."""
    if any(name in _MODEL_FILES or name.endswith(".index") for name in names):
        return _WRITTEN
    is_keras = {*names} >= _KERAS_FILES and any(name in names for name in WEIGHTS)
    return _KERAS_WRITTEN if is_keras else None


def _file(path: Path) -> Occupant:
    if path.stat().st_size == 0:
        return _occupant(path, "an empty file")
    try:
        return _model(path, "{article} {format} file")
    except UnreadableArtifact:
        reason = f"{path.name} is a file that cannot be read as a model"
        return _occupant(path, "a file that is no model", obstacle=reason)


def _no_model(path: Path, artifact: Artifact, name: str) -> Occupant:
    """What can be opened, but is not a saved model that this program would write."""
    if artifact.format == "unknown":
        reason = f"{path.name} is a file that cannot be read as a model"
        return _occupant(path, "a file that is no model", obstacle=reason)
    if artifact.archive:
        reason = f"{path.name} is an archive, which may hold more than a model"
        return _occupant(path, "an archive", obstacle=reason)
    reason = f"{path.name} is {name} file that holds no Keras model"
    return _occupant(path, f"{name} file without a model", obstacle=reason)


def _one_of_several(path: Path, artifact: Artifact) -> str:
    return (
        f"{path.name} is one of the files of the {artifact.format_name} {artifact.name}, whose "
        "others are of no use without it"
    )


def _model(path: Path, kind: str) -> Occupant:
    artifact = open_artifact(str(path))
    try:
        name = artifact.format_name
        article = "an" if name[:1] in _VOWELS or name.startswith("HDF5") else "a"
        if artifact.format in _DATA_FORMATS or artifact.archive:
            return _no_model(path, artifact, f"{article} {name}")
        kind = "{article} {format}" if name.endswith("folder") else kind
        text = kind.format(article=article, format=name)
        if path.is_file() and artifact.size > path.stat().st_size:
            return _occupant(path, text, obstacle=_one_of_several(path, artifact))
        return Occupant(text, artifact.size, path.stat().st_mtime, is_model=True)
    finally:
        artifact.close()
