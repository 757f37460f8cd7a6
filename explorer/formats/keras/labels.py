"""What people call the variables of a Keras weights file: ``dense/kernel`` for ``…/vars/0``.

Groups are named after classes and attributes, and variables numbered. Their names follow from the
model's config, or from the names of layers that Keras 3.6 and newer write beside the variables. In
other files a layer goes by its place, ``layers/dense``: it is the first ``Dense`` of the list, and
another may have the name ``dense``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from explorer.formats.artifact import Role, Tensor
from explorer.formats.keras.config import LayerConfig
from explorer.formats.keras.optimizers import (
    Gap,
    Trained,
    counts_steps,
    inner_optimizer,
    is_state,
    read_optimizer,
    scale_labels,
    slot_labels,
)
from explorer.formats.keras.store import CONTAINERS, PlaceOf, StoredName
from explorer.formats.keras.training_order import trained_weights
from explorer.formats.keras.variables import (
    SUMMARIZING,
    Owner,
    class_of_group,
    class_of_part,
    owners,
    variable_names,
)
from explorer.formats.keras.weights import parts_of

_VARS = "vars"
_SEEDS = ("seed_generator", "generator")
_SEED_STATE = "seed_generator_state"
_NOT_COUNTED = {("SpectralNormalization", "kernel"), (SUMMARIZING, "summary")}
"""A variable of the layer inside, stored twice, and what was seen of the values to be sorted."""

_TABLE = "idf_weights"
"""How rare each word of a vocabulary is, which Keras stores twice and counts as no parameters."""

_NO_NAMES = (
    "The names of the layers are not in the file. Each goes by its place, which tells its kind and "
    "its turn among those of that kind, or the attribute that held it."
)
_OPTIMIZERS = ("optimizer/inner_optimizer", "optimizer")


def major_version(keras: str) -> int | None:
    """``3`` for ``3.15.1``; ``None`` where there is none."""
    number = keras.partition(".")[0]
    return int(number) if number.isdecimal() and len(number) < 4 else None


@dataclass
class StoreLabels:
    """The labels of the tensors of one weights file.

    ``keras`` is the major version that wrote it, ``optimizer`` as in the compile config.
    ``stored_name`` gives the name of the object whose group is at a path, empty where the file
    does not say, ``place_of`` its place in a config. ``layer_groups`` are those of the layers that
    the model holds itself or in lists.
    """

    tensors: Sequence[Tensor]
    stored_name: StoredName
    place_of: PlaceOf
    model: LayerConfig | None = None
    keras: int | None = None
    optimizer: Any = None
    layer_groups: Sequence[str] = ()
    _titles: dict[str, str] = field(default_factory=dict)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """The label of each tensor by its path; those without one are left out."""
        found: dict[str, str] = {}
        for place, variables in self._groups.items():
            names = self._variable_names(place, variables)
            title = self._title(place)
            if title:
                keys = (parts_of(v.path)[-1] for v in variables)
                pairs = zip(variables, (_name_of(key, names) for key in keys), strict=True)
                found.update((v.path, f"{title}/{name}") for v, name in pairs if name)
        return {**found, **self._slot_labels(found)}

    def labelled(self) -> tuple[Tensor, ...]:
        """The tensors with their labels; states of random generators and copies are no weights."""
        return tuple(
            replace(tensor, label=label, role=self._role(tensor, label))
            for tensor, label in ((t, self.label(t.path)) for t in self.tensors)
        )

    def label(self, path: str) -> str:
        """The label of the tensor at a path, empty where it has none."""
        return self.labels.get(path, "")

    def notes(self) -> Sequence[str]:
        """Whether layers go by their places, since their names are not there."""
        is_known = bool(self._owners) or self._all_are_named
        return [_NO_NAMES] if self.layer_groups and not is_known else []

    def _role(self, tensor: Tensor, label: str) -> Role:
        if tensor.role is Role.WEIGHT and _place_of(tensor.path) in self._unnamed_optimizers:
            return Role.OPTIMIZER
        class_name = self._class_of(_place_of(tensor.path))
        is_other = (
            (class_name, label.rpartition("/")[2]) in _NOT_COUNTED
            or _is_seed(tensor)
            or parts_of(tensor.path)[-1] == _TABLE
        )
        return Role.OTHER if is_other else tensor.role

    @cached_property
    def _unnamed_optimizers(self) -> frozenset[str]:
        """The objects that are optimizers by what they keep, whatever the attribute is called."""
        shapes = {
            tensor.shape
            for variables in self._groups.values()
            if not counts_steps(variables)
            for tensor in variables
            if tensor.role is Role.WEIGHT and "float" in tensor.dtype
        }
        return frozenset(
            place
            for place, variables in self._groups.items()
            if is_state(variables, shapes) and self._owner(place) is None
        )

    def _class_of(self, place: str) -> str:
        """The class of an object where it is Keras's own, by the config or its group.

        A name says nothing: anything may be called ``dense``.
        """
        owner = self._owner(place)
        if owner is not None:
            return owner.layer.own_class
        if "/" in place and place in self._listed:
            return class_of_group(place.rpartition("/")[2])
        return _class_by_place(self._canonical(place))

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(self.layer_groups)

    @cached_property
    def _groups(self) -> dict[str, list[Tensor]]:
        """The variables of each object, in the order of their numbers."""
        found: dict[str, list[Tensor]] = {}
        for tensor in self.tensors:
            *place, holder, _key = ["", *parts_of(tensor.path)][-66:]
            if holder == _VARS:
                found.setdefault("/".join(place[1:]), []).append(tensor)
        for variables in found.values():
            variables.sort(key=lambda v: _number(parts_of(v.path)[-1]))
        return found

    @cached_property
    def _owners(self) -> dict[str, Owner]:
        return {} if self.model is None or not self.model.layers else owners(self.model)

    @cached_property
    def _all_are_named(self) -> bool:
        """Whether every object has its name beside it, so that what has none is a list."""
        return any(self.stored_name(place) for place in self._groups)

    def _owner(self, place: str) -> Owner | None:
        return self._owners.get(self._canonical(place))

    def _canonical(self, place: str) -> str:
        """A place as `owners` has it."""
        return "/".join(name.lstrip("_") for name in self.place_of(place).split("/"))

    def _title(self, place: str) -> str:
        """The names that lead to an object, its own at the end."""
        owner = self._owner(place)
        if owner is not None or not place:
            return "/".join(owner.names) if owner is not None else ""
        if place not in self._titles:
            above, _, name = place.rpartition("/")
            own = self.stored_name(place) or ("" if self._all_are_named else name)
            self._titles[place] = "/".join(filter(None, (self._title(above), own)))
        return self._titles[place]

    def _variable_names(self, place: str, variables: Sequence[Tensor]) -> tuple[str, ...]:
        owner = self._owner(place)
        if owner is not None:
            return variable_names(owner.layer.own_class, owner.layer.config, variables, self.keras)
        if all(map(_is_seed, variables)):
            return (_SEED_STATE,)
        keras = 3 if self.keras is None and self.stored_name(place) else self.keras
        return variable_names(self._class_of(place), {}, variables, keras)

    # The optimizer's

    def _slot_labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        optimizer = read_optimizer(inner_optimizer(self.optimizer), self.keras)
        weights = self._trained(labels)
        if optimizer is None or not weights:
            return {}
        inner, outer = (self._groups.get(place, []) for place in _OPTIMIZERS)
        own = scale_labels(self.keras) if inner else []
        found: dict[str, str] = {}
        for variables, head in ((inner, []), (outer, own)):
            below = slot_labels(optimizer, weights, [v.shape for v in variables[len(head) :]])
            if below:
                found.update(zip((v.path for v in variables), [*head, *below], strict=True))
        return {path: label for path, label in found.items() if label}

    def _trained(self, labels: Mapping[str, str]) -> list[Trained | Gap]:
        weights = {
            self._canonical(place): [
                v for v in found if self._role(v, labels.get(v.path, "")) is Role.WEIGHT
            ]
            for place, found in self._groups.items()
        }
        return trained_weights(self._owners, weights, labels)


def _class_by_place(place: str) -> str:
    """The class by the group in a list of layers that a place is, or lies in."""
    _, found, inside = f"/{place}".rpartition(f"/{CONTAINERS[0]}/")
    layer, _, part = inside.partition("/")
    if not found:
        return ""
    return class_of_part(layer, part) if part else class_of_group(layer)


def _is_seed(tensor: Tensor) -> bool:
    """The state of a random generator: two whole numbers."""
    place = _place_of(tensor.path)
    is_state = tensor.shape == (2,) and tensor.dtype.lstrip("u").startswith("int")
    return is_state and place.rpartition("/")[2] in _SEEDS


def _place_of(path: str) -> str:
    """The group of the object that a variable belongs to."""
    return "/".join(parts_of(path)[:-2])


def _name_of(key: str, names: Sequence[str]) -> str:
    """The name of a variable by its number; lookup tables store some by name."""
    if not key.isdecimal():
        return key
    number = _number(key)
    return names[number] if number < len(names) else ""


def _number(key: str) -> int:
    return int(key) if key.isdecimal() and len(key) < 10 else 0
