"""The output shapes of the layers of a model: what flows from each to those after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from explorer.formats.artifact import Shape
from explorer.formats.keras import keras1
from explorer.formats.keras.calls import Call, Source, read_sources
from explorer.formats.keras.config import INPUT, MERGE, LayerConfig, read_config
from explorer.formats.keras.dims import LINE
from explorer.formats.keras.operations import operation_outputs
from explorer.formats.keras.shapes import bidirectional_outputs, layer_outputs

_DEEPEST = 30
"""How many models and wrappers may lie inside each other."""

_MOST_STEPS = 20_000
"""How many layers of models in models are looked at; what further calls give stays unknown."""

_NOTHING: Mapping[str, Any] = {}
_WRAPPERS = ("Bidirectional", "SpectralNormalization", "TimeDistributed")

_Shapes = Sequence[Shape]
_Calls = Mapping[Source, tuple[LayerConfig, Call]]
"""The calls of layers by their first outputs."""


def output_shapes(model: LayerConfig) -> dict[str, Shape]:
    """The output shape of each layer of a model by name; ``None`` where it does not follow.

    Of several outputs the first counts, and of several calls.
    """
    shapes = Shapes(model)
    return {layer.name: shapes.of(layer.name) for layer in model.layers}


class Shapes:
    """What each layer of a model gives.

    ``given`` is what a call of the model gives it instead of what its own inputs declare.
    """

    def __init__(self, model: LayerConfig, given: _Shapes = (), work: _Work | None = None) -> None:
        self._model = model
        self._work = work or _Work()
        self._shared = _shared(model)
        self._first: dict[str, Shape] = {}
        self._taken: dict[str, _Shapes] = {}
        if model.class_name == MERGE:
            self.outputs = self._of_branches()
        else:
            self.outputs = self._of_chain(given) if model.is_chain else self._of_graph(given)

    def of(self, name: str) -> Shape:
        """The first output of a layer in its first call; that of a model for its own inputs."""
        return self._first.get(name)

    def inside(self, model: LayerConfig) -> Shapes:
        """Those of a model in this one in its first call, or for its own inputs if it has some."""
        return Shapes(model, self._taken.get(model.name, ()), self._work)

    def _of_branches(self) -> _Shapes:
        found = [self._call(branch, ()) for branch in self._model.layers]
        for branch, outputs in zip(self._model.layers, found, strict=True):
            self._see(branch, outputs)
        return [next(iter(outputs), None) for outputs in found]

    def _of_chain(self, given: _Shapes) -> _Shapes:
        layers = self._model.layers
        flowing = given or [layer.declared_shape for layer in layers[:1]]
        for layer in layers:
            flowing = flowing if layer.class_name == INPUT else self._call(layer, flowing[:1])
            self._see(layer, flowing)
        return flowing

    def _of_graph(self, given: _Shapes) -> _Shapes:
        results = read_sources(self._model.config.get("output_layers"))
        found = _started(self._model, given)
        calls = _calls(self._model, results)
        for first in _in_order(calls):
            layer, call = calls[first]
            outputs = self._call(layer, [found.get(s) for s in call.sources], call.filled(found))
            for number, shape in enumerate(outputs):
                found.setdefault(Source(first.layer, first.node, number), shape)
        for layer in self._model.inputs:
            self._see(layer, [layer.declared_shape])
        for first, (layer, _) in calls.items():
            self._see(layer, [found.get(first)])
        return [found.get(source) for source in results]

    def _call(self, layer: LayerConfig, inputs: _Shapes, call: Call | None = None) -> _Shapes:
        if layer.layers:
            self._taken.setdefault(layer.name, () if layer.declares_inputs else inputs)
        return self._work.outputs(layer, inputs, call, self._shared)

    def _see(self, layer: LayerConfig, outputs: _Shapes) -> None:
        if layer.declares_inputs:  # a model
            outputs = self._work.outputs(layer, ())
        self._first.setdefault(layer.name, next(iter(outputs), None))


def _shared(model: LayerConfig) -> Mapping[str, Any]:
    """What the config of a layer does not say, but others in the model do: see `LINE`."""
    found = keras1.shared_config([layer.config for layer in model.layers])
    keys = {key for layer in model.inputs for key in layer.config}
    lines = {"batch_shape": 3, "batch_input_shape": 2}
    return {**found, LINE: next((line for key, line in lines.items() if key in keys), None)}


def _started(model: LayerConfig, given: _Shapes) -> dict[Source, Shape]:
    """What is known before any layer is called: the inputs and, if not given, what is recorded."""
    declared = {Source(layer.name): layer.declared_shape for layer in model.inputs}
    if not given:
        sources = (s for layer in model.layers for call in layer.calls for s in call.sources)
        return {source: source.shape for source in sources if source.shape is not None} | declared
    inputs = read_sources(model.config.get("input_layers"))
    if len(inputs) != len(given):
        return {}
    pairs = zip(inputs, given, strict=True)
    return {source: _fitting(shape, declared.get(source)) for source, shape in pairs}


def _fitting(shape: Shape, declared: Shape) -> Shape:
    """What is given to an input: Keras drops or adds a last dimension of one number."""
    if shape is None or declared is None:
        return shape
    if len(shape) == len(declared) + 1 and shape[-1] == 1:
        return shape[:-1]
    return (*shape, 1) if len(shape) == len(declared) - 1 and declared[-1] == 1 else shape


def _calls(model: LayerConfig, results: Iterable[Source]) -> _Calls:
    """The calls of each layer. A model's begin at 1 where it has one by itself, as is seen by
    what others take of it: each call of a model's layers leads to its outputs.
    """
    sources = (s for layer in model.layers for call in layer.calls for s in call.sources)
    taken = {(source.layer, source.node) for source in (*sources, *results)}
    found: dict[Source, tuple[LayerConfig, Call]] = {}
    for layer in model.layers:
        start = 1 if (layer.name, len(layer.calls)) in taken else 0
        for node, call in enumerate(layer.calls, start):
            found.setdefault(Source(layer.name, node), (layer, call))
    return found


def _in_order(calls: _Calls) -> list[Source]:
    """Each call after those whose outputs it takes; as listed where these go in a circle."""
    takes = {
        first: {Source(s.layer, s.node) for s in call.sources} & calls.keys()
        for first, (_, call) in calls.items()
    }
    try:
        return list(TopologicalSorter(takes).static_order())
    except CycleError:
        return list(calls)


@dataclass
class _Work:
    """What layers give for what they take; that of a model in a model is worked out once."""

    known: dict[tuple[int, tuple[Shape, ...]], tuple[LayerConfig, _Shapes]] = field(
        default_factory=dict
    )
    steps: int = 0
    depth: int = 0

    def outputs(
        self,
        layer: LayerConfig,
        inputs: _Shapes,
        call: Call | None = None,
        shared: Mapping[str, Any] = _NOTHING,
    ) -> _Shapes:
        """The outputs of a call, as many as are known.

        ``call`` has shapes for tensors, if all are known; ``shared`` is of the model around it.
        """
        if layer.is_operation:
            return operation_outputs(layer, call) if call else ()
        if layer.layers and layer.class_name != MERGE:
            return self._model_outputs(layer, inputs)
        if layer.own_class in _WRAPPERS:
            return self._wrapper_outputs(layer, inputs, shared)
        if layer.layers:
            inputs = self._model_outputs(layer, ())
        return layer_outputs(layer.own_class, {**shared, **layer.config}, inputs)

    def _model_outputs(self, model: LayerConfig, inputs: _Shapes) -> _Shapes:
        key = (id(model), tuple(inputs))
        if key not in self.known:
            found = self._deeper(len(model.layers), lambda: Shapes(model, inputs, self).outputs)
            self.known[key] = (model, found)  # a model that is kept leaves no other its id
        return self.known[key][1]

    def _wrapper_outputs(
        self, wrapper: LayerConfig, inputs: _Shapes, shared: Mapping[str, Any]
    ) -> _Shapes:
        shape = next(iter(inputs), None)
        if shape is None:
            return ()
        if wrapper.class_name == "TimeDistributed":
            found = self._inner_outputs(wrapper, "layer", (*shape[:1], *shape[2:]), shared)
            return [None if one is None else (*shape[:2], *one[1:]) for one in found]
        found = self._inner_outputs(wrapper, "layer", shape, shared)
        if wrapper.class_name != "Bidirectional":
            return found
        backward = self._inner_outputs(wrapper, "backward_layer", shape, shared) or found
        return bidirectional_outputs(wrapper.config, found, backward)

    def _inner_outputs(
        self, wrapper: LayerConfig, key: str, shape: Shape, shared: Mapping[str, Any]
    ) -> _Shapes:
        inner = read_config(wrapper.config.get(key))
        if inner is None:
            return ()
        return self._deeper(1, lambda: self.outputs(inner, [shape], None, shared))

    def _deeper(self, steps: int, outputs: Callable[[], _Shapes]) -> _Shapes:
        self.steps += steps
        if self.depth == _DEEPEST or self.steps > _MOST_STEPS:
            return ()
        self.depth += 1
        try:
            return outputs()
        finally:
            self.depth -= 1
