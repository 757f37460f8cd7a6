"""The members of an archive by folder."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.formats.storage import Entry, Storage

_DEEPEST = 64


class MemberIndex:
    """Files by their full names with their ``sizes`` in bytes, listed folder by folder.

    Those that lie deeper than any real file are left out: each folder above takes memory.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = {n: size for n, size in sizes.items() if n.count("/") <= _DEEPEST}
        self._folders: dict[str, dict[str, Entry]] = {"": {}}
        for name, size in self.sizes.items():
            self._add(name, Entry(name.rpartition("/")[2], False, size))

    def _add(self, path: str, entry: Entry) -> None:
        """Put a file into its folder, and every folder above it, until one is there already."""
        above, _, _ = path.rpartition("/")
        is_new = above not in self._folders
        self._folders.setdefault(above, {}).setdefault(entry.name, entry)
        while is_new:
            above, _, name = above.rpartition("/")
            is_new = above not in self._folders
            self._folders.setdefault(above, {})[name] = Entry(name, True, 0)

    def entries(self, folder: str) -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where there is no such folder."""
        return sorted(self._folders.get(folder, {}).values(), key=lambda entry: entry.name)


class ArchiveStorage(Storage):
    """The members of the archive that ``outer`` holds; each kind fills ``_index`` with them."""

    is_folder = True
    _index: MemberIndex

    def __init__(self, outer: Storage) -> None:
        self.outer = outer
        self.uri = outer.uri
        self.name = outer.name
        self.archives = outer.archives + 1

    def names(self) -> list[str]:
        """Every member that can be read, in no order."""
        return list(self._index.sizes)

    def entries(self, folder: str = "") -> list[Entry]:
        """The members of ``folder``, sorted by name; empty where it does not exist."""
        return self._index.entries(folder)

    def parent(self) -> Storage | None:
        """The archive has no folder around it that its members may name."""
        return None
