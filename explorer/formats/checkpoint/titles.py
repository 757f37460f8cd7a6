"""What people call the tensors of a checkpoint: by their own names, else by their objects."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from explorer.formats.artifact import Role
from explorer.formats.checkpoint.object_graph import VARIABLE_LISTS, ObjectGraph, unescaped

VALUE = "VARIABLE_VALUE"
_ATTRIBUTES = "/.ATTRIBUTES/"
_UNNAMED = re.compile(r"Variable(_\d+)?")


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a key holds of an object: its node, and of a variable the name when created."""

    node: int
    name: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Titles:
    """The names behind the keys of a checkpoint."""

    attributes: Mapping[str, Attribute]
    graph: ObjectGraph | None

    def name(self, key: str) -> str:
        """The name a variable was created with; without an object graph that is the key."""
        attribute = self.attributes.get(key)
        return attribute.full_name if attribute else key

    def of(self, roles: Mapping[str, Role]) -> Mapping[str, str]:
        """For each of the keys in ``roles`` the variable's own name, if it alone is so called.

        Of several, the only weight among them keeps the name; the rest go by their objects.
        """
        names = {key: self._own_name(key) for key in roles if self.graph}
        every = Counter(names.values())
        weights = Counter(name for key, name in names.items() if roles[key] is Role.WEIGHT)
        return {
            key: name
            if name and (every[name] == 1 or (roles[key] is Role.WEIGHT and weights[name] == 1))
            else self._place(key)
            for key, name in names.items()
        }

    def layer(self, key: str, title: str) -> str:
        """What stands before the last part of a title; that part may hold a slash of its own.

        A list or a dictionary of variables is no layer, but part of the one that holds it.
        """
        if title != self._place(key):
            return title.rpartition("/")[0]
        attribute = self._placed(key)
        if attribute is None or self.graph is None:
            return unescaped(key.partition(_ATTRIBUTES)[0].rpartition("/")[0])
        above, _ = self.graph.parents[attribute.node]
        _, edge = self.graph.parents[above]
        return "" if edge in VARIABLE_LISTS else self.graph.path(self.graph.holder(attribute.node))

    def _own_name(self, key: str) -> str:
        """The name a variable was created with, empty where nobody chose one."""
        attribute = self.attributes.get(key)
        name = attribute.full_name if attribute else ""
        return "" if _UNNAMED.fullmatch(name) else name

    def _place(self, key: str) -> str:
        """The attributes that lead to a variable from the model, which a key may not go through.

        Keras keeps ``kernel`` in its own attribute ``_kernel``.
        """
        attribute = self._placed(key)
        if attribute is None or self.graph is None:
            return _stem(key)
        path = self.graph.path(attribute.node)
        name = attribute.full_name.rpartition("/")[2]
        above, found, last = path.rpartition("/")
        return f"{above}{found}{name}" if last == f"_{name}" else path

    def _placed(self, key: str) -> Attribute | None:
        """The variable of a key, if the object graph leads to it."""
        found = self.attributes.get(key)
        is_there = found is not None and self.graph is not None and found.node in self.graph.parents
        return found if found is not None and is_there and found.name == VALUE else None


def _stem(key: str) -> str:
    base, _, attribute = key.partition(_ATTRIBUTES)
    path = unescaped(base)
    return path if attribute in ("", VALUE) else f"{path} {attribute}"
