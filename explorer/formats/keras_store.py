"""Keras weights as an object tree: in ``.keras`` archives and ``.weights.h5`` files.

Each object is a group, its variables are numbered in its group ``vars``
(``keras/src/saving/saving_lib.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

from explorer.formats.artifact import Layer, Role, Tensor
from explorer.formats.hdf5.objects import Hdf5Object, ObjectKind
from explorer.formats.hdf5_file import HDF5_ERRORS, Hdf5File, text_attribute
from explorer.formats.hdf5_tree import links_of, open_group
from explorer.formats.keras_config import LayerConfig, Place, make_layers, places
from explorer.formats.keras_weights import parts_of

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""Where the layers of a model lie; Keras 2.12 and 2.13 used the second name."""


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


def store_layers(
    model: LayerConfig | None, file: Hdf5File | None, tensors: Sequence[Tensor]
) -> tuple[Layer, ...]:
    """The layers of a config with the numbers stored for them, else those that the file shows."""
    totals = _totals(tensors)
    if model is not None and model.layers:
        total = totals.get("layers", 0) if file is not None else None
        return make_layers(model, lambda place: _count_at(place, totals), total)
    return () if file is None else _found_layers(file, totals)


def _count_at(place: Place, totals: Counter[str]) -> int | None:
    return totals.get(place.store)


def _totals(tensors: Sequence[Tensor]) -> Counter[str]:
    """How many numbers the weights below each group hold, by the group's path."""
    totals: Counter[str] = Counter()
    for tensor in tensors:
        if tensor.role is Role.WEIGHT:
            parts = ["layers" if p in _CONTAINERS else p for p in parts_of(tensor.path)]
            for end in range(1, len(parts)):
                totals["/".join(parts[:end])] += tensor.element_count
    return totals


def _found_layers(file: Hdf5File, totals: Counter[str]) -> tuple[Layer, ...]:
    """Weights alone name no classes; newer Keras keeps each layer's name beside them."""
    try:
        return tuple(
            Layer(_stored_name(group, path), "", parameters=totals[path])
            for group, path in _layer_groups(file.root)
        )
    except HDF5_ERRORS:
        return ()


def _layer_groups(root: Hdf5Object) -> list[tuple[Hdf5Object, str]]:
    """The groups that are layers, at the top or in a list such as ``layers``, with their paths."""
    found: list[tuple[Hdf5Object, str]] = []
    for label, group in _groups(root):
        if label == "vars" or store_role(f"{label}/vars/0") is not Role.WEIGHT:
            continue
        if b"vars" in group.links:
            found.append((group, label))
        else:
            above = "layers" if label in _CONTAINERS else label
            found += [(inner, f"{above}/{name}") for name, inner in _groups(group)]
    return found


def _groups(parent: Hdf5Object) -> Iterator[tuple[str, Hdf5Object]]:
    """The groups right below one, by name; links are left out."""
    for name, link in links_of(parent):
        obj = parent.at(link) if isinstance(link, int) else None
        if obj is not None and obj.kind is ObjectKind.GROUP:
            yield name.decode("utf-8", "replace"), obj


def _stored_name(group: Hdf5Object, path: str) -> str:
    """The layer's own name, which Keras 3.6 and newer write to its ``vars``."""
    own = ""
    with suppress(KeyError):
        own = text_attribute(open_group(group, "vars"), "name")
    return own or path.rpartition("/")[2]
