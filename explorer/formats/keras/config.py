"""The architecture JSON of Keras 1, 2 and 3: layers, how they are wired, their output shapes.

Read as data; nothing that a config names is imported or called.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from explorer.formats.artifact import Shape, Tri
from explorer.formats.json_tree import as_mapping
from explorer.formats.keras.calls import Call, as_shape, read_calls
from explorer.formats.keras.own_classes import is_operation, is_own

INPUT = "InputLayer"

MERGE = "Merge"
"""Of Keras 1: as the first layer of a chain it holds the models whose outputs it joins."""

_CLASS_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Of Keras 3: what a class is called in the code, where a config calls it otherwise."""

_TENSORFLOW_OPERATIONS = ("TFOpLambda", "SlicingOpLambda")
"""Of Keras 2: they call what they name of TensorFlow."""

_DEEPEST = 30
"""How many models may lie inside each other."""


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """One layer, or a model with its ``layers``.

    ``calls`` are those within the model around it, ``input_shape`` is what it was built with, which
    may be another model's, or data that it was tried on.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    calls: tuple[Call, ...] = ()
    input_shape: Shape = None
    layers: tuple[LayerConfig, ...] = ()
    is_own: bool = True
    is_operation: bool = False

    @property
    def own_class(self) -> str:
        """Its class where that is Keras's own; a person's of the same name may do anything."""
        return self.class_name if self.is_own else ""

    @property
    def is_chain(self) -> bool:
        """Whether each layer takes what the one before it gives."""
        return self.class_name in ("Sequential", "Pipeline")

    @property
    def declared_shape(self) -> Shape:
        """What an input takes, or the first layer of a chain without one."""
        shapes = (as_shape(self.config.get(key)) for key in ("batch_shape", "batch_input_shape"))
        return next((shape for shape in shapes if shape is not None), None)

    @property
    def inputs(self) -> tuple[LayerConfig, ...]:
        """The inputs of a model."""
        return tuple(layer for layer in self.layers if layer.class_name == INPUT)

    @property
    def declares_inputs(self) -> bool:
        """Whether a model says itself what it takes."""
        declares = self.is_chain and bool(self.layers) and self.layers[0].declared_shape is not None
        return declares or bool(self.inputs)


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
    return LayerConfig(
        name=_first_text(value.get("name"), config.get("name"), value["class_name"]),
        class_name=value["class_name"].rpartition(">")[2],
        config=config,
        calls=read_calls(value.get("inbound_nodes")),
        input_shape=_input_shape(value, config),
        layers=_read_all(below, deepest - 1),
        is_own=is_own(value),
        is_operation=is_operation(value) or value["class_name"] in _TENSORFLOW_OPERATIONS,
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
    given = (build.get("input_shape"), *map(config.get, ("batch_shape", "batch_input_shape")))
    return next((shape for shape in map(as_shape, given) if shape is not None), None)


# Places


def inbound_layers(model: LayerConfig) -> list[tuple[str, ...]]:
    """For each layer of a model those beside it that it takes something from."""
    if model.is_chain:
        names = [(layer.name,) for layer in model.layers]
        return [(), *names][: len(names)]
    beside = {layer.name for layer in model.layers}
    taken = [[s.layer for call in layer.calls for s in call.sources] for layer in model.layers]
    return [tuple(dict.fromkeys(n for n in names if n in beside)) for names in taken]


def places_in(model: LayerConfig, place: Place) -> list[Place]:
    """Keras 3 names a layer's group after its class, numbered in order, whatever its name.

    Keras 1 stores what lies in the branches of a merge as if it lay beside it.
    """
    if not model.layers:
        return []
    above = f"{place.store}/layers" if place.store else "layers"
    names = store_names([layer.class_name for layer in model.layers])
    is_branch = model.class_name == MERGE
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


@lru_cache(maxsize=1024)
def snake_case(name: str) -> str:
    """``GlobalMaxPooling2D`` becomes ``global_max_pooling2d``."""
    plain = re.sub(r"\W", "", name)
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", plain).lower()
