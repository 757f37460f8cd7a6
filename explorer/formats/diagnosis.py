"""Where a path leads, and in plain words why it leads to no model."""

from __future__ import annotations

import glob
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from explorer.formats.archives.opening import ARCHIVE_ENDINGS, is_archive
from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.model_folders import CHECKPOINT_INDEX, SAVED_MODEL, model_folders
from explorer.formats.storage import Entry, LocalStorage, Storage, local_path, open_storage
from explorer.formats.system_errors import forbidden, words
from explorer.formats.text import bytes_text, count_text, listed, printable_text

_SHARD = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_PEEK = 512
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
}


@dataclass(frozen=True, slots=True)
class Located:
    """Where a path leads; ``inner`` is what of it lies inside ``storage``, a file."""

    storage: Storage
    inner: str = ""


def locate(path: str) -> Located:
    """What a path means: itself, the model that a file of it belongs to, or a place in an archive.

    Raises `UnreadableArtifact` where there is nothing that could be read.
    """
    if not path.strip():
        raise UnreadableArtifact("No path was given. Name a file or a folder that holds a model.")
    if "://" in path:
        return _remote(path)
    local = local_path(path)
    try:
        mode = local.stat().st_mode
    except (OSError, ValueError) as error:
        return _beside(local, error)
    if stat.S_ISDIR(mode):
        return Located(LocalStorage(local))
    if not stat.S_ISREG(mode):
        raise _unreadable(path, f"{path} is a device or a pipe, not a file. Name a file or folder.")
    return Located(owner(LocalStorage(local), LocalStorage(local.parent)))


def _remote(path: str) -> Located:
    storage = open_storage(path)
    if storage.is_folder or storage.size() is not None:
        return Located(owner(storage, storage.parent()))
    archive = re.match(rf"(.+?({'|'.join(map(re.escape, ARCHIVE_ENDINGS))}))/(.+)", path, re.I)
    if archive is None:
        raise _unreadable(path, f"There is nothing at {path}. Check the address.")
    return Located(_remote(archive[1]).storage, archive[3])


def _beside(path: Path, error: OSError | ValueError) -> Located:
    """A checkpoint is named by its prefix, a model in an archive by a path through it."""
    if isinstance(error, FileNotFoundError):
        index = path.with_name(f"{path.name}.index") if path.name else path
        tables = [index] if index.is_file() else sorted(path.parent.glob(_old_shards(path.name)))
        if tables:
            return Located(LocalStorage(tables[0]))
        raise _unreadable(str(path), _vanished(path)) from error
    if isinstance(error, NotADirectoryError):
        file = next(above for above in path.parents if above.exists())
        if file.is_file() and is_archive(LocalStorage(file)):
            return Located(LocalStorage(file), path.relative_to(file).as_posix())
    if isinstance(error, PermissionError):
        raise _unreadable(str(path), forbidden(str(path))) from error
    raise _unreadable(
        str(path), f"{path} is not a path that this system can open: {words(error)}. Check it."
    ) from error


def _old_shards(prefix: str) -> str:
    """A pattern for the tables of a checkpoint of format V1."""
    return f"{glob.escape(prefix)}-{'[0-9]' * 5}-of-{'[0-9]' * 5}"


def owner(file: Storage, folder: Storage | None) -> Storage:
    """The model that a file in ``folder`` belongs to, else the file.

    Raises `UnreadableArtifact` for the data of a checkpoint without its index.
    """
    shard = _SHARD.fullmatch(file.name)
    if file.is_folder or folder is None or not (shard or file.name in SAVED_MODEL):
        return file
    if shard is None:
        return folder
    index = f"{shard[1]}.index"
    if folder.has(index):
        return folder.below(index)
    raise _unreadable(
        file.uri,
        f"{file.name} is the data of a checkpoint, but its index {index}, which says what is "
        "where, is not beside it. Copy both files into one folder and open either.",
    )


def _unreadable(path: str, message: str) -> UnreadableArtifact:
    return UnreadableArtifact(message, path=path)


def _vanished(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a symbolic link to {path.readlink()}, which does not exist."
    above = next((p for p in path.parents if p.is_dir()), None)
    there = f" The folder {above} exists; look there." if above and above.is_absolute() else ""
    return f"{path} does not exist. It was moved, renamed or deleted, or the name is wrong.{there}"


# What was found instead of a model


def found(storage: Storage) -> str:
    """The first bytes of a file in hex and as text, or the first names in a folder."""
    try:
        if storage.is_folder:
            return _folder_found(storage.entries())
        return _bytes_found(storage.read("", 0, 16), storage.size() or 0)
    except (OSError, UnreadableArtifact):
        return ""


def _folder_found(entries: list[Entry]) -> str:
    return f"a folder with {listed([entry.name for entry in entries])}"


def _bytes_found(head: bytes, size: int) -> str:
    if not head:
        return "0 bytes"
    return f"{head.hex(' ')}  “{printable_text(head)}” ({bytes_text(size)} in all)"


def refusal(storage: Storage) -> str:
    """Why a folder, an empty file or one without its end is not opened; empty for any other."""
    if storage.is_folder:
        return _folder_without_model(storage)
    if not storage.size():
        return (
            f"{storage.name} is empty: it has 0 bytes. The save or download did not finish; do it "
            "again."
        )
    if storage.name.endswith(CHECKPOINT_INDEX):
        return (
            f"{storage.name} is named like the index of a checkpoint, but its end is missing or is "
            "not one: an index ends in the SSTable magic number. Copy or download it again."
        )
    return ""


def no_model(storage: Storage) -> str:
    """What a file that no reader knows is, and what to do."""
    head = storage.read("", 0, _PEEK)
    if head.startswith(b"version https://git-lfs.github.com/spec/v1"):
        return _lfs_pointer(storage.name, head)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html")):
        return (
            f"{storage.name} is a web page, not a model: a download was answered with a page, "
            "often one that asks to log in. Download the file itself, for example by its “raw” "
            "link."
        )
    packed = next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), "")
    if packed:
        return (
            f"{storage.name} is compressed by {packed}, and no archive that is read here. Unpack "
            "it, and open what is in it."
        )
    return (
        f"{storage.name} is no model that can be read here: it starts with "
        f"{_bytes_found(head[:8], storage.size() or 0)}. Open a SavedModel folder, a checkpoint, a "
        ".keras, .h5 or .tflite file."
    )


def _lfs_pointer(name: str, head: bytes) -> str:
    size = re.search(rb"\nsize (\d+)", head)
    real = f" of {bytes_text(int(size[1]))}" if size and len(size[1]) < 19 else ""
    return (
        f"{name} is not the model but a Git LFS pointer to it: the file{real} was never "
        "downloaded. Run “git lfs pull” in the repository, then open it again."
    )


def _folder_without_model(storage: Storage) -> str:
    names = [entry.name for entry in storage.entries()]
    start = f"{storage.name} holds no model of its own."
    for name in SAVED_MODEL:
        if name in names:
            return (
                f"{start} Its {name} is not a file, but a folder, a pipe, a device or a link to "
                "nothing. Copy the file there again."
            )
    found = list(model_folders(storage))
    files = [name for where in found if not where.folder for name in where.files]
    files += [name for name in names if name.endswith(CHECKPOINT_INDEX)]
    if files:
        return f"{start} Open one of the files in it: {listed(sorted(files))}."
    below = [where.folder for where in found if where.folder]
    if len(below) == 1:
        return f"{start} There is one in {below[0]}; open that."
    if below:
        return f"{start} There are models in {listed(below)}; open one of them."
    return (
        f"{start} A SavedModel folder holds saved_model.pb and a folder variables, a checkpoint "
        f"folder files that end in .index and .data-00000-of-00001. This one holds "
        f"{listed(names)} ({count_text(len(names), 'entry', 'entries')})."
    )
