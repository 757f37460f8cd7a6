"""Tree nodes for files and folders that have no reader of their own."""

from __future__ import annotations

from explorer.formats.artifact import Node, NodeList, NodeType
from explorer.formats.storage import Entry, Storage
from explorer.formats.text import count_text


def file_node(storage: Storage, entry: Entry, folder: str = "", kind: str = "") -> Node:
    """A node for a member of ``folder``; a folder's own members are listed when asked for."""
    if not entry.is_folder:
        return Node(entry.name, NodeType.FILE, kind=kind or "file", size=entry.size)
    member = f"{folder}/{entry.name}" if folder else entry.name
    below = storage.entries(member)
    return Node(
        entry.name,
        NodeType.DIRECTORY,
        kind=count_text(len(below), "file") if below else "empty",
        size=sum(entry.size for entry in below) if below else None,
        source=NodeList(lambda: [file_node(storage, e, member) for e in below]) if below else None,
    )
