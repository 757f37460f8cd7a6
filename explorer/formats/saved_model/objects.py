"""The objects of a SavedModel: Keras layers, variables and functions, from the object graph.

Keras 2 describes each layer as JSON: up to TensorFlow 2.4 in the objects of ``saved_model.pb``,
later in ``keras_metadata.pb`` by node number. Keras 3 writes neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from explorer.formats.artifact import Layer, Producer, SavedFunction, Shape, Tri
from explorer.formats.checkpoint.object_graph import (
    CONTAINER_IDENTIFIERS,
    METRIC_IDENTIFIER,
    ObjectGraph,
)
from explorer.formats.checkpoint.stored_variables import StoredVariables
from explorer.formats.json_tree import as_mapping, as_text, parse_json
from explorer.formats.keras.config import (
    LayerConfig,
    architecture,
    inbound_layers,
    read_config,
)
from explorer.formats.keras.flow import output_shapes
from explorer.formats.saved_model.functions import first_output_shape, saved_functions
from explorer.formats.schema import saved_model_pb2 as pb

_KERAS = "_tf_keras_"
_FUNCTIONS = ("function", "bare_concrete_function")
_CALLS = ("call_and_return_conditional_losses", "__call__")
_WRAPPED = ("__tuple__", "TensorShape")
_DEEPEST = 30
_MOST_STEPS = 500_000


@dataclass(frozen=True)
class _Wiring:
    """What the config of a model says of its layers, by their names."""

    shapes: Mapping[str, Shape]
    inbound: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, model: LayerConfig) -> _Wiring:
        """That of a model."""
        names = [layer.name for layer in model.layers]
        return cls(output_shapes(model), dict(zip(names, inbound_layers(model), strict=True)))


@dataclass
class _Counting:
    """How many numbers the variable of a node holds, and how many more nodes may be visited."""

    sizes: Mapping[int, int]
    steps: int


@dataclass(frozen=True)
class SavedObjects:
    """The object graph of one meta graph. ``metadata`` has Keras's JSON by node."""

    saved: pb.SavedObjectGraph
    metadata: Mapping[int, str]

    @cached_property
    def graph(self) -> ObjectGraph:
        """The objects by name, with the variables that SavedModel describes."""
        names = {
            index: node.variable.name
            for index, node in enumerate(self.saved.nodes)
            if node.WhichOneof("kind") == "variable"
        }
        return ObjectGraph(self.saved.nodes, names, self.identifier, filter(self._is_table, names))

    def _is_table(self, node: int) -> bool:
        variable = self.saved.nodes[node].variable
        return not variable.trainable and any(dim.size < 0 for dim in variable.shape.dim)

    def graph_for(self, variables: Mapping[int, str]) -> ObjectGraph | None:
        """`graph`, if its variables are those that the checkpoint names by node."""
        ours = self.graph.variables
        same = all(ours.get(node) == name for node, name in variables.items())
        return self.graph if variables and same else None

    def identifier(self, node: int) -> str:
        """What kind of user object a node is, such as ``_tf_keras_layer``."""
        return self.saved.nodes[node].user_object.identifier

    def variable_details(self, node: int) -> list[tuple[str, str]]:
        """What is known of a variable beside its tensor."""
        if node not in self.graph.variables:
            return []
        variable = self.saved.nodes[node].variable
        trainable = ("trainable", "yes" if variable.trainable else "no")
        return [trainable, *([("device", variable.device)] if variable.device else [])]

    @cached_property
    def descriptions(self) -> Mapping[int, str]:
        """Keras's JSON by node; that of ``metadata`` may belong to no node of the graph."""
        texts = {
            node: found.user_object.metadata
            for node, found in enumerate(self.saved.nodes)
            if found.user_object.identifier.startswith(_KERAS)
        }
        return {node: text for node, text in {**texts, **self.metadata}.items() if text}

    def describe(self, node: int) -> Mapping[str, Any]:
        """Keras's JSON of an object, empty where there is none that can be read."""
        return as_mapping(parse_json(self.descriptions.get(node, ""), _plain))

    @cached_property
    def model(self) -> Mapping[str, Any]:
        """Keras's JSON of the root."""
        return self.describe(0) if self.saved.nodes else {}

    def producer(self) -> Producer:
        """The Keras version and backend, where the root's JSON tells."""
        version, backend = self.model.get("keras_version"), self.model.get("backend")
        return Producer(keras=as_text(version), backend=as_text(backend))

    def architecture(self) -> Tri:
        """Whether the Keras config of the model is here, and lists its layers."""
        return architecture(read_config(self.model.get("model_config") or self.model))

    def has_training_config(self) -> bool:
        """Whether the optimizer, losses and metrics are described."""
        return bool(self.model.get("training_config"))

    # Functions

    def functions(self) -> Sequence[SavedFunction]:
        """The functions of the root by name, then those of other objects by path."""
        return saved_functions(self.saved, sorted(self._function_places()))

    def _function_places(self) -> Iterator[tuple[str, str, int]]:
        """Owner, name and node of every function; one of the root may have several names.

        A function also holds its concrete functions by name; they are not listed again.
        """
        for node, (parent, name) in self.graph.parents.items():
            if self.is_function(node) and parent and not self.is_function(parent):
                yield self.graph.path(parent), name, node
        for name, node in self.graph.children(0) if self.saved.nodes else ():
            if self.is_function(node):
                yield "", name, node

    def is_function(self, node: int) -> bool:
        """Whether a node is a function, with one or more concrete functions."""
        return self.saved.nodes[node].WhichOneof("kind") in _FUNCTIONS

    # Layers

    def layers(self, variables: StoredVariables | None) -> Sequence[Layer]:
        """The Keras layers with their output shapes and the number of their weights."""
        if self.model:
            weights = variables.weights() if variables else ()
            counts = {v.node: v.tensor.element_count for v in weights if v.node is not None}
            counting = _Counting(counts, _MOST_STEPS) if variables else None
            return self._layers(0, counting, {0}, _DEEPEST)
        return variables.layers() if variables else ()

    def _layers(
        self, parent: int, counts: _Counting | None, seen: set[int], deepest: int
    ) -> tuple[Layer, ...]:
        """The layers of a model; one that was listed before is not listed again below."""
        config = read_config(self.describe(parent))
        wiring = _Wiring.of(config) if config else _Wiring({}, {})
        children = list(self._layer_nodes(parent, seen))
        return tuple(
            self._layer(
                node,
                wiring,
                counts,
                self._layers(node, counts, seen, deepest - 1)
                if deepest and self.is_model(node)
                else (),
            )
            for node in children
        )

    def _layer(
        self,
        node: int,
        wiring: _Wiring,
        counts: _Counting | None,
        children: tuple[Layer, ...],
    ) -> Layer:
        about = self.describe(node)
        name = as_text(about.get("name")) or self.graph.path(node)
        shape = wiring.shapes.get(name)
        return Layer(
            name,
            as_text(about.get("class_name")).rpartition(">")[2]
            or self.identifier(node).removeprefix(_KERAS),
            output_shape=self._called_shape(node) if shape is None else shape,
            parameters=self._parameters(node, counts),
            children=children,
            inbound=wiring.inbound.get(name, ()),
        )

    def _layer_nodes(self, parent: int, seen: set[int]) -> Iterator[int]:
        """The layers that an object holds itself or in lists, as far as they are not ``seen``."""
        waiting = [child for _, child in reversed(self.graph.children(parent))]
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            if self.is_layer(node):
                seen.add(node)
                yield node
            elif self.identifier(node) in CONTAINER_IDENTIFIERS:
                seen.add(node)
                waiting += [child for _, child in reversed(self.graph.children(node))]

    def is_layer(self, node: int) -> bool:
        """Whether a node is a Keras layer or model."""
        identifier = self.identifier(node)
        return identifier.startswith(_KERAS) and identifier != METRIC_IDENTIFIER

    def is_model(self, node: int) -> bool:
        """Whether a node is a Keras model, whose parts are layers of their own."""
        return self.is_layer(node) and not self.identifier(node).endswith("layer")

    def _parameters(self, node: int, counts: _Counting | None) -> int | None:
        """The numbers in an object and all that it holds, each once; ``None`` where unknown.

        Layers may hold each other, so that counting them all would take the square of their number.
        """
        if counts is None:
            return None
        waiting, seen, total = [node], {node}, 0
        while waiting and counts.steps > 0:
            current = waiting.pop()
            total += counts.sizes.get(current, 0)
            held = dict.fromkeys(child for _, child in self.graph.children(current))
            waiting += held.keys() - seen
            seen.update(held)
            counts.steps -= 1 + len(held)
        return None if waiting else total

    def _called_shape(self, node: int) -> Shape:
        """What the layer's own function returns; traced functions know their output's shape."""
        edges = dict(self.graph.children(node))
        for name in _CALLS:
            if name in edges and self.is_function(edges[name]):
                shape = first_output_shape(self.saved, self.saved.nodes[edges[name]])
                if shape is not None:
                    return shape
        return None


def _plain(value: dict[str, Any]) -> Any:
    """Keras 2 writes tuples and shapes as objects; here they are lists."""
    return value.get("items") if value.get("class_name") in _WRAPPED else value
