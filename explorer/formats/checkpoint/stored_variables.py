"""A checkpoint's tensors joined to its object graph: names for people, roles, and tree nodes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from google.protobuf.message import DecodeError

from explorer.formats.artifact import (
    Check,
    Layer,
    Node,
    NodeList,
    NodeType,
    Role,
    Tensor,
    TensorUnreadable,
    Tri,
)
from explorer.formats.checkpoint.bundle_checks import bundle_checks
from explorer.formats.checkpoint.object_graph import ObjectGraph, name_role
from explorer.formats.checkpoint.old_checkpoint import OldBundle
from explorer.formats.checkpoint.optimizer_slots import Slot, SlotNames, slot_text
from explorer.formats.checkpoint.tensor_bundle import Bundle
from explorer.formats.checkpoint.titles import VALUE, Attribute, Titles
from explorer.formats.contents import yes_if
from explorer.formats.schema.checkpoint_pb2 import TrackableObjectGraph
from explorer.formats.schema.tensor_pb2 import DT_STRING
from explorer.formats.text import count_text

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_ROLES = tuple(Role)
_KINDS = {
    Role.WEIGHT: "variable",
    Role.OPTIMIZER: "optimizer variable",
    Role.METRIC: "metric variable",
}
_LAST = 1 << 62
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Variable:
    """A stored tensor and its object: graph node, and name when created."""

    tensor: Tensor
    node: int | None = None
    name: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return self.tensor.label or self.tensor.path


class StoredVariables:
    """All tensors of a bundle. ``graph`` may replace the checkpoint's own object graph.

    ``graph`` is given the names of the variables by node and must number its nodes alike, as a
    SavedModel does. ``details`` tells more about the variable of a node. ``problem`` says why
    there is no object graph where there should be one.
    """

    def __init__(
        self,
        bundle: Bundle,
        graph: Callable[[Mapping[int, str]], ObjectGraph | None] = lambda names: None,
        details: Callable[[int], Sequence[tuple[str, str]]] = lambda node: (),
    ) -> None:
        self.bundle = bundle
        self._details = details
        self.problem = ""
        saved = self._saved_graph()
        self._attributes = dict(self._stored_attributes(saved)) if saved else {}
        names = {a.node: a.full_name for a in self._attributes.values() if a.name == VALUE}
        self.graph: ObjectGraph | None = None
        if saved is not None:
            self.graph = graph(names) or ObjectGraph(saved.nodes, names)
        self._names = Titles(self._attributes, self.graph)

    def _stored_attributes(self, saved: TrackableObjectGraph) -> Iterator[tuple[str, Attribute]]:
        """What is stored of each object, by key; of a table one key stands for ``key-keys`` too."""
        known = {
            attribute.checkpoint_key: Attribute(index, attribute.name, attribute.full_name)
            for index, node in enumerate(saved.nodes)
            for attribute in node.attributes
        }
        yield from known.items()
        for key in self.bundle.entries:
            several = known.get(key.rpartition("-")[0])
            if key not in known and several is not None:
                yield key, several

    def _saved_graph(self) -> TrackableObjectGraph | None:
        if OBJECT_GRAPH_KEY not in self.bundle.entries:
            return None
        try:
            return TrackableObjectGraph.FromString(self.bundle.read_scalar(OBJECT_GRAPH_KEY))
        except (TensorUnreadable, DecodeError) as error:
            self.problem = f"The object graph cannot be read, so names are those stored: {error}"
            return None

    @cached_property
    def variables(self) -> Sequence[Variable]:
        """Every tensor: weights first, then optimizer state, metrics and the rest."""
        roles = self._roles
        ordered = sorted(roles, key=lambda key: self._order(key, roles[key]))
        return [self._variable(key, roles[key], self._labels.get(key, "")) for key in ordered]

    @cached_property
    def by_node(self) -> Mapping[int, Variable]:
        """The variables by their node in the object graph; a table is none."""
        return {
            v.node: v
            for v in self.variables
            if v.node is not None and self._attributes[v.tensor.path].name == VALUE
        }

    @cached_property
    def all_by_node(self) -> Mapping[int, Sequence[Variable]]:
        """Everything that is stored of an object, such as the keys and values of a table."""
        found: dict[int, list[Variable]] = {}
        for variable in self.variables:
            if variable.node is not None:
                found.setdefault(variable.node, []).append(variable)
        return found

    def tensors(self) -> Sequence[Tensor]:
        """`variables` as tensors."""
        return [variable.tensor for variable in self.variables]

    def weights(self) -> Sequence[Variable]:
        """The model's own variables."""
        return [v for v in self.variables if v.tensor.role is Role.WEIGHT]

    def holds(self, role: Role) -> Tri:
        """Whether there are tensors of this role, and whether their values are all there."""
        keys = [key for key, found in self._roles.items() if found is role]
        bundle = self.bundle
        if isinstance(bundle, OldBundle):
            return Tri.PARTLY if keys and bundle.missing_shards() else yes_if(bool(keys))
        if not bundle.is_cut_short:
            return yes_if(bool(keys))
        there = [is_there for key in keys for is_there in bundle.held(key)]
        return Tri.PARTLY if any(there) and not all(there) else yes_if(any(there))

    def layers(self) -> Sequence[Layer]:
        """One layer for each common beginning of weight names; their classes are not known."""
        sizes: dict[str, int] = {}
        for variable in self.weights():
            name = self._names.layer(variable.tensor.path, variable.title)
            sizes[name] = sizes.get(name, 0) + variable.tensor.element_count
        return [Layer(name, "", parameters=size) for name, size in sizes.items() if name]

    def checks(self) -> Iterator[Check]:
        """Those of the bundle, and whether all that the object graph names is there."""
        bundle = self.bundle
        yield from bundle.checks() if isinstance(bundle, OldBundle) else bundle_checks(bundle)
        if OBJECT_GRAPH_KEY in bundle.entries:
            values = (key for key, attribute in self._attributes.items() if attribute.name == VALUE)
            absent = [key for key in values if key not in bundle.entries]
            text = f"The object graph names {len(absent):,} that the index does not hold, such as "
            problem = f"{text}{absent[0]}." if absent else ""
            yield Check("object graph", OBJECT_GRAPH_KEY, self.problem or problem)

    def notes(self) -> list[str]:
        """What is missing, in plain sentences."""
        missing = self.bundle.missing_shards()
        notes = [
            f"{file} is missing, so its values cannot be read. Put it beside "
            f"{self.bundle.index_file or 'the others'}."
            for file in missing[:_LISTED]
        ]
        if len(missing) > _LISTED:
            notes.append(f"{len(missing) - _LISTED:,} more shards are missing as well.")
        return [*notes, self.problem] if self.problem else notes

    def file_nodes(self) -> list[Node]:
        """The index and the data shards, below each of them those tensors that it holds any of."""
        by_shard: dict[int, list[Variable]] = {}
        for variable in self.variables:
            for shard in self.bundle.shards_of(variable.tensor.path):
                by_shard.setdefault(shard, []).append(variable)
        shards = [
            self._shard_node(self.bundle.shard_file(shard), by_shard.get(shard, []))
            for shard in self.bundle.shards
        ]
        return [self._index_node(), *shards] if self.bundle.index_file else shards

    def node_of(self, variable: Variable, name: str = "") -> Node:
        """A tree node for a variable, under another name if given."""
        return Node(
            name or variable.title,
            NodeType.TENSOR,
            kind=_kind(variable),
            size=variable.tensor.nbytes,
            tensor=variable.tensor,
            attributes=partial(self.attributes, variable),
        )

    def attributes(self, variable: Variable) -> list[tuple[str, str]]:
        """What is known of a variable beside its tensor."""
        entry = self.bundle.entries[variable.tensor.path]
        node = variable.node
        path = "" if node is None or self.graph is None else self.graph.path(node)
        found = [
            ("checkpoint key", variable.tensor.path),
            ("variable name", variable.name),
            ("object", path),
            ("role", variable.tensor.role.value),
            ("kept for", self._kept_for(variable.tensor.path)),
            ("parts", str(len(entry.slices)) if entry.slices else ""),
        ]
        more = [] if node is None else self._details(node)
        return [(name, text) for name, text in found if text] + list(more)

    def _index_node(self) -> Node:
        file = self.bundle.index_file
        version = self.bundle.header.version
        return Node(
            _basename(file),
            NodeType.FILE,
            kind=f"SSTable · {count_text(len(self.bundle.entries), 'entry', 'entries')}",
            size=self.bundle.storage.size(file),
            attributes=lambda: [
                ("entries", f"{len(self.bundle.entries):,}"),
                ("shards", f"{self.bundle.header.num_shards:,}"),
                ("byte order", "big-endian" if self.bundle.header.endianness else "little-endian"),
                ("format version", f"{version.producer} (readers from {version.min_consumer})"),
            ],
        )

    def _shard_node(self, file: str, variables: Sequence[Variable]) -> Node:
        size = self.bundle.storage.size(file)
        count = count_text(len(variables), "tensor")
        missing = f"missing · {count}" if variables else "missing"
        return Node(
            _basename(file),
            NodeType.FILE,
            kind=missing if size is None else f"data shard · {count}",
            size=size,
            source=NodeList(lambda: [self.node_of(v) for v in variables]) if variables else None,
        )

    @cached_property
    def _roles(self) -> Mapping[str, Role]:
        return {key: self._role(key) for key in self.bundle.entries}

    def _role(self, key: str) -> Role:
        if key == OBJECT_GRAPH_KEY or self.bundle.entries[key].dtype == DT_STRING:
            return Role.OTHER
        if self.graph is None:
            return name_role(key, self.bundle.entries)
        attribute = self._attributes.get(key)
        if attribute is None or attribute.name != VALUE:
            return Role.OTHER
        return self.graph.roles.get(attribute.node, Role.OTHER)

    def _order(self, key: str, role: Role) -> tuple[int, int, list[tuple[int, str]]]:
        attribute = self._attributes.get(key)
        return _ROLES.index(role), attribute.node if attribute else _LAST, natural_key(key)

    @cached_property
    def _slots(self) -> Mapping[str, tuple[str, Slot]]:
        """Optimizer state by key: the key of the weight that it is kept for, and what it is."""
        weights = {
            self._names.name(key): key for key, role in self._roles.items() if role is Role.WEIGHT
        }
        state = [key for key, role in self._roles.items() if role is Role.OPTIMIZER]
        state.sort(key=natural_key)
        slots = SlotNames(weights, map(self._names.name, state)).find_all()
        found = {
            key: (weights[slot.weight], slot)
            for key, slot in zip(state, slots, strict=True)
            if slot is not None
        }
        return {**found, **dict(self._graph_slots())}

    def _graph_slots(self) -> Iterator[tuple[str, tuple[str, Slot]]]:
        """Those that the object graph names as slots."""
        if self.graph is None:
            return
        keys = {a.node: key for key, a in self._attributes.items() if a.name == VALUE}
        for optimizer, slot in self.graph.slot_variables():
            key = keys.get(slot.slot_variable_node_id)
            weight = keys.get(slot.original_variable_node_id)
            if key in self._roles and weight in self._roles and key and weight:
                name, path = self._names.name(weight), self.graph.path(optimizer)
                text = slot_text(
                    self._names.name(key), name, slot.slot_name, path.rpartition("/")[2]
                )
                yield key, (weight, Slot(name, text))

    def _kept_for(self, key: str) -> str:
        weight, _ = self._slots.get(key, ("", None))
        return self._labels.get(weight) or weight

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        """A name for people by key; optimizer state goes by its weight, ``kernel · Adam/m``."""
        titles = self._names.of(self._roles)
        labels = {
            key: slot.label(titles.get(weight) or weight)
            for key, (weight, slot) in self._slots.items()
        }
        used = Counter(labels.values())
        return {**titles, **{key: label for key, label in labels.items() if used[label] == 1}}

    def _variable(self, key: str, role: Role, label: str) -> Variable:
        tensor = self.bundle.tensor(key, role, label if label != key else "")
        attribute = self._attributes.get(key)
        if attribute is None or self.graph is None:
            return Variable(tensor)
        return Variable(tensor, attribute.node, attribute.full_name)


def _kind(variable: Variable) -> str:
    if variable.tensor.path == OBJECT_GRAPH_KEY:
        return "object graph"
    return _KINDS.get(variable.tensor.role, "tensor")


def _basename(file: str) -> str:
    return file.rpartition("/")[2]


def natural_key(text: str) -> list[tuple[int, str]]:
    """A sort key that puts ``layer-10`` behind ``layer-9``."""
    parts: Iterable[str] = re.split(r"(\d+)", text)
    return [_number(part) if part.isdecimal() else (-1, part) for part in parts]


def _number(digits: str) -> tuple[int, str]:
    """Sorts like the number, however long it is: by its length first."""
    plain = digits.lstrip("0")
    return len(plain), plain
