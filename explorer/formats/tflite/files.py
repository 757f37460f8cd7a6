"""The associated files of a TensorFlow Lite model: a zip archive appended to the FlatBuffer.

Label lists and vocabularies that the metadata names. Source:
https://ai.google.dev/edge/litert/models/metadata.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from explorer.formats.archives.zip_storage import EMPTY_ARCHIVE, ZipStorage
from explorer.formats.artifact import Check, Hazard, Node, NodeType, UnreadableArtifact
from explorer.formats.files import text_attributes
from explorer.formats.storage import Storage
from explorer.formats.tflite.graph import group

_END = struct.Struct("<4s4H2LH")
_LONGEST_COMMENT = (1 << 16) - 1


@dataclass(frozen=True, slots=True)
class FileNote:
    """What the metadata says of an associated file."""

    description: str = ""
    kind: str = ""
    locale: str = ""


class AssociatedFiles:
    """The files behind the model. ``problem`` says why they cannot be listed where that is so."""

    def __init__(self, storage: Storage) -> None:
        self._archive: ZipStorage | None = None
        self.problem = ""
        if not _ends_in_archive(storage):
            return
        try:
            self._archive = ZipStorage(storage)
        except UnreadableArtifact:
            self.problem = (
                f"The archive with associated files at the end of {storage.name} is damaged, so "
                "they cannot be listed. Copy or download the model again."
            )

    def close(self) -> None:
        """Close the archive."""
        if self._archive is not None:
            self._archive.close()

    def names(self) -> list[str]:
        """The files that can be read, sorted."""
        return [] if self._archive is None else sorted(self._archive.names())

    def hazards(self) -> Iterator[Hazard]:
        """Files that would be unpacked elsewhere, and those that would fill the disk."""
        if self._archive is not None:
            yield from self._archive.hazards()

    def checks(self, notes: Mapping[str, FileNote]) -> Iterator[Check]:
        """The CRC-32 of each file, and whether each that the metadata names is there."""
        if self.problem:
            yield Check("zip list", "associated files", self.problem)
        if self._archive is not None:
            yield from self._archive.checks()
        names = set(self.names())
        for name in notes:
            missing = "" if name in names else "The metadata names this file, but it is not there."
            yield Check("file present", name, missing)

    def node(self, notes: Mapping[str, FileNote]) -> Node:
        """The group of all files."""
        names = self.names()
        return group(
            "associated files",
            "file",
            len(names),
            lambda index: self._file_node(names[index], notes.get(names[index], FileNote())),
        )

    def _file_node(self, name: str, note: FileNote) -> Node:
        return Node(
            name,
            NodeType.FILE,
            kind=note.kind or "file",
            size=None if self._archive is None else self._archive.size(name),
            attributes=lambda: [
                *(
                    (k, v)
                    for k, v in (("description", note.description), ("locale", note.locale))
                    if v
                ),
                *(text_attributes(self._archive, name) if self._archive is not None else ()),
            ],
        )


def _ends_in_archive(storage: Storage) -> bool:
    """Whether the end of a zip archive stands at the end of the file, and nothing behind it.

    End of central directory record: APPNOTE 4.3.16.
    """
    size = storage.size() or 0
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    tail = storage.read("", start, size - start)
    end = tail.rfind(EMPTY_ARCHIVE)
    if end < 0 or end + _END.size > len(tail):
        return False
    comment: int = _END.unpack_from(tail, end)[-1]
    return end + _END.size + comment == len(tail)
