"""Keras weights with a group per layer: up to Keras 2, and in ``.h5`` files to this day.

The attribute ``layer_names`` lists the groups. The other layout is in `keras_store`. What both
need to turn tensors into layers and contents is here.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence

from explorer.formats.artifact import Contents, Layer, Role, Tensor, Tri
from explorer.formats.contents import has_role, yes_if
from explorer.formats.keras.config import CountAt, LayerConfig, Place, make_layers

_KERAS_1 = re.compile(
    r"(.+)_(?:[WUbV](?:_[a-z]+)?|alphas?|gamma|beta|running_mean|running_std|(?:depth|point)wise_kernel)"
    r"(?:_\d+)?(?::\d+)?"
)


def parts_of(path: str) -> list[str]:
    """The components of a path; archives written on Windows may hold backslashes."""
    return path.replace("\\", "/").split("/")


def layer_of(path: str, names: Container[str]) -> str:
    """Which of the layers named a path belongs to; a name may itself hold slashes."""
    parts = path.split("/")
    starts = ("/".join(parts[:end]) for end in range(1, len(parts)))
    return next((start for start in starts if start in names), "")


def group_layers(
    model: LayerConfig | None, names: Sequence[str], tensors: Sequence[Tensor], root: str
) -> tuple[Layer, ...]:
    """The layers of a config, or just ``names`` without one, with the numbers in their groups.

    ``root`` is the path of the group that holds one group per layer, empty for the file itself.
    """
    by_layer = _by_layer(tensors, root, set(names))
    totals = {name: sum(t.element_count for t in found) for name, found in by_layer.items()}
    if model is None or not model.layers:
        return tuple(Layer(name, "", parameters=totals.get(name, 0)) for name in names)
    listed = {layer.name for layer in model.layers}
    total = sum(count for name, count in totals.items() if name in listed)
    return make_layers(model, _group_count_at(by_layer), total)


def _group_count_at(by_layer: Mapping[str, list[Tensor]]) -> CountAt:
    def count_at(place: Place) -> int | None:
        found = by_layer.get(place.names[0], [])
        counts = _counts_in(found, set(place.names[1:])) or _counts_in(found, {place.names[-1]})
        return sum(counts) if counts else None

    return count_at


def _counts_in(tensors: Sequence[Tensor], layers: set[str]) -> list[int]:
    """The sizes of what lies in layers inside of others; models in models are left out of names."""
    return [tensor.element_count for tensor in tensors if _lies_in(tensor.path, layers)]


def _lies_in(path: str, layers: set[str]) -> bool:
    """Whether a weight is of a layer inside of others; Keras 1 writes ``dense_1_W`` for its own."""
    *above, name = parts_of(path)
    missing = layers.difference(above)
    found = _KERAS_1.fullmatch(name)
    return missing <= ({found[1]} if found else set())


def _by_layer(
    tensors: Sequence[Tensor], root: str, names: Container[str]
) -> dict[str, list[Tensor]]:
    skipped = len(root) + 1 if root else 0
    found: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        if tensor.role is Role.WEIGHT:
            found.setdefault(layer_of(tensor.path[skipped:], names), []).append(tensor)
    return found


def contents_of(
    tensors: Sequence[Tensor], architecture: Tri, compiled: bool, complete: bool = True
) -> Contents:
    """What a Keras file holds, by its tensors; ``compiled`` where it says how to train on."""
    weights = has_role(tensors, Role.WEIGHT)
    optimizer = has_role(tensors, Role.OPTIMIZER)
    return Contents(
        weights=yes_if(weights and complete, Tri.PARTLY if weights else Tri.NO),
        architecture=architecture,
        optimizer=yes_if(optimizer, Tri.PARTLY if compiled else Tri.NO),
        compile=yes_if(compiled),
    )
