"""Keras weights as an object tree: in ``.keras`` archives and ``.weights.h5`` files.

Each object is a group, its variables are numbered in its group ``vars``
(``keras/src/saving/saving_lib.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain

from explorer.formats.artifact import Layer, Role, Tensor
from explorer.formats.hdf5.objects import Hdf5Object, ObjectKind
from explorer.formats.hdf5_file import HDF5_ERRORS, Hdf5File, text_attribute
from explorer.formats.hdf5_tree import links_of, open_group
from explorer.formats.keras_config import LayerConfig, Place, make_layers, places
from explorer.formats.keras_variables import class_of_group
from explorer.formats.keras_weights import parts_of

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""Where the layers of a model lie; Keras 2.12 and 2.13 used the second name."""

_MOST_TRIED = 100

StoredName = Callable[[str], str]
"""The name of the object whose group is at a path, empty where the file does not say."""


def store_role(path: str) -> Role:
    """The role of ``layers/dense/vars/0``, ``optimizer/vars/3``, ``metrics/mean/vars/0``."""
    parts = parts_of(path)
    if parts[0] == "optimizer" or parts[0].endswith("_optimizer"):
        return Role.OPTIMIZER
    if parts[0] == "metrics":
        return Role.METRIC
    is_weight = "vars" in parts and "seed_generator" not in parts
    return Role.WEIGHT if is_weight else Role.OTHER


def store_kinds(model: LayerConfig | None) -> dict[str, str]:
    """For each layer's group, its class and name as ``Dense · predictions``."""
    if model is None:
        return {}
    return {place.store: f"{layer.class_name} · {layer.name}" for layer, place in places(model)}


def stored_name(file: Hdf5File, place: str) -> str:
    """The name of an object, which Keras 3.6 and newer write to the group of its variables."""
    with suppress(KeyError, *HDF5_ERRORS):
        return text_attribute(open_group(file.root, f"{place}/vars"), "name")
    return ""


def store_layers(
    model: LayerConfig | None,
    tensors: Sequence[Tensor],
    groups: Iterable[str],
    name_of: StoredName,
    is_whole: bool = True,
) -> tuple[Layer, ...]:
    """The layers of a config with the numbers stored for them, else those that have ``groups``.

    Not ``is_whole`` where weights are missing or cannot be read.
    """
    totals = _totals(tensors)
    if model is None or not model.layers:
        return tuple(_found_layer(place, totals, name_of) for place in groups)
    total = totals.get("layers", 0) if is_whole else None
    return make_layers(model, lambda place: _count_at(place, totals), total)


def _found_layer(place: str, totals: Counter[str], name_of: StoredName) -> Layer:
    """Weights alone name no classes, but a group in a list of layers is named after its class."""
    above, _, name = place.rpartition("/")
    class_name = class_of_group(name) if above else ""
    return Layer(name_of(place) or name, class_name, parameters=totals[_counted(place)])


def _count_at(place: Place, totals: Counter[str]) -> int | None:
    return totals.get(place.store)


def _totals(tensors: Sequence[Tensor]) -> Counter[str]:
    """How many numbers the weights below each group hold, by the group's path."""
    totals: Counter[str] = Counter()
    for tensor in tensors:
        if tensor.role is Role.WEIGHT:
            parts = _counted(tensor.path).split("/")
            for end in range(1, len(parts)):
                totals["/".join(parts[:end])] += tensor.element_count
    return totals


def _counted(path: str) -> str:
    """A path by which the layers of every version are counted."""
    return "/".join(CONTAINERS[0] if part in CONTAINERS else part for part in parts_of(path))


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
