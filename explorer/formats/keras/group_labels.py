"""What people call the variables of a file with a group per layer: ``dense/kernel``.

Keras 2 and 3 name a weight ``dense/kernel:0`` or ``dense/kernel`` in the group ``dense``, Keras 2.0
may add a number to the first part, Keras 1 writes ``dense_W``.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence

from explorer.formats.artifact import Role, Tensor
from explorer.formats.checkpoint.optimizer_slots import Slot, SlotNames
from explorer.formats.keras.weights import LayerGroups

_OPTIMIZER = "optimizer_weights/"
_TRAINING = "training/"
"""The scope in which TensorFlow 1.11 to 1.15 made the optimizer's variables."""

_NUMBER = re.compile(r":\d+$")


def group_labels(tensors: Sequence[Tensor], groups: LayerGroups) -> Mapping[str, str]:
    """The label of each tensor by its path; those without one are left out."""
    names: dict[str, dict[str, str]] = {}
    for tensor in tensors:
        if tensor.role is Role.WEIGHT:
            layer, name = groups.split(tensor.path)
            names.setdefault(layer, {})[tensor.path] = _plain(name)
    labels = {path: label for layer in names for path, label in _in(layer, names[layer]).items()}
    by_name = {name: labels[path] for found in names.values() for path, name in found.items()}
    return {**labels, **_slot_labels(tensors, by_name)}


def _plain(name: str) -> str:
    return _NUMBER.sub("", name)


def _in(layer: str, names: Mapping[str, str]) -> dict[str, str]:
    """The labels of the weights of one layer."""
    if not layer:
        return dict(names)
    scopes = {name.partition("/")[0] for name in names.values() if "/" in name}
    renamed = len(scopes) == 1 and re.fullmatch(re.escape(layer) + r"_\d+", next(iter(scopes)))
    return {
        path: f"{layer}/{name.partition('/')[2]}" if renamed else _label(layer, name)
        for path, name in names.items()
    }


def _label(layer: str, name: str) -> str:
    """A weight's name, with that of its layer before it where that is no part of it."""
    if f"/{layer}/" in f"/{name}":
        return name
    return f"{layer}/{name.removeprefix(f'{layer}_') or name}"


def _slot_labels(tensors: Sequence[Tensor], weights: Mapping[str, str]) -> dict[str, str]:
    """Labels of the optimizer's state, whose names hold those of the weights."""
    slots = SlotNames(weights)
    found: dict[str, str] = {}
    for tensor in tensors:
        if tensor.role is Role.OPTIMIZER:
            name = _plain(tensor.path.removeprefix(_OPTIMIZER)).removeprefix(_TRAINING)
            slot = slots.find(name) or _wrapped_slot(slots, weights, name)
            if slot is not None:
                found[tensor.path] = slot.label(weights[slot.weight])
    return found


def _wrapped_slot(slots: SlotNames, weights: Container[str], name: str) -> Slot | None:
    """A slot of the optimizer in a ``LossScaleOptimizer``.

    Keras 3 writes ``loss_scale_optimizer/adam/dense_kernel_momentum``, Keras 2 ``m/dense/kernel``.
    """
    above, _, inside = name.partition("/")
    return Slot(inside, above) if inside in weights else slots.find(inside)
