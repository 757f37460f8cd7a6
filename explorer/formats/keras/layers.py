"""The layers of a config with how many numbers their weights hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer.formats.artifact import Layer
from explorer.formats.keras.config import (
    LayerConfig,
    Place,
    inbound_layers,
    places_in,
)
from explorer.formats.keras.flow import Shapes

_MOST_ALIKE = 20
"""So many layers of one name and class are told apart by their configs."""

_IDENTITY = "shared_object_id"
"""Only some of the configs of one object have it."""

CountAt = Callable[[Place], int | None]
"""How many numbers the weights of the layer at a place hold; ``None`` where none are found."""


def make_layers(model: LayerConfig, count_at: CountAt, total: int | None) -> tuple[Layer, ...]:
    """The layers of a model. ``total`` is how many numbers they hold together, if known.

    A layer without weights of its own holds 0, but only where the others account for ``total``;
    else its weights may be there under another name, and the count is ``None``. One that stood
    before in another model holds what it held there: Keras stores it once.
    """
    return _Layers(count_at).of(model, Place((), ""), total, Shapes(model)).layers


@dataclass(frozen=True, slots=True)
class _Weights:
    """What a layer holds by the places where it is stored, and the layers in it.

    A place counts once, though several layers share it; ``None`` where not all is known.
    """

    held: Mapping[Place, int] | None
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class _Layers:
    """Those that have weights are remembered by class and name, in the order of storing."""

    count_at: CountAt
    stored: dict[tuple[str, str], list[tuple[LayerConfig, _Weights]]] = field(default_factory=dict)

    def of(self, model: LayerConfig, place: Place, total: int | None, shapes: Shapes) -> _Weights:
        """The layers of a model that hold ``total`` numbers."""
        pairs = list(zip(model.layers, places_in(model, place), strict=True))
        counts = [self._count(layer, below) for layer, below in pairs]
        is_all = total is not None and sum(count or 0 for count in counts) == total
        absent = 0 if is_all else None
        found = [
            self._weights(layer, below, absent if count is None else count, shapes)
            for (layer, below), count in zip(pairs, counts, strict=True)
        ]
        described = zip(model.layers, found, inbound_layers(model), strict=True)
        layers = (_layer(layer, shapes, one, before) for layer, one, before in described)
        return _Weights(_together(found) if is_all else None, tuple(layers))

    def _count(self, layer: LayerConfig, place: Place) -> int | None:
        """What is stored for a layer; for one that is not stored by its name, for those in it."""
        inside = places_in(layer, place)
        if place.names and all(below.names for below in inside):
            return self.count_at(place)
        counts = [self._count(*pair) for pair in zip(layer.layers, inside, strict=True)]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    def _weights(
        self, layer: LayerConfig, place: Place, count: int | None, shapes: Shapes
    ) -> _Weights:
        before = self._before(layer) if count == 0 else None
        if before is not None:
            return before
        held = None if count is None else {place: count}
        found = _Weights(held)
        if layer.layers:
            inside = self.of(layer, place, count, shapes.inside(layer))
            found = _Weights(inside.held or held, inside.layers)
        if count:
            self.stored.setdefault((layer.class_name, layer.name), []).append((layer, found))
        return found

    def _before(self, layer: LayerConfig) -> _Weights | None:
        """What the same layer held where it stood before."""
        for other, found in self.stored.get((layer.class_name, layer.name), [])[:_MOST_ALIKE]:
            if other.input_shape == layer.input_shape and _settings(other) == _settings(layer):
                return found
        return None


def _layer(
    layer: LayerConfig, shapes: Shapes, weights: _Weights, inbound: tuple[str, ...]
) -> Layer:
    return Layer(
        name=layer.name,
        class_name=layer.class_name,
        output_shape=shapes.of(layer.name),
        parameters=None if weights.held is None else sum(weights.held.values()),
        children=weights.layers,
        inbound=inbound,
    )


def _together(found: Iterable[_Weights]) -> Mapping[Place, int] | None:
    held: dict[Place, int] = {}
    for one in found:
        if one.held is None:
            return None
        held.update(one.held)
    return held


def _settings(layer: LayerConfig) -> Any:
    return _without_identity(layer.config)


def _without_identity(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_identity(v) for k, v in value.items() if k != _IDENTITY}
    return list(map(_without_identity, value)) if isinstance(value, list) else value
