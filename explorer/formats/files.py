"""Tree nodes for files and folders that have no reader of their own."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.formats.artifact import Node, NodeType, UnreadableArtifact
from explorer.formats.storage import Entry, Storage, joined
from explorer.formats.text import count_text

_LONGEST_TEXT = 1 << 16
_SPACES = str.maketrans(dict.fromkeys("\n\r\t", " "))


def file_node(storage: Storage, entry: Entry, folder: str = "", kind: str = "") -> Node:
    """A node for a member of ``folder``; what lies in folders below is listed when asked for.

    A symbolic link shows where it leads and is not followed.
    """
    if entry.link:
        return Node(entry.name, NodeType.FILE, kind="link", summary=f"→ {entry.link}")
    if not entry.is_folder:
        return Node(entry.name, NodeType.FILE, kind=kind or "file", size=entry.size)
    return _folder_node(storage, entry.name, joined(folder, entry.name))


def folder_nodes(storage: Storage, folder: str = "") -> list[Node]:
    """A node for every member of ``folder``."""
    return [file_node(storage, entry, folder) for entry in storage.entries(folder)]


def _folder_node(storage: Storage, name: str, member: str) -> Node:
    try:
        below = storage.entries(member)
    except (OSError, UnreadableArtifact) as error:
        problem = str(error)
        return Node(
            name,
            NodeType.DIRECTORY,
            kind="not readable",
            attributes=lambda: [("problem", problem)],
        )
    return Node(
        name,
        NodeType.DIRECTORY,
        kind=count_text(len(below), "file") if below else "empty",
        size=sum(entry.size for entry in below) if below else None,
        source=_Members(storage, member, below) if below else None,
    )


class _Members:
    """A `NodeSource` over the members of a folder: each page makes its own nodes alone."""

    def __init__(self, storage: Storage, folder: str, entries: Sequence[Entry]) -> None:
        self._storage = storage
        self._folder = folder
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        return [file_node(self._storage, e, self._folder) for e in self._entries[start:stop]]


def text_attributes(storage: Storage, member: str) -> list[tuple[str, str]]:
    """The beginning of a file where it is text, such as a vocabulary, or why it cannot be read."""
    try:
        data = storage.read(member, 0, _LONGEST_TEXT)
    except (UnreadableArtifact, OSError) as error:
        return [("problem", str(error))]
    text = data.decode("utf-8", "replace")
    if not text.translate(_SPACES).isprintable():
        return []
    return [("text", f"{text} …" if len(data) == _LONGEST_TEXT else text)]
