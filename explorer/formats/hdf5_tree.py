"""An HDF5 file as tree nodes and as a list of tensors; no link is ever followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from h5py import h5g, h5l, h5o

from explorer.formats.artifact import Node, NodeType, Role, Tensor, UnreadableArtifact
from explorer.formats.hdf5_dataset import describe
from explorer.formats.hdf5_file import (
    HDF5_ERRORS,
    Hdf5File,
    attribute,
    attribute_names,
    plain,
    value_text,
)
from explorer.formats.json_tree import json_children, json_text, parse_json, short_text
from explorer.formats.text import count_text

_TENSOR_KINDS = {
    Role.WEIGHT: "weight",
    Role.OPTIMIZER: "optimizer state",
    Role.METRIC: "metric state",
}


@dataclass(frozen=True, slots=True)
class Hdf5View:
    """What a reader knows of the objects of a file beside what HDF5 itself says.

    ``role`` is asked with a dataset's path, ``kind`` with a group's; an empty kind is shown as
    ``group``. ``member`` is the file as shown where a tensor lives.
    """

    file: Hdf5File
    role: Callable[[str], Role]
    kind: Callable[[str], str]
    member: str


@dataclass(frozen=True, slots=True)
class _Child:
    """One link of a group: what it leads to, or where it points if it is not followed.

    ``address`` is the object's own in the file, the same by whatever name it is reached.
    """

    name: bytes
    path: bytes
    type: int
    address: int = 0
    target: str = ""

    @property
    def label(self) -> str:
        return self.name.decode("utf-8", "replace")


_LINK = -1


def _child(group: Any, name: bytes, above: bytes) -> _Child:
    path = above + b"/" + name if above else name
    link = group.links.get_info(name)
    if link.type != h5l.TYPE_HARD:
        return _Child(name, path, _LINK, target=_target(group, name, link.type))
    info = h5o.get_info(group, name)
    return _Child(name, path, info.type, info.addr)


def _target(group: Any, name: bytes, link_type: int) -> str:
    if link_type == h5l.TYPE_SOFT:
        return f"soft link to {_decoded(group.links.get_val(name))}"
    if link_type == h5l.TYPE_EXTERNAL:
        file, path = group.links.get_val(name)
        return f"external link to {_decoded(path)} in the file {_decoded(file)}"
    return "link of an unknown type"


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def link_names(group: Any) -> list[bytes]:
    """The names in a group in HDF5's order; numbers by value, as Keras means them."""
    names = list(group)
    if all(name.isdigit() for name in names):
        names.sort(key=lambda name: (len(name), name))
    return names


def open_group(group: Any, path: str | bytes) -> Any:
    """The group at a path below ``group``; ``group`` itself where that is empty.

    Raises ``KeyError`` where a step is not a hard link to a group: the library would follow soft
    and external links, into other files too.
    """
    steps = path.encode() if isinstance(path, str) else path
    for name in filter(None, steps.split(b"/")):
        if not group.links.exists(name) or _child(group, name, b"").type != h5o.TYPE_GROUP:
            raise KeyError(f"{_decoded(name)} is not a group of this file")
        group = h5g.open(group, name)
    return group


def walk(view: Hdf5View) -> Iterator[Tensor]:
    """Every dataset of the file once, depth first, by the first name that leads to it.

    A dataset whose header is damaged is left out. Raises `UnreadableArtifact` where the file
    was closed or changed meanwhile.
    """
    try:
        top = view.file.root
        pending = [(top, b"", iter(link_names(top)))]
        visited = {h5o.get_info(top).addr}
    except HDF5_ERRORS as error:
        raise _lost(view, error) from error
    while pending:
        group, path, names = pending[-1]
        name = next(names, None)
        if name is None:
            pending.pop()
            continue
        found = _step(view, group, name, path, visited)
        if isinstance(found, Tensor):
            yield found
        elif found is not None:
            pending.append(found)


def _step(
    view: Hdf5View, group: Any, name: bytes, path: bytes, visited: set[int]
) -> Tensor | tuple[Any, bytes, Iterator[bytes]] | None:
    """A dataset, a group to go into, or nothing: a link, a damaged or a known object."""
    try:
        child = _child(group, name, path)
        if child.type == _LINK or child.address in visited:
            return None
        visited.add(child.address)
        if child.type == h5o.TYPE_DATASET:
            return _tensor(view, group, child)
        if child.type == h5o.TYPE_GROUP:
            below = h5g.open(group, name)
            return below, child.path, iter(link_names(below))
    except HDF5_ERRORS:
        return None
    return None


def _tensor(view: Hdf5View, group: Any, child: _Child) -> Tensor:
    role = view.role(_decoded(child.path))
    return describe(view.file, group, child.name, child.path, role, view.member)


def _lost(view: Hdf5View, error: BaseException) -> UnreadableArtifact:
    return UnreadableArtifact(
        f"{view.file.name} cannot be read any further: {plain(error)}. It was changed or closed "
        "meanwhile; open it again."
    )


def root_source(view: Hdf5View) -> GroupSource:
    """The attributes and links of the root group."""
    return GroupSource(view, b"", frozenset())


class GroupSource:
    """A `NodeSource` over a group: its attributes, then its links; details only of a page."""

    def __init__(self, view: Hdf5View, path: bytes, above: frozenset[int]) -> None:
        self._view = view
        self._path = path
        self._above = above
        self._attributes: list[bytes] = []
        self._links: list[bytes] | None = None

    def _group(self) -> Any:
        return open_group(self._view.file.root, self._path)

    def _names(self) -> list[bytes]:
        if self._links is None:
            group = self._group()
            self._attributes = attribute_names(group)
            self._links = link_names(group)
        return self._links

    def __len__(self) -> int:
        try:
            links = self._names()
        except HDF5_ERRORS as error:
            raise _lost(self._view, error) from error
        return len(self._attributes) + len(links)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        try:
            links = self._names()
            group = self._group()
            above = self._above | {h5o.get_info(group).addr}
        except HDF5_ERRORS as error:
            raise _lost(self._view, error) from error
        shown = [_attribute_node(group, name) for name in self._attributes[start:stop]]
        first = len(self._attributes)
        wanted = links[max(0, start - first) : max(0, stop - first)]
        return shown + [_node(self._view, group, name, self._path, above) for name in wanted]


def _node(view: Hdf5View, group: Any, name: bytes, path: bytes, above: frozenset[int]) -> Node:
    try:
        child = _child(group, name, path)
        return _node_of(view, group, child, above)
    except HDF5_ERRORS as error:
        reason = plain(error)
        return Node(
            _decoded(name),
            NodeType.ATTRIBUTE,
            kind="damaged",
            summary=short_text(reason),
            attributes=lambda: [("damaged", reason)],
        )


def _node_of(view: Hdf5View, group: Any, child: _Child, above: frozenset[int]) -> Node:
    if child.type == h5o.TYPE_DATASET:
        return _dataset_node(view, group, child)
    if child.type == h5o.TYPE_GROUP and child.address not in above:
        return _group_node(view, group, child, above)
    if child.type == h5o.TYPE_NAMED_DATATYPE:
        return Node(child.label, NodeType.ATTRIBUTE, kind="named type")
    target = child.target or "hard link to a group that this one lies in"
    return Node(
        child.label,
        NodeType.ATTRIBUTE,
        kind="link, not followed",
        summary=short_text(target),
        attributes=lambda: [("target", target)],
    )


def _dataset_node(view: Hdf5View, group: Any, child: _Child) -> Node:
    tensor = _tensor(view, group, child)
    return Node(
        child.label,
        NodeType.TENSOR,
        kind=_TENSOR_KINDS.get(tensor.role, "dataset"),
        size=tensor.nbytes,
        tensor=tensor,
        attributes=lambda: attributes_of(view.file, child.path),
    )


def _group_node(view: Hdf5View, group: Any, child: _Child, above: frozenset[int]) -> Node:
    entries = h5g.open(group, child.name).get_num_objs()
    return Node(
        child.label,
        NodeType.GROUP,
        kind=view.kind(_decoded(child.path)) or "group",
        summary=count_text(entries, "entry", "entries"),
        attributes=lambda: attributes_of(view.file, child.path),
        source=GroupSource(view, child.path, above),
    )


def attributes_of(file: Hdf5File, path: bytes = b"") -> Sequence[tuple[str, str]]:
    """Name and text of an object's attributes, JSON indented; empty where it is gone."""
    try:
        obj = h5o.open(file.root, path) if path else file.root
        return [(_decoded(name), _attribute_text(obj, name)) for name in attribute_names(obj)]
    except HDF5_ERRORS as error:
        return [("damaged", plain(error))]


def _attribute_text(obj: Any, name: bytes) -> str:
    text, value = _attribute_value(obj, name)
    return text if value is None else json_text(value)


def _attribute_value(obj: Any, name: bytes) -> tuple[str, Any]:
    """The text of an attribute and, where that is a JSON object or list, its value."""
    try:
        text = value_text(attribute(obj, name))
    except HDF5_ERRORS as error:
        return f"cannot be shown: {plain(error)}", None
    if text[:1] not in ("{", "["):
        return text, None
    value = parse_json(text)
    return text, value if isinstance(value, dict | list) else None


def _attribute_node(obj: Any, name: bytes) -> Node:
    label = _decoded(name)
    text, value = _attribute_value(obj, name)
    return Node(
        label,
        NodeType.ATTRIBUTE,
        kind="attribute" if value is None else "JSON attribute",
        summary=short_text(text) if value is None else "",
        attributes=lambda: [(label, text if value is None else json_text(value))],
        source=json_children(value),
    )
