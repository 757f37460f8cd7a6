"""Whether this program wrote an artifact: a fingerprint of its bytes, and a record of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_CHUNK = 1 << 20
_LIMIT = 2000
"""Notes kept; the oldest go first."""


def digest(path: Path) -> str:
    """``<size>-<sha256>`` over the names, kinds and bytes of a file or a whole folder.

    The artifact's own name does not count, so that it may be moved. A symbolic link inside a
    folder counts by where it points and is not followed. ``size`` is in bytes. Raises `OSError`.
    """
    root = path.resolve(strict=True)
    total = hashlib.sha256()
    size = 0
    for name, member, kind in _members(root):
        content, length = _content(member, kind)
        for part in (kind.encode(), name, content):
            total.update(len(part).to_bytes(8, "big") + part)
        size += length
    return f"{size}-{total.hexdigest()}"


def _members(root: Path) -> Iterator[tuple[bytes, Path, str]]:
    """Relative name, path and kind of everything below ``root`` and of itself, in fixed order."""
    kind = _kind(root)
    yield b"", root, kind
    if kind != "folder":
        return
    names = sorted(_walk(root, b""))
    for name in names:
        member = root / os.fsdecode(name)
        yield name, member, _kind(member)


def _walk(folder: Path, prefix: bytes) -> Iterator[bytes]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + os.fsencode(entry.name)
            yield name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), name + b"/")


def _kind(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def _content(path: Path, kind: str) -> tuple[bytes, int]:
    """The hash of a file's bytes or a link's target, and how many bytes of a file there are."""
    if kind == "link":
        return os.fsencode(path.readlink()), 0
    if kind != "file":
        return b"", 0
    inner = hashlib.sha256()
    length = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            inner.update(chunk)
            length += len(chunk)
    return inner.digest(), length


def artifact_size(path: Path) -> int:
    """Bytes of the file, or of all files in the folder. Raises `OSError`."""
    members = _members(path.resolve(strict=True))
    return sum(member.lstat().st_size for _, member, kind in members if kind == "file")


class Ledger:
    """The record of what this program wrote: one JSON file, from digest to note.

    A damaged or missing file counts as empty. The file is read anew each time, so that several
    windows share it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, digest: str, note: Mapping[str, str]) -> None:
        """Keep a note; the file is replaced whole or not at all. Raises `OSError`."""
        notes = self._read()
        notes.pop(digest, None)
        notes[digest] = dict(note)
        kept = dict(list(notes.items())[-_LIMIT:])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(".tmp", f"{self._path.name}.", self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(kept, file, indent=1)
            Path(temporary).replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise

    def find(self, digest: str) -> Mapping[str, str] | None:
        """The note kept for a digest."""
        return self._read().get(digest)

    def recognise(self, path: Path) -> Mapping[str, str] | None:
        """The note of the artifact at ``path``; its bytes are read only where a size matches.

        Raises `OSError`.
        """
        notes = self._read()
        if not notes:
            return None
        start = f"{artifact_size(path)}-"
        if not any(known.startswith(start) for known in notes):
            return None
        return notes.get(digest(path))

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {key: note for key, note in found.items() if _is_note(note)}


def _is_note(note: object) -> bool:
    return isinstance(note, dict) and all(isinstance(value, str) for value in note.values())
