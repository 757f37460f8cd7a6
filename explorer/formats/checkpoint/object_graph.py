"""The object graph of a checkpoint or SavedModel: which Python objects held which variables.

Nodes are numbered, the root is 0, and edges are attribute names. The graph has cycles and objects
held from several places; each object gets one path, the shortest, and every walk here visits each
object once.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Protocol

from explorer.formats.artifact import Role
from explorer.formats.checkpoint.layer_state import layer_state
from explorer.formats.schema import checkpoint_pb2

_Reference = checkpoint_pb2.TrackableObjectGraph.TrackableObject.ObjectReference
_Slot = checkpoint_pb2.TrackableObjectGraph.TrackableObject.SlotVariableReference

OPTIMIZER_IDENTIFIERS = ("optimizer", "experimentalOptimizer")
METRIC_IDENTIFIER = "_tf_keras_metric"
CONTAINER_IDENTIFIERS = (
    "trackable_list_wrapper",
    "trackable_dict_wrapper",
    "trackable_tuple_wrapper",
)
"""Lists, dictionaries and tuples (``tensorflow/python/saved_model/revived_types.py``)."""

_OPTIMIZER_EDGES = ("optimizer", "_optimizer")
_OPTIMIZER_STEPS = frozenset({"iter", "iterations", "_iterations"})
_RATES = frozenset({"learning_rate", "_learning_rate", "decay"})
"""Older optimizers of Keras 2 keep ``decay`` beside a schedule too, but no learning rate."""

_OWN_VARIABLES = "_variables"
_METRIC_EDGES = ("metrics", "_metrics", "compiled_metrics", "_compile_metrics", "_loss_tracker")
_METRIC_VARIABLES = frozenset(
    {
        "total",
        "count",
        "accumulator",
        "total_cm",
        "true_positives",
        "true_negatives",
        "false_positives",
        "false_negatives",
    }
)
_MODEL_VARIABLES_OF_OPTIMIZER = "_trainable_variables"
_COPIES_EDGE = "_all_variables"
VARIABLE_LISTS = frozenset(
    {
        *("variables", "trainable_variables", "non_trainable_variables"),
        *(_COPIES_EDGE, _MODEL_VARIABLES_OF_OPTIMIZER),
    }
)
"""Attributes of models and optimizers that list variables of other objects."""

_LATE_EDGES = ("variables", "keras_api", "signatures", *_OPTIMIZER_EDGES)
_LONGEST_PATH = 100
_COUNTERS = (
    *("save_counter", "step", "global_step", "epoch"),
    *("train_counter", "ckpt_saved_epoch", "ckpt_saved_batch"),
)
"""What stands at the root beside a model; the last three are of Keras 2's ``BackupAndRestore``
(``tf_keras/src/distribute/worker_training_state.py``)."""

_RANDOM_STATES = ("seed_generator_state", "_state_var", "StateVar")


class TrackedObject(Protocol):
    """What the object messages of checkpoints and SavedModels have in common."""

    @property
    def children(self) -> Iterable[_Reference]:
        """Named references to other objects."""

    @property
    def slot_variables(self) -> Iterable[_Slot]:
        """Optimizer state: a variable for another variable, by slot name."""


class ObjectGraph:
    """An object graph. ``variables`` gives the name each variable was created with, by node.

    ``identifiers`` says what kind of object a node was, where the file tells. ``tables`` are the
    variables that are not trained and whose size may change, which Keras counts as no parameters.
    """

    def __init__(
        self,
        nodes: Sequence[TrackedObject],
        variables: Mapping[int, str],
        identifiers: Callable[[int], str] = lambda node: "",
        tables: Iterable[int] = (),
    ) -> None:
        self.nodes = nodes
        self.variables = variables
        self.identifier = identifiers
        self._tables = frozenset(tables)

    def __len__(self) -> int:
        return len(self.nodes)

    def children(self, node: int) -> list[tuple[str, int]]:
        """Attribute names and the objects they lead to; references to no node are left out."""
        return [
            (child.local_name, child.node_id)
            for child in self.nodes[node].children
            if 0 <= child.node_id < len(self.nodes)
        ]

    def slots(self, node: int) -> list[tuple[str, int]]:
        """The slot variables of an optimizer, named ``variable/slot``."""
        return [
            (
                f"{self.variables.get(slot.original_variable_node_id, '?')}/{slot.slot_name}",
                slot.slot_variable_node_id,
            )
            for slot in self.nodes[node].slot_variables
            if 0 <= slot.slot_variable_node_id < len(self.nodes)
        ]

    def slot_variables(self) -> Iterator[tuple[int, _Slot]]:
        """Every optimizer with each of its slots, as far as both of its variables are here."""
        count = len(self.nodes)
        for node, tracked in enumerate(self.nodes):
            for slot in tracked.slot_variables:
                if max(slot.original_variable_node_id, slot.slot_variable_node_id) < count:
                    yield node, slot

    def edges(self, node: int) -> list[tuple[str, int]]:
        """`children` and `slots`."""
        return self.children(node) + self.slots(node)

    @cached_property
    def parents(self) -> dict[int, tuple[int, str]]:
        """For every object that the root leads to: the object before it on its path, and the edge.

        Lists of layers and variables come last, so that ``dense_1`` is not ``variables/0``, and
        optimizers, which list the model's.
        """
        found: dict[int, tuple[int, str]] = {}
        soon = deque([(0, "", 0)] if self.nodes else [])
        later: deque[tuple[int, str, int]] = deque()
        while soon or later:
            parent, name, node = (soon or later).popleft()
            if node in found:
                continue
            found[node] = (parent, name)
            for edge in self.edges(node):
                (later if edge[0].endswith(_LATE_EDGES) else soon).append((node, *edge))
        return found

    def path(self, node: int) -> str:
        """The attribute names that lead to an object, such as ``layer_with_weights-0/kernel``.

        Of a very long path it is the end.
        """
        names: list[str] = []
        while node and len(names) < _LONGEST_PATH:
            node, name = self.parents.get(node, (0, f"object {node}"))
            names.append(name)
        return "/".join(reversed([*names, "…"] if node else names))

    def is_container(self, node: int) -> bool:
        """Whether an object is a list, tuple or dictionary, as far as the file tells.

        A checkpoint names no kinds, but only what a container holds can be called by a number.
        """
        names = [name for name, _ in self.children(node)]
        numbered = bool(names) and all(map(str.isdecimal, names))
        return numbered or self.identifier(node) in CONTAINER_IDENTIFIERS

    def holder(self, node: int) -> int:
        """The object that an object belongs to: the nearest on its path that is no container."""
        parent, _ = self.parents[node]
        while parent and self.is_container(parent):
            parent, _ = self.parents[parent]
        return parent

    @cached_property
    def roles(self) -> dict[int, Role]:
        """What each variable is for."""
        metrics = self._variables_below(self._metric_nodes())
        weights = (
            self._weights() - metrics - self._tables - self._variables_below(layer_state(self))
        )
        state = self._variables_below(self._optimizers)
        return {
            node: self._role(node, weights=weights, optimizer=state, metrics=metrics)
            for node in self.variables
        }

    def _role(
        self, node: int, *, weights: set[int], optimizer: set[int], metrics: set[int]
    ) -> Role:
        name = self.variables[node]
        parent, edge = self.parents.get(node, (0, ""))
        if (parent == 0 and edge in _COUNTERS) or name.endswith(_RANDOM_STATES):
            return Role.OTHER
        if node in metrics:
            return Role.METRIC
        if node in weights:
            return Role.WEIGHT
        return Role.OPTIMIZER if node in optimizer else Role.OTHER

    def _weights(self) -> set[int]:
        """Variables reached without passing an optimizer or a metric, each counted once."""
        if not self.nodes:
            return set()
        lists = [
            child
            for node in self._optimizers
            for name, child in self.children(node)
            if name == _MODEL_VARIABLES_OF_OPTIMIZER
        ]
        roots = [] if 0 in self._optimizers else [0]
        return self._variables_below(roots + lists + self._used(), self._leads_to_weights)

    def _used(self) -> list[int]:
        """What the functions of Keras's ``export`` use, where it lists no variables of a model.

        Keras 3 keeps every weight there a second time, and both lines the states of layers.
        """
        held = dict(self.children(0))
        listed = self.children(held["variables"]) if "variables" in held else []
        return [held[_COPIES_EDGE]] if _COPIES_EDGE in held and not listed else []

    def _leads_to_weights(self, name: str, node: int) -> bool:
        elsewhere = (*_OPTIMIZER_EDGES, *_METRIC_EDGES, _COPIES_EDGE)
        return name not in elsewhere and node not in self._optimizers

    @cached_property
    def _optimizers(self) -> frozenset[int]:
        return frozenset(node for node in self.parents if self._is_optimizer(node))

    def _is_optimizer(self, node: int) -> bool:
        if self.identifier(node) in OPTIMIZER_IDENTIFIERS or self.nodes[node].slot_variables:
            return True
        held = dict(self.children(node))
        steps = {held[name] for name in _OPTIMIZER_STEPS & held.keys()}
        learns = not held.keys().isdisjoint(_RATES)
        return bool(steps) and (learns or self._first_variable(held) in steps)

    def _first_variable(self, held: Mapping[str, int]) -> int | None:
        """The first of the variables that an object lists as its own, by what it holds.

        Of Keras's optimizers it is the number of steps, also where they have a schedule and so keep
        no learning rate. Source: ``keras/src/optimizers/base_optimizer.py`` and
        ``tf_keras/src/optimizers/optimizer.py``.
        """
        listed = held.get(_OWN_VARIABLES)
        return None if listed is None else dict(self.children(listed)).get("0")

    def _metric_nodes(self) -> list[int]:
        return [node for node in self.parents if node and self._is_metric(node)]

    def _is_metric(self, node: int) -> bool:
        if self.identifier(node) == METRIC_IDENTIFIER:
            return True
        names = {name for name, child in self.children(node) if child in self.variables}
        return bool(names) and names <= _METRIC_VARIABLES

    def _variables_below(
        self,
        starts: Iterable[int],
        follow: Callable[[str, int], bool] = lambda name, node: True,
    ) -> set[int]:
        return {node for node in self._reached(starts, follow) if node in self.variables}

    def _reached(self, starts: Iterable[int], follow: Callable[[str, int], bool]) -> Iterator[int]:
        waiting = [start for start in starts if start < len(self.nodes)]
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            yield node
            for name, child in self.edges(node):
                if child not in seen and follow(name, child):
                    seen.add(child)
                    waiting.append(child)


def unescaped(path: str) -> str:
    """The attribute names in a checkpoint key, in which ``.S`` is a slash and ``..`` a dot.

    Source: ``escape_local_name`` in ``tensorflow/python/trackable/trackable_utils.py``.
    """
    return _ESCAPE.sub(lambda found: "/" if found[1] == "S" else ".", path)


def name_role(name: str, names: Container[str]) -> Role:
    """What a variable is for, by its name alone: of TensorFlow 1, or without its object graph.

    Optimizers of TensorFlow 1 name a slot after its variable: ``dense/kernel/Adam_1``.
    """
    if name.endswith(_OBJECT_VALUE):
        return _key_role(name.split("/"))
    base, _, last = name.rpartition("/")
    if last in ("beta1_power", "beta2_power") or _KERAS_OPTIMIZER.match(name):
        return Role.OPTIMIZER
    if base in names and _SLOT.fullmatch(last):
        return Role.OPTIMIZER
    return Role.OTHER if last in ("global_step", "ExponentialMovingAverage") else Role.WEIGHT


def _key_role(attributes: Sequence[str]) -> Role:
    """By the attributes that lead to a variable, where there is no object graph to ask."""
    first = attributes[:2]
    if ".OPTIMIZER_SLOT" in attributes or any(name in _OPTIMIZER_EDGES for name in first):
        return Role.OPTIMIZER
    if any(name in _METRIC_EDGES for name in first):
        return Role.METRIC
    return Role.OTHER if attributes[0] == "save_counter" else Role.WEIGHT


_ESCAPE = re.compile(r"\.([.S])")
_OBJECT_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = re.compile(
    r"(Adam|AdaMax|Adagrad|AdagradDA|Adadelta|Ftrl|Momentum|RMSProp|LARS|LAMB)(_\d+)?"
    r"|(adam|lamb)_[mv]"
)
_KERAS_OPTIMIZER = re.compile(r"(training/|training_\d+/)|(Adam|SGD|RMSprop|Nadam)/iterations")
