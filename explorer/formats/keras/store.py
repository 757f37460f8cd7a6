"""Keras weights as an object tree: in ``.keras`` archives and ``.weights.h5`` files.

Each object is a group, its variables are numbered in its group ``vars``
(``keras/src/saving/saving_lib.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain

from explorer.formats.artifact import Layer, Role, Tensor
from explorer.formats.hdf5.file import HDF5_ERRORS, Hdf5File, text_attribute
from explorer.formats.hdf5.objects import Hdf5Object, ObjectKind
from explorer.formats.hdf5.tree import links_of, open_group, visit
from explorer.formats.keras.config import LayerConfig, Place, places
from explorer.formats.keras.layers import make_layers
from explorer.formats.keras.variables import class_of_group
from explorer.formats.keras.weights import parts_of

_TWICE = "_layer_checkpoint_dependencies"
CONTAINERS = ("layers", _TWICE)
"""Where the layers of a model lie; Keras 2.12 and 2.13 used the second name."""

_MOST_TRIED = 100
_LONGEST_NUMBER = 10

StoredName = Callable[[str], str]
"""The name of the object whose group is at a path, empty where the file does not say."""

PlaceOf = Callable[[str], str]
"""Where a config has what is stored at a path."""


def store_role(path: str) -> Role:
    """The role of ``layers/dense/vars/0``, ``optimizer/vars/3``, ``metrics/mean/vars/0``."""
    parts = parts_of(path)
    if parts[0] == "optimizer" or parts[0].endswith("_optimizer"):
        return Role.OPTIMIZER
    if parts[0] == "metrics":
        return Role.METRIC
    is_weight = "vars" in parts and "seed_generator" not in parts
    return Role.WEIGHT if is_weight else Role.OTHER


class Places:
    """The paths of objects as Keras 3 numbers them, of files of every version.

    Keras 2.12 and 2.13 go through the list of layers with each layer that has weights in it twice
    and count it twice, so that three such layers lie in ``dense``, ``dense_2`` and ``dense_4``.
    ``groups_in`` gives the names of the groups in the one at a path.
    """

    def __init__(self, groups_in: Callable[[str], Iterable[str]]) -> None:
        self._groups_in = groups_in
        self._names: Callable[[str], dict[str, str]] = cache(self._renumbered)

    def of(self, path: str) -> str:
        """``layers/dense_1/vars/0`` for ``_layer_checkpoint_dependencies/dense_2/vars/0``."""
        parts = parts_of(path)
        found = [CONTAINERS[0] if part == _TWICE else part for part in parts]
        for end, part in enumerate(parts[:-1], 1):
            if part == _TWICE:
                found[end] = self._names("/".join(parts[:end])).get(parts[end], parts[end])
        return "/".join(found)

    def _renumbered(self, place: str) -> dict[str, str]:
        numbered = sorted((*_stem_and_number(name), name) for name in self._groups_in(place))
        seen: Counter[str] = Counter()
        names = {}
        for stem, _, name in numbered:
            names[name] = f"{stem}_{seen[stem]}" if seen[stem] else stem
            seen[stem] += 1
        return names


def _stem_and_number(name: str) -> tuple[str, int]:
    stem, found, number = name.rpartition("_")
    is_numbered = found and number.isdecimal() and len(number) < _LONGEST_NUMBER
    return (stem, int(number)) if is_numbered else (name, 0)


def store_kinds(model: LayerConfig | None) -> dict[str, str]:
    """For each layer's group, its class and name as ``Dense · predictions``."""
    if model is None:
        return {}
    return {place.store: f"{layer.class_name} · {layer.name}" for layer, place in places(model)}


def stored_names(file: Hdf5File) -> dict[str, str]:
    """The names of objects by their places, which Keras 3.6 and newer write to the groups ``vars``.

    All are read in one walk, since looking up one by its path reads the whole list of layers.
    """
    with suppress(*HDF5_ERRORS):
        return dict(_stored_names(file.root))
    return {}


def _stored_names(root: Hdf5Object) -> Iterator[tuple[str, str]]:
    for path, found in visit(root):
        place, _, last = path.decode("utf-8", "replace").rpartition("/")
        if last == "vars" and isinstance(found, Hdf5Object):
            name = text_attribute(found, "name")
            if name:
                yield place, name


def store_layers(
    model: LayerConfig | None,
    tensors: Sequence[Tensor],
    groups: Iterable[str],
    name_of: StoredName,
    place_of: PlaceOf,
    is_whole: bool = True,
) -> tuple[Layer, ...]:
    """The layers of a config with the numbers stored for them, else those that have ``groups``.

    Not ``is_whole`` where weights are missing or cannot be read.
    """
    totals = _totals(tensors, place_of)
    if model is None or not model.layers:
        optimizers = {"/".join(parts_of(t.path)[:-2]) for t in tensors if t.role is Role.OPTIMIZER}
        found = (place for place in groups if place not in optimizers)
        return tuple(_found_layer(place, totals[place_of(place)], name_of) for place in found)
    total = totals.get("layers", 0) if is_whole else None
    return make_layers(model, lambda place: _count_at(place, totals), total)


def _found_layer(place: str, count: int, name_of: StoredName) -> Layer:
    """Weights alone name no classes, but a group in a list of layers is named after its class.

    They are numbered anew in each list, whatever their names, so the place stands for a name.
    """
    above, _, name = place.rpartition("/")
    class_name = class_of_group(name) if above else ""
    return Layer(name_of(place) or place, class_name, parameters=count)


def _count_at(place: Place, totals: Counter[str]) -> int | None:
    return totals.get(place.store)


def _totals(tensors: Sequence[Tensor], place_of: PlaceOf) -> Counter[str]:
    """How many numbers the weights below each group hold, by the group's place."""
    totals: Counter[str] = Counter()
    for tensor in tensors:
        if tensor.role is Role.WEIGHT:
            parts = place_of(tensor.path).split("/")
            for end in range(1, len(parts)):
                totals["/".join(parts[:end])] += tensor.element_count
    return totals


def is_store(root: Hdf5Object) -> bool:
    """Whether a file's groups are an object tree; a shard may lack the group at the top."""
    lists = [group for name in CONTAINERS for group in _below(root, name)]
    layers = (layer for group in lists for _, layer in _groups(group, _MOST_TRIED))
    objects = chain([root], _below(root, "optimizer"), layers)
    return any(b"vars" in found.links for found in objects)


def _below(root: Hdf5Object, place: str) -> Iterator[Hdf5Object]:
    """The group at a place, if there is one."""
    with suppress(KeyError):
        yield open_group(root, place)


def layer_groups(file: Hdf5File) -> list[str]:
    """The groups that are layers, at the top or in a list such as ``layers``."""
    with suppress(*HDF5_ERRORS):
        return list(_layer_groups(file.root))
    return []


def groups_in(file: Hdf5File, place: str) -> list[str]:
    """The names of the groups in the one at a path, as many as can be read."""
    with suppress(KeyError, *HDF5_ERRORS):
        return [name for name, _ in _groups(open_group(file.root, place))]
    return []


def _layer_groups(root: Hdf5Object) -> Iterator[str]:
    for label, group in _groups(root):
        if label == "vars" or store_role(f"{label}/vars/0") is not Role.WEIGHT:
            continue
        if b"vars" in group.links:
            yield label
        else:
            yield from (f"{label}/{name}" for name, _ in _groups(group))


def _groups(parent: Hdf5Object, most: int | None = None) -> Iterator[tuple[str, Hdf5Object]]:
    """The groups right below one, by name; links are left out. At most so many are looked at."""
    for name, link in links_of(parent)[:most]:
        obj = parent.at(link) if isinstance(link, int) else None
        if obj is not None and obj.kind is ObjectKind.GROUP:
            yield name.decode("utf-8", "replace"), obj
