"""Which checkpoints a folder holds, by the names of its files and by its state file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.text_encoding import CUnescape

from explorer.formats.checkpoint.old_checkpoint import shard_prefix
from explorer.formats.checkpoint.stored_variables import natural_key
from explorer.formats.checkpoint.tensor_bundle import INDEX_ENDING, is_index
from explorer.formats.storage import Entry, Storage

STATE_FILE = "checkpoint"
STATE_START = b"model_checkpoint_path"
_LARGEST_STATE = 1 << 20
_PATH = re.compile(
    r"""^\s*(all_)?model_checkpoint_paths?\s*:\s*("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""",
    re.MULTILINE,
)
_OLD_SHARDS = re.compile(r"-\?{5}-of-\d{5}$")
_FILE = re.compile(r"(.+)(\.index|\.data-\d{5}-of-\d{5}|\.meta)")


@dataclass(frozen=True)
class CheckpointFolder:
    """A folder, listed once; checkpoints go by their prefixes."""

    storage: Storage

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """The members of the folder."""
        return self.storage.entries()

    @cached_property
    def _by_prefix(self) -> Mapping[str, Sequence[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            match = _FILE.fullmatch(entry.name)
            if match and not entry.is_folder:
                found.setdefault(match[1], []).append(entry)
        return found

    @cached_property
    def _old_by_prefix(self) -> Mapping[str, Sequence[Entry]]:
        """What can be a table of format V1, which has no ending."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if not entry.is_folder:
                found.setdefault(shard_prefix(entry.name) or entry.name, []).append(entry)
        return found

    def files(self, prefix: str) -> Sequence[Entry]:
        """The files of a checkpoint: index, shards and graph, or the tables of format V1."""
        return self._old(prefix) if self.is_old(prefix) else self._by_prefix.get(prefix, ())

    def is_old(self, prefix: str) -> bool:
        """Whether a checkpoint is of format V1: a table under its own name, or several."""
        return not self.has_index(prefix) and bool(self._old(prefix))

    def _old(self, prefix: str) -> Sequence[Entry]:
        entries = self._old_by_prefix.get(prefix, ())
        return entries if entries and is_index(self.storage, entries[0].name) else ()

    def has_index(self, prefix: str) -> bool:
        """Whether there is a table, or what is called like one and has a shard beside it."""
        names = [entry.name for entry in self._by_prefix.get(prefix, ())]
        if prefix + INDEX_ENDING not in names:
            return False
        return self.has_data(prefix) or is_index(self.storage, prefix + INDEX_ENDING)

    def has_data(self, prefix: str) -> bool:
        """Whether there is a shard, with an index or without."""
        names = [entry.name for entry in self._by_prefix.get(prefix, ())]
        return any(".data-" in name.removeprefix(prefix) for name in names)

    def prefixes(self) -> tuple[str, ...]:
        """The checkpoints, the latest first: those of the state file, there or not, then others."""
        present = [p for p in self._by_prefix if self.has_data(p) or self.has_index(p)]
        ordered = sorted(present, key=natural_key, reverse=True)
        return tuple(dict.fromkeys([*self._listed(), *ordered]))

    def _listed(self) -> Iterator[str]:
        """What the state file names, by the last part of each path: none elsewhere is followed."""
        size = self.storage.size(STATE_FILE)
        if size is None or size > _LARGEST_STATE:
            return
        text = self.storage.read(STATE_FILE).decode("utf-8", "replace")
        found = [(match[1], match[2]) for match in _PATH.finditer(text)]
        latest = [path for every, path in found if not every]
        for path in [*latest, *(path for every, path in reversed(found) if every)]:
            name = re.split(r"[/\\]", _unescaped(path[1:-1]))[-1]
            if name:
                yield _OLD_SHARDS.sub("", name)


def _unescaped(text: str) -> str:
    """A string of Protocol Buffers' text form, as it was before it was written."""
    try:
        return bytes(CUnescape(text)).decode("utf-8", "replace")
    except ValueError:
        return text
