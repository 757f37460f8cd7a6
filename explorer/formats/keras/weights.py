"""Keras weights with a group per layer: up to Keras 2, and in ``.h5`` files to this day.

The attribute ``layer_names`` lists the groups. The other layout is in `keras_store`. What both
need to turn tensors into layers and contents is here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from explorer.formats.artifact import Contents, Layer, Role, Tensor, Tri
from explorer.formats.contents import has_role, yes_if
from explorer.formats.keras.config import LayerConfig
from explorer.formats.keras.layers import make_layers
from explorer.formats.keras.scopes import counts_by_scope

TOP_LEVEL = "top_level_model_weights"
"""The group of what a model holds beside its layers."""


def parts_of(path: str) -> list[str]:
    """The components of a path; archives written on Windows may hold backslashes."""
    return path.replace("\\", "/").split("/")


def layer_of(path: str, names: Container[str]) -> str:
    """The longest of the names that a path begins with, since a name may itself hold slashes."""
    parts = path.split("/")
    starts = ("/".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
    return next((start for start in starts if start in names), "")


@dataclass(frozen=True)
class LayerGroups:
    """The groups of the layers ``names`` below the one at ``root``, empty for the file itself.

    ``listed`` says of the weights that the attributes list, by their paths, which layer does.
    """

    root: str
    names: Sequence[str]
    listed: Mapping[str, str]

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset((*self.names, TOP_LEVEL))

    def split(self, path: str) -> tuple[str, str]:
        """The layer that a weight lies in, and its name there; no layer for the model's own."""
        place = path[len(self.root) + 1 if self.root else 0 :]
        layer = self.listed.get(path) or layer_of(place, self._names)
        name = place[len(layer) + 1 :] if layer else place
        return ("" if layer == TOP_LEVEL else layer), name


def group_layers(
    model: LayerConfig | None, groups: LayerGroups, tensors: Sequence[Tensor]
) -> tuple[Layer, ...]:
    """The layers of a config, or of the groups without one, with the numbers in them."""
    weights = [tensor for tensor in tensors if tensor.role is Role.WEIGHT]
    found = [(*groups.split(tensor.path), tensor.element_count) for tensor in weights]
    if model is None or not model.layers:
        totals = Counter[str]()
        for group, _, count in found:
            totals[group] += count
        return tuple(Layer(name, "", parameters=totals[name]) for name in groups.names)
    listed = {layer.name for layer in model.layers}
    total = sum(count for group, _, count in found if group in listed)
    return make_layers(model, counts_by_scope(model, found), total)


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
