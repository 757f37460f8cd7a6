"""The architecture JSON of Keras 1, 2 and 3: layers, how they are wired, their output shapes.

Read as data; nothing that a config names is imported or called.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from explorer.formats.artifact import Shape, Tri
from explorer.formats.json_tree import as_mapping
from explorer.formats.keras import keras1
from explorer.formats.keras.own_classes import is_own
from explorer.formats.keras.shapes import output_shape

_MERGE = "Merge"
"""Of Keras 1: as the first layer of a chain it holds the models whose outputs it joins."""

_CLASS_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Of Keras 3: what a class is called in the code, where a config calls it otherwise."""

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
    outputs_taken: tuple[int, ...] = ()
    inbound: tuple[str, ...] = ()
    input_shape: Shape = None
    consumed: tuple[tuple[str, Shape], ...] = ()
    layers: tuple[LayerConfig, ...] = ()
    is_own: bool = True

    @property
    def own_class(self) -> str:
        """Its class where that is Keras's own; a person's of the same name may do anything."""
        return self.class_name if self.is_own else ""

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
    below = config if isinstance(config, list) else as_mapping(config).get("layers")
    config = as_mapping(config)
    nodes = value.get("inbound_nodes")
    found = list(_keras_tensors(nodes, deepest))
    taken = [(name, number) for name, number, _ in found] or list(_listed_inputs(nodes))
    return LayerConfig(
        name=_first_text(value.get("name"), config.get("name"), value["class_name"]),
        class_name=value["class_name"].rpartition(">")[2],
        config=config,
        inputs=tuple(name for name, _ in taken),
        outputs_taken=tuple(number for _, number in taken),
        inbound=tuple(dict.fromkeys([name for name, _, _ in found] or _all_inputs(nodes))),
        input_shape=_input_shape(value, config),
        consumed=tuple((name, shape) for name, number, shape in found if number == 0),
        layers=_read_all(below, deepest - 1),
        is_own=is_own(value),
    )


def _read_all(values: Any, deepest: int) -> tuple[LayerConfig, ...]:
    if not isinstance(values, list) or deepest <= 0:
        return ()
    layers = (_read(value, deepest) for value in values)
    return tuple(layer for layer in layers if layer is not None)


def _first_text(*values: Any) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


def _input_shape(value: Mapping[str, Any], config: Mapping[str, Any]) -> Shape:
    build = as_mapping(value.get("build_config"))
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


def _keras_tensors(value: Any, deepest: int) -> Iterator[tuple[str, int, Shape]]:
    """Keras 3: every tensor among the arguments records where it comes from and its shape."""
    if deepest <= 0:
        return
    if isinstance(value, list):
        for item in value:
            yield from _keras_tensors(item, deepest - 1)
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = as_mapping(value.get("config"))
        history = config.get("keras_history")
        if isinstance(history, list) and history and isinstance(history[0], str):
            number = history[2] if len(history) > 2 and isinstance(history[2], int) else 0
            yield history[0], number, as_shape(config.get("shape"))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _keras_tensors(item, deepest - 1)


def _listed_inputs(nodes: Any) -> list[tuple[str, int]]:
    """Keras 1 and 2: the first call's tensors, as layer and number of its output.

    Nothing is listed of a call with an array among its arguments: it changes the shape.
    """
    calls = nodes if isinstance(nodes, list) else []
    tensors, others = _call(calls[0]) if calls else ([], [])
    listed = [*tensors, *(value for value in others if _is_tensor(value))]
    arrays = [value for value in others if isinstance(value, list) and not _is_tensor(value)]
    return [] if arrays else [(tensor[0], tensor[2]) for tensor in listed]


def _all_inputs(nodes: Any) -> Iterator[str]:
    """Keras 1 and 2: the layers whose tensors any call takes."""
    for call in nodes if isinstance(nodes, list) else ():
        tensors, others = _call(call)
        yield from (value[0] for value in [*tensors, *others] if _is_tensor(value))


def _call(call: Any) -> tuple[list[list[Any]], list[Any]]:
    """The tensors of a call, ``[layer, node, tensor, arguments]``, and the arguments' values.

    Operations as layers leave out the list around a single one, and name further tensors among
    their arguments, as attention does.
    """
    listed = [call] if _is_tensor(call) else call if isinstance(call, list) else []
    tensors = [tensor for tensor in listed if _is_tensor(tensor)]
    arguments = [as_mapping(tensor[3]) for tensor in tensors if len(tensor) > 3]
    return tensors, [value for mapping in arguments for value in mapping.values()]


def _is_tensor(value: Any) -> TypeGuard[list[Any]]:
    """``[layer, node, tensor]``, with or without arguments behind."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and isinstance(value[2], int)
    )


# Output shapes


def output_shapes(model: LayerConfig, given: Sequence[Shape] = ()) -> dict[str, Shape]:
    """The output shape of each layer of a model by name; ``None`` where it does not follow.

    ``given`` is what the model takes, where another one holds it. Of several outputs the first
    counts, and of several calls.
    """
    shapes = Shapes(model, given)
    return {layer.name: shapes.of(layer.name, 0) for layer in model.layers}


class Shapes:
    """What each layer of a model takes and gives, worked out in order."""

    def __init__(self, model: LayerConfig, given: Sequence[Shape]) -> None:
        self._outputs: dict[tuple[str, int], Shape] = {}
        self.inputs: dict[str, Sequence[Shape]] = {}
        recorded = _recorded_shapes(model)
        shared = keras1.shared_config([layer.config for layer in model.layers])
        before: LayerConfig | None = None
        for layer in model.layers:
            taken = self._taken(model, layer, before) or (given if before is None else ())
            self.inputs[layer.name] = taken or [layer.input_shape]
            outputs = _shapes_of(layer, self.inputs[layer.name], shared)
            for number, shape in enumerate(outputs):
                self._outputs.setdefault((layer.name, number), shape)
            if layer.name in recorded:
                self._outputs[layer.name, 0] = recorded[layer.name]
            before = layer

    def of(self, name: str, number: int) -> Shape:
        """One output of a layer."""
        return self._outputs.get((name, number))

    def _taken(
        self, model: LayerConfig, layer: LayerConfig, before: LayerConfig | None
    ) -> Sequence[Shape]:
        """The shapes that a layer takes; nothing where they are not known, but it has its own."""
        names = list(zip(layer.inputs, layer.outputs_taken, strict=True))
        if not names and model.is_chain and before is not None:
            names = [(before.name, 0)]
        found = [self.of(name, number) for name, number in names]
        if layer.input_shape is not None and len(found) < 2:
            return found if found and None not in found else [layer.input_shape]
        return found


def _recorded_shapes(model: LayerConfig) -> dict[str, Shape]:
    """What the layers after it say of a layer's output."""
    found: dict[str, Shape] = {}
    for layer in model.layers:
        found.update((name, shape) for name, shape in layer.consumed if shape is not None)
    if model.is_chain:
        pairs = zip(model.layers, model.layers[1:], strict=False)
        found.update((a.name, b.input_shape) for a, b in pairs if b.input_shape is not None)
    return found


def _shapes_of(
    layer: LayerConfig, inputs: Sequence[Shape], shared: Mapping[str, Any]
) -> list[Shape]:
    """The shapes of a layer's outputs, as many as are known. ``shared`` is of the model."""
    if layer.class_name == "InputLayer":
        return [layer.input_shape]
    if not layer.layers:
        return [output_shape(layer.own_class, {**shared, **layer.config}, inputs)]
    if layer.class_name == _MERGE:
        branches = [_shapes_of(branch, [None], shared)[0] for branch in layer.layers]
        return [output_shape(layer.class_name, layer.config, branches)]
    inner = Shapes(layer, inputs)
    if layer.is_chain:
        return [inner.of(layer.layers[-1].name, 0)]
    return [inner.of(name, number) for name, number in _outputs(layer)] or [None]


def _outputs(model: LayerConfig) -> Iterator[tuple[str, int]]:
    """``output_layers`` is ``[[name, 0, 0], …]``, one such entry in Keras 3, or has keys."""
    listed = model.config.get("output_layers")
    if _is_tensor(listed):
        listed = [listed]
    elif isinstance(listed, dict):
        listed = list(listed.values())
    for tensor in listed if isinstance(listed, list) else ():
        if _is_tensor(tensor):
            yield tensor[0], tensor[2]


# Places


def inbound_layers(model: LayerConfig) -> list[tuple[str, ...]]:
    """For each layer of a model those beside it that it takes something from."""
    if model.is_chain:
        names = [(layer.name,) for layer in model.layers]
        return [(), *names][: len(names)]
    beside = {layer.name for layer in model.layers}
    return [tuple(n for n in layer.inbound if n in beside) for layer in model.layers]


def places_in(model: LayerConfig, place: Place) -> list[Place]:
    """Keras 3 names a layer's group after its class, numbered in order, whatever its name.

    Keras 1 stores what lies in the branches of a merge as if it lay beside it.
    """
    above = f"{place.store}/layers" if place.store else "layers"
    names = store_names([layer.class_name for layer in model.layers])
    is_branch = model.class_name == _MERGE
    return [
        Place(() if is_branch else (*place.names, layer.name), f"{above}/{name}")
        for layer, name in zip(model.layers, names, strict=True)
    ]


def places(model: LayerConfig) -> Iterator[tuple[LayerConfig, Place]]:
    """Every layer with its place, nested ones after the model they lie in."""
    pending: list[tuple[LayerConfig, Place]] = [(model, Place((), ""))]
    while pending:
        parent, place = pending.pop()
        for layer, below in zip(parent.layers, places_in(parent, place), strict=True):
            yield layer, below
            if layer.layers:
                pending.append((layer, below))


def store_names(class_names: Sequence[str]) -> list[str]:
    """``Dense``, ``Dense``, ``ReLU`` become ``dense``, ``dense_1``, ``re_lu``."""
    seen: Counter[str] = Counter()
    names = []
    for class_name in class_names:
        name = snake_case(_CLASS_NAMES.get(class_name, class_name))
        names.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def snake_case(name: str) -> str:
    """``GlobalMaxPooling2D`` becomes ``global_max_pooling2d``."""
    plain = re.sub(r"\W", "", name)
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", plain).lower()
