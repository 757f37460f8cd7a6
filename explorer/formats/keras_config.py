"""The architecture JSON of Keras 1, 2 and 3: layers, how they are wired, their output shapes.

Read as data; nothing that a config names is imported or called.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer.formats.artifact import Layer, Shape, Tri
from explorer.formats.keras_shapes import output_shape

_DEEPEST = 30
"""How many models may lie inside each other."""


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """One layer, or a model with its ``layers``.

    ``inputs`` names the layers whose first outputs it takes, ``inbound`` those that any of its
    calls takes something from, ``input_shape`` is what it was built with, ``consumed`` the shapes
    that it records of the layers before it, by their names.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    inbound: tuple[str, ...] = ()
    input_shape: Shape = None
    consumed: tuple[tuple[str, Shape], ...] = ()
    layers: tuple[LayerConfig, ...] = ()

    @property
    def is_chain(self) -> bool:
        """Whether each layer takes what the one before it gives."""
        return self.class_name == "Sequential"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer stands: its names from the top, and its group in a Keras 3 weights file."""

    names: tuple[str, ...]
    store: str


def read_config(value: Any) -> LayerConfig | None:
    """A model's config, or ``None`` where the value is none."""
    return _read(value, _DEEPEST)


def architecture(model: LayerConfig | None) -> Tri:
    """Whether the layers are listed; a subclass names only its class, so its code is needed."""
    if model is None:
        return Tri.NO
    return Tri.YES if model.layers else Tri.PARTLY


def _read(value: Any, deepest: int) -> LayerConfig | None:
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        return None
    config = value.get("config")
    below = config if isinstance(config, list) else _mapping(config).get("layers")
    config = _mapping(config)
    nodes = value.get("inbound_nodes")
    found = list(_keras_tensors(nodes, deepest))
    return LayerConfig(
        name=_first_text(value.get("name"), config.get("name")),
        class_name=value["class_name"].rpartition(">")[2],
        config=config,
        inputs=tuple(name for name, _ in found) or tuple(_listed_inputs(nodes)),
        inbound=tuple(dict.fromkeys([name for name, _ in found] or _all_inputs(nodes))),
        input_shape=_input_shape(value, config),
        consumed=tuple(found),
        layers=_read_all(below, deepest - 1),
    )


def _read_all(values: Any, deepest: int) -> tuple[LayerConfig, ...]:
    if not isinstance(values, list) or deepest <= 0:
        return ()
    layers = (_read(value, deepest) for value in values)
    return tuple(layer for layer in layers if layer is not None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first_text(*values: Any) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


def _input_shape(value: Mapping[str, Any], config: Mapping[str, Any]) -> Shape:
    build = _mapping(value.get("build_config"))
    candidates = (build.get("input_shape"), config.get("batch_shape"))
    shapes = (as_shape(c) for c in (*candidates, config.get("batch_input_shape")))
    return next((shape for shape in shapes if shape is not None), None)


def as_shape(value: Any) -> Shape:
    """A JSON list of numbers and nulls as a shape, anything else as unknown."""
    if not isinstance(value, list):
        return None
    if all(d is None or (isinstance(d, int) and not isinstance(d, bool)) for d in value):
        return tuple(value)
    return None


def _keras_tensors(value: Any, deepest: int) -> Iterator[tuple[str, Shape]]:
    """Keras 3: every tensor among the arguments records the layer it comes from and its shape."""
    if deepest <= 0:
        return
    if isinstance(value, list):
        for item in value:
            yield from _keras_tensors(item, deepest - 1)
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = _mapping(value.get("config"))
        history = config.get("keras_history")
        if isinstance(history, list) and history and isinstance(history[0], str):
            first = len(history) > 2 and history[2] == 0
            yield history[0], as_shape(config.get("shape")) if first else None
    elif isinstance(value, dict):
        for item in value.values():
            yield from _keras_tensors(item, deepest - 1)


def _listed_inputs(nodes: Any) -> Iterator[str]:
    """Keras 1 and 2: the first call's tensors as ``[layer, node, tensor, arguments]``."""
    first = nodes[0] if isinstance(nodes, list) and nodes else None
    for tensor in first if isinstance(first, list) else ():
        if isinstance(tensor, list) and tensor and isinstance(tensor[0], str):
            yield tensor[0]


def _all_inputs(nodes: Any) -> Iterator[str]:
    """Keras 1 and 2: the tensors of every call, and those among the arguments of a call."""
    for call in nodes if isinstance(nodes, list) else ():
        yield from _listed_inputs([call])
        for tensor in call if isinstance(call, list) else ():
            arguments = tensor[3] if isinstance(tensor, list) and len(tensor) > 3 else None
            yield from _listed_inputs([list(_mapping(arguments).values())])


# Output shapes


def output_shapes(model: LayerConfig) -> dict[str, Shape]:
    """The output shape of each layer of a model by name; ``None`` where it does not follow."""
    recorded = _recorded_shapes(model)
    shapes: dict[str, Shape] = {}
    before: LayerConfig | None = None
    for layer in model.layers:
        inputs = _inputs_of(model, layer, before, shapes)
        shapes[layer.name] = recorded.get(layer.name) or _shape_of(layer, inputs)
        before = layer
    return shapes


def _recorded_shapes(model: LayerConfig) -> dict[str, Shape]:
    """What the layers after it say of a layer's output."""
    found: dict[str, Shape] = {}
    for layer in model.layers:
        found.update((name, shape) for name, shape in layer.consumed if shape is not None)
    if model.is_chain:
        pairs = zip(model.layers, model.layers[1:], strict=False)
        found.update((a.name, b.input_shape) for a, b in pairs if b.input_shape is not None)
    return found


def _inputs_of(
    model: LayerConfig,
    layer: LayerConfig,
    before: LayerConfig | None,
    shapes: Mapping[str, Shape],
) -> list[Shape]:
    names = layer.inputs or ((before.name,) if model.is_chain and before is not None else ())
    given = [shapes.get(name) for name in names]
    if given and None not in given:
        return given
    return given if len(given) > 1 else [layer.input_shape]


def _shape_of(layer: LayerConfig, inputs: list[Shape]) -> Shape:
    if layer.class_name == "InputLayer":
        return layer.input_shape
    if not layer.layers:
        return output_shape(layer.class_name, layer.config, inputs)
    inner = output_shapes(layer)
    return inner.get(layer.layers[-1].name if layer.is_chain else _first_output(layer))


def _first_output(model: LayerConfig) -> str:
    """``output_layers`` is ``[[name, 0, 0], …]``, or one such entry in Keras 3."""
    outputs = model.config.get("output_layers")
    while isinstance(outputs, list) and outputs:
        outputs = outputs[0]
    return outputs if isinstance(outputs, str) else ""


# Layers with their parameters

CountAt = Callable[[Place], int | None]
"""How many numbers the weights of the layer at a place hold; ``None`` where none are found."""


def make_layers(model: LayerConfig, count_at: CountAt, total: int | None) -> tuple[Layer, ...]:
    """The layers of a model. ``total`` is how many numbers they hold together, if known.

    A layer without weights of its own holds 0, but only where the others account for ``total``;
    else its weights may be there under another name, and the count is ``None``.
    """
    return _layers(model, Place((), ""), count_at, total)


def _layers(
    model: LayerConfig, place: Place, count_at: CountAt, total: int | None
) -> tuple[Layer, ...]:
    shapes = output_shapes(model)
    places = _places(model, place)
    counts = [count_at(below) for below in places]
    absent = 0 if sum(count or 0 for count in counts) == total else None
    return tuple(
        Layer(
            name=layer.name,
            class_name=layer.class_name,
            output_shape=shapes[layer.name],
            parameters=absent if count is None else count,
            children=_layers(layer, below, count_at, count),
            inbound=before,
        )
        for layer, below, count, before in zip(
            model.layers, places, counts, _inbound(model), strict=True
        )
    )


def _inbound(model: LayerConfig) -> list[tuple[str, ...]]:
    """For each layer of a model those beside it that it takes something from."""
    if model.is_chain:
        names = [(layer.name,) for layer in model.layers]
        return [(), *names][: len(names)]
    beside = {layer.name for layer in model.layers}
    return [tuple(n for n in layer.inbound if n in beside) for layer in model.layers]


def _places(model: LayerConfig, place: Place) -> list[Place]:
    """Keras 3 names a layer's group after its class, numbered in order, whatever its name."""
    above = f"{place.store}/layers" if place.store else "layers"
    names = store_names([layer.class_name for layer in model.layers])
    return [
        Place((*place.names, layer.name), f"{above}/{name}")
        for layer, name in zip(model.layers, names, strict=True)
    ]


def places(model: LayerConfig) -> Iterator[tuple[LayerConfig, Place]]:
    """Every layer with its place, nested ones after the model they lie in."""
    pending: list[tuple[LayerConfig, Place]] = [(model, Place((), ""))]
    while pending:
        parent, place = pending.pop()
        for layer, below in zip(parent.layers, _places(parent, place), strict=True):
            yield layer, below
            if layer.layers:
                pending.append((layer, below))


def store_names(class_names: Sequence[str]) -> list[str]:
    """``Dense``, ``Dense``, ``ReLU`` become ``dense``, ``dense_1``, ``re_lu``."""
    seen: Counter[str] = Counter()
    names = []
    for class_name in class_names:
        name = snake_case(class_name)
        names.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def snake_case(name: str) -> str:
    """``GlobalMaxPooling2D`` becomes ``global_max_pooling2d``."""
    plain = re.sub(r"\W", "", name)
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", plain).lower()
