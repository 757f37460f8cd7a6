"""Where a path leads, and in plain words why it leads to no model."""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.storage import Entry, LocalStorage, Storage, open_storage
from explorer.formats.text import bytes_text, count_text

_MODEL_ENDINGS = (".keras", ".h5", ".hdf5", ".tflite", ".index")
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
_SHARD = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_PEEK = 512
_FOLDERS_SEARCHED = 200
_LISTED = 6


def locate(path: str) -> Storage:
    """The storage that a path means: itself, or the model that a file of it belongs to.

    Raises `UnreadableArtifact` where there is nothing that could be read.
    """
    if not path.strip():
        raise UnreadableArtifact("No path was given. Name a file or a folder that holds a model.")
    if "://" in path:
        return _remote(path)
    local = Path(path).expanduser()
    try:
        mode = local.stat().st_mode
    except (OSError, ValueError) as error:
        return _beside(local, error)
    if stat.S_ISDIR(mode):
        return LocalStorage(local)
    if not stat.S_ISREG(mode):
        raise _unreadable(path, f"{path} is a device or a pipe, not a file. Name a file or folder.")
    return _file(local)


def _remote(path: str) -> Storage:
    storage = open_storage(path)
    try:
        there = storage.is_folder or storage.size() is not None
    except OSError as error:
        raise _unreadable(path, system_error(storage, error)) from error
    if not there:
        raise _unreadable(path, f"There is nothing at {path}. Check the address.")
    return storage


def _beside(path: Path, error: OSError | ValueError) -> Storage:
    """A checkpoint is named by its prefix, which is no file itself."""
    if isinstance(error, FileNotFoundError):
        index = path.with_name(f"{path.name}.index") if path.name else path
        if index.is_file():
            return LocalStorage(index)
        raise _unreadable(str(path), _vanished(path)) from error
    if isinstance(error, PermissionError):
        raise _unreadable(str(path), _forbidden(str(path))) from error
    raise _unreadable(
        str(path), f"{path} is not a path that this system can open: {_words(error)}. Check it."
    ) from error


def _file(path: Path) -> Storage:
    if path.name in _SAVED_MODEL:
        return LocalStorage(path.parent)
    shard = _SHARD.fullmatch(path.name)
    if shard is None:
        return LocalStorage(path)
    index = path.with_name(f"{shard[1]}.index")
    if index.is_file():
        return LocalStorage(index)
    raise _unreadable(
        str(path),
        f"{path.name} is the data of a checkpoint, but its index {index.name}, which says what is "
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


def _forbidden(path: str) -> str:
    return (
        f"{path} may not be read: this user has no permission. Ask its owner, or change its "
        "permissions."
    )


def _words(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def system_error(storage: Storage, error: OSError) -> str:
    """What the system said while a file was being read, and what to do."""
    where = str(error.filename or storage.uri)
    if isinstance(error, PermissionError):
        return _forbidden(where)
    if isinstance(error, FileNotFoundError):
        return f"{where} vanished while it was being read. Open it again if it is back."
    if error.errno == errno.EIO:
        return f"{where} cannot be read from the disk: {_words(error)}. Check the disk."
    return f"{where} cannot be read: {_words(error)}. Try again, or copy it elsewhere first."


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
    return f"a folder with {_listed([entry.name for entry in entries])}"


def _listed(names: list[str]) -> str:
    if not names:
        return "nothing in it"
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _bytes_found(head: bytes, size: int) -> str:
    if not head:
        return "0 bytes"
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in head)
    return f"{head.hex(' ')}  “{text}” ({bytes_text(size)} in all)"


def no_model(storage: Storage) -> str:
    """Why no reader knows this file or folder, and what to do."""
    if storage.is_folder:
        return _folder_without_model(storage)
    head = storage.read("", 0, _PEEK)
    if not head:
        return (
            f"{storage.name} is empty: it has 0 bytes. The save or download did not finish; do it "
            "again."
        )
    if head.startswith(b"version https://git-lfs.github.com/spec/v1"):
        return _lfs_pointer(storage.name, head)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html")):
        return (
            f"{storage.name} is a web page, not a model: a download was answered with a page, "
            "often one that asks to log in. Download the file itself, for example by its “raw” "
            "link."
        )
    if storage.name.endswith(".index"):
        return (
            f"{storage.name} is named like the index of a checkpoint, but its end is missing or is "
            "not one: an index ends in the SSTable magic number. Copy or download it again."
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
    entries = storage.entries()
    names = [entry.name for entry in entries]
    start = f"{storage.name} holds no model of its own."
    files = [entry.name for entry in entries if _is_model_file(entry)]
    if files:
        return f"{start} Open one of the files in it: {_listed(files)}."
    below = list(_model_folders(storage))
    if len(below) == 1:
        return f"{start} There is one in {below[0]}; open that."
    if below:
        return f"{start} There are models in {_listed(below)}; open one of them."
    return (
        f"{start} A SavedModel folder holds saved_model.pb and a folder variables, a checkpoint "
        f"folder files that end in .index and .data-00000-of-00001. This one holds "
        f"{_listed(names)} ({count_text(len(names), 'entry', 'entries')})."
    )


def _is_model_file(entry: Entry) -> bool:
    return not entry.is_folder and entry.name.lower().endswith(_MODEL_ENDINGS)


def _model_folders(storage: Storage) -> Iterator[str]:
    """Folders below that hold a model, nearest first; at most so many are looked into."""
    pending = [entry.name for entry in storage.entries() if entry.is_folder]
    for _ in range(_FOLDERS_SEARCHED):
        if not pending:
            return
        folder = pending.pop(0)
        entries = _entries(storage, folder)
        if any(entry.name in _SAVED_MODEL or _is_model_file(entry) for entry in entries):
            yield folder
        else:
            pending += [f"{folder}/{entry.name}" for entry in entries if entry.is_folder]


def _entries(storage: Storage, folder: str) -> list[Entry]:
    try:
        return storage.entries(folder)
    except (OSError, UnreadableArtifact):
        return []
