"""What holds the weights of a Keras model: an HDF5 file, an ``.npz`` archive, or several files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Protocol

from explorer.formats.artifact import Check, Hazard, Node, NodeSource, Tensor, UnreadableArtifact
from explorer.formats.hdf5.checks import checks_of, hazards_of
from explorer.formats.hdf5.file import Hdf5File, check_complete
from explorer.formats.hdf5.superblock import superblock_offset
from explorer.formats.hdf5.tree import Hdf5View, root_source, walk
from explorer.formats.keras.store import (
    PlaceOf,
    Places,
    groups_in,
    layer_groups,
    store_role,
    stored_names,
)
from explorer.formats.storage import Storage


class WeightsStore(Protocol):
    """The weights as they are stored, by the paths of Keras's object tree."""

    @property
    def kind(self) -> str:
        """What to call it."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What of it is missing or damaged."""
        ...

    def tensors(self) -> Sequence[Tensor]:
        """Every array."""
        ...

    def layer_groups(self) -> Sequence[str]:
        """The groups of the layers."""
        ...

    def stored_name(self, place: str) -> str:
        """The name of the object whose group is at ``place``, empty where none is stored."""
        ...

    def place_of(self, path: str) -> str:
        """Where a config has what is stored at a path."""
        ...

    def nodes(self, kind: Callable[[str], str]) -> NodeSource:
        """The tree; ``kind`` says what the group at a path is."""
        ...

    def hazards(self) -> Iterable[Hazard]:
        """What reaches out of the file, or could run."""
        ...

    def checks(self) -> Iterable[Check]:
        """Checks of the file beside those of the archive that it lies in."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


class Hdf5Weights:
    """A ``.weights.h5`` file. Raises `UnreadableArtifact` where it cannot be opened."""

    kind = "HDF5 weights"

    def __init__(self, storage: Storage, member: str) -> None:
        self.file = Hdf5File(storage, member)
        self.notes: Sequence[str] = tuple(_cut_short(storage, member))
        self._member = member
        self._view = Hdf5View(self.file, store_role, lambda _path: "", member)
        self.tensors: Callable[[], Sequence[Tensor]] = cache(lambda: tuple(walk(self._view)))
        self.place_of: PlaceOf = Places(partial(groups_in, self.file)).of

    @cached_property
    def stored_names(self) -> Mapping[str, str]:
        """The names of the objects whose groups are at these places."""
        return stored_names(self.file)

    def stored_name(self, place: str) -> str:
        """The name of the object whose group is at ``place``, empty where none is stored."""
        return self.stored_names.get(place, "")

    def layer_groups(self) -> Sequence[str]:
        """The groups of the layers, also those without variables where they are named."""
        return layer_groups(self.file)

    def nodes(self, kind: Callable[[str], str]) -> NodeSource:
        """The groups and datasets as they are."""
        return root_source(replace(self._view, kind=kind))

    def hazards(self) -> Iterable[Hazard]:
        """Links and values elsewhere."""
        return hazards_of(self.file, f"{self._member}/")

    def checks(self) -> Iterable[Check]:
        """Whether the file is whole; structure, checksums and sizes."""
        yield Check("byte count", self._member, " ".join(self.notes))
        yield from checks_of(self.file, f"{self._member}/")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _cut_short(storage: Storage, member: str) -> Iterator[str]:
    """What is left of a file that was cut short is shown all the same."""
    try:
        check_complete(storage.below(member), superblock_offset(storage, member) or 0)
    except UnreadableArtifact as error:
        yield str(error)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A `NodeSource` like another, whose tensors have labels at every depth."""

    source: NodeSource
    label: Callable[[str], str]

    def __len__(self) -> int:
        return len(self.source)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        return [self._node(node) for node in self.source.page(start, stop)]

    def _node(self, node: Node) -> Node:
        tensor = node.tensor
        if tensor is not None:
            tensor = replace(tensor, label=self.label(tensor.path))
        below = None if node.source is None else Labelled(node.source, self.label)
        return replace(node, tensor=tensor, source=below)
