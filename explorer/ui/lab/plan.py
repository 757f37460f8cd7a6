"""The layers that settings would build, before any model exists."""

from __future__ import annotations

from explorer.engine.messages import LayerRow
from explorer.lab.catalog import DemoSettings


def planned_layers(settings: DemoSettings) -> tuple[LayerRow, ...]:
    """The rows of ``model.summary()`` by arithmetic: a dense layer has inputs × units + units."""
    rows = []
    if settings.demo == "functional":
        rows.append(LayerRow("digits", "InputLayer", (None, settings.features), 0))
    width = settings.features
    for layer in settings.layers:
        parameters = (width + 1) * layer.units
        shape = (None, layer.units)
        rows.append(LayerRow(layer.name, "Dense", shape, parameters, layer.activation))
        width = layer.units
    return tuple(rows)
