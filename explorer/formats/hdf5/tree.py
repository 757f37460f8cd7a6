"""An HDF5 file as tree nodes and as a list of tensors; no link is ever followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from explorer.formats.artifact import Node, NodeType, Role, Tensor, UnreadableArtifact
from explorer.formats.hdf5.errors import DamagedHdf5
from explorer.formats.hdf5.file import (
    HDF5_ERRORS,
    Hdf5File,
    attribute,
    attribute_value_text,
    plain,
)
from explorer.formats.hdf5.links import Elsewhere, Link
from explorer.formats.hdf5.object_header import read_heads
from explorer.formats.hdf5.objects import Hdf5Object, ObjectKind
from explorer.formats.hdf5.tensors import describe
from explorer.formats.json_tree import json_children, json_text, parse_json, short_text
from explorer.formats.text import count_text

_BATCH = 1 << 14
_TENSOR_KINDS = {
    Role.WEIGHT: "weight",
    Role.OPTIMIZER: "optimizer state",
    Role.METRIC: "metric state",
}


@dataclass(frozen=True)
class Hdf5View:
    """What a reader knows of the objects of a file beside what HDF5 itself says.

    ``role`` is asked with a dataset's path, ``kind`` with a group's; an empty kind is shown as
    ``group``. ``member`` is the file as shown where a tensor lives.
    """

    file: Hdf5File
    role: Callable[[str], Role]
    kind: Callable[[str], str]
    member: str
    _shown: dict[int, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def first_path(self, obj: Hdf5Object, path: bytes) -> bytes:
        """The first of the names of an object; ``path`` is the one that leads to it here.

        Where the object counts fewer links than it has, the first one that was shown.
        """
        shown = self._shown.setdefault(obj.address, path)
        return self._first_paths.get(obj.address, path) if obj.reference_count > 1 else shown

    @cached_property
    def _first_paths(self) -> Mapping[int, bytes]:
        """Where `walk` comes upon the objects that have several names, by the address of each."""
        found = visit(self.file.root)
        objects = ((obj, path) for path, obj in found if isinstance(obj, Hdf5Object))
        return {obj.address: path for obj, path in objects if obj.reference_count > 1}


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _joined(above: bytes, name: bytes) -> bytes:
    return above + b"/" + name if above else name


def _target(link: Elsewhere) -> str:
    if not link.is_known:
        return "link of an unknown type"
    if link.file is None:
        return f"soft link to {_decoded(link.path)}"
    return f"external link to {_decoded(link.path)} in the file {_decoded(link.file)}"


Links = list[tuple[bytes, Link]]
"""Names and where they lead."""


def links_of(group: Hdf5Object) -> Links:
    """The links of a group in HDF5's order; numbers by value, as Keras means them.

    Raises one of `HDF5_ERRORS`, also where ``group`` is none.
    """
    if group.kind is not ObjectKind.GROUP:
        raise DamagedHdf5("it is not a group any more")
    links = list(group.links.items())
    if all(name.isdigit() for name, _ in links):
        links.sort(key=lambda link: (len(link[0]), link[0]))
    return links


def open_group(group: Hdf5Object, path: str) -> Hdf5Object:
    """The group at a path below ``group``; ``group`` itself where that is empty.

    Raises ``KeyError`` where a step is not a hard link to a group: soft and external links are
    not followed.
    """
    for name in filter(None, path.encode().split(b"/")):
        link = group.links.get(name)
        below = group.at(link) if isinstance(link, int) else None
        if below is None or below.kind is not ObjectKind.GROUP:
            raise KeyError(f"{_decoded(name)} is not a group of this file")
        group = below
    return group


def walk(view: Hdf5View) -> Iterator[Tensor]:
    """Every dataset of the file once, depth first, by the first name that leads to it.

    A dataset whose header is damaged is left out. Raises `UnreadableArtifact` where the file
    was closed or changed meanwhile.
    """
    try:
        found = visit(view.file.root)
    except HDF5_ERRORS as error:
        raise _lost(view, error) from error
    for path, one in found:
        if isinstance(one, Hdf5Object) and one.kind is ObjectKind.DATASET:
            with suppress(*HDF5_ERRORS):
                yield _tensor(view, one, path)


Found = Hdf5Object | Elsewhere | OSError | ValueError
"""What a link leads to: an object, somewhere that is not followed, or nothing readable."""

_Entries = Iterator[tuple[bytes, Found]]


def visit(top: Hdf5Object) -> Iterator[tuple[bytes, Found]]:
    """Everything below a group with its path: each object once, depth first, and other links.

    Raises one of `HDF5_ERRORS` where the group itself cannot be read.
    """
    return _visited(top, _entries(top))


def _visited(top: Hdf5Object, entries: _Entries) -> _Entries:
    pending = [(b"", entries)]
    visited = {top.address}
    while pending:
        above, inside = pending[-1]
        for name, found in inside:
            path = _joined(above, name)
            if not isinstance(found, Hdf5Object):
                yield path, found
            elif found.address not in visited:
                visited.add(found.address)
                yield path, found
                if found.kind is ObjectKind.GROUP:
                    pending.append((path, _entries_or_none(found)))
                    break
        else:
            pending.pop()


def _entries_or_none(group: Hdf5Object) -> _Entries:
    try:
        return _entries(group)
    except HDF5_ERRORS:
        return iter(())


def _entries(group: Hdf5Object) -> _Entries:
    return _read(group, links_of(group))


def _read(group: Hdf5Object, links: Links) -> _Entries:
    """What links lead to, the beginnings of many headers read at once in the file's order.

    Read by name each would be somewhere else, which takes much longer.
    """
    for start in range(0, len(links), _BATCH):
        batch = links[start : start + _BATCH]
        heads = read_heads(group.source, {link for _, link in batch if isinstance(link, int)})
        for name, link in batch:
            yield name, link if isinstance(link, Elsewhere) else _object(group, link, heads[link])


def _object(group: Hdf5Object, address: int, head: bytes) -> Found:
    try:
        return group.at(address, head)
    except HDF5_ERRORS as error:
        return error


def _tensor(view: Hdf5View, obj: Hdf5Object, path: bytes) -> Tensor:
    return describe(view.file, obj, path, view.role(_decoded(path)), view.member)


def _lost(view: Hdf5View, error: BaseException) -> UnreadableArtifact:
    return UnreadableArtifact(
        f"{view.file.name} cannot be read any further: {plain(error)}. It was changed or closed "
        "meanwhile; open it again."
    )


def root_source(view: Hdf5View, links: Links | None = None) -> GroupSource:
    """The attributes of the root group and its links, where they were read already those."""
    return GroupSource(view, None, b"", frozenset(), links)


class GroupSource:
    """A `NodeSource` over a group: its attributes, then its links; details only of a page.

    ``address`` is of its header, ``None`` for the root; ``above`` are those of the groups it
    lies in; ``links`` are its own where they were read already.
    """

    def __init__(
        self,
        view: Hdf5View,
        address: int | None,
        path: bytes,
        above: frozenset[int],
        links: Links | None = None,
    ) -> None:
        self._view = view
        self._address = address
        self._path = path
        self._above = above
        self._links = links
        self._attributes: list[bytes] | None = None

    def _group(self) -> Hdf5Object:
        root = self._view.file.root
        return root if self._address is None else root.at(self._address)

    def _listed(self, group: Hdf5Object) -> tuple[list[bytes], Links]:
        """The names of the attributes and the links, each read once."""
        if self._attributes is None:
            self._attributes = list(group.attributes)
        if self._links is None:
            self._links = links_of(group)
        return self._attributes, self._links

    def __len__(self) -> int:
        try:
            attributes, links = self._listed(self._group())
        except HDF5_ERRORS as error:
            raise _lost(self._view, error) from error
        return len(attributes) + len(links)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        try:
            group = self._group()
            attributes, links = self._listed(group)
            shown = [_attribute_node(group, name) for name in attributes[start:stop]]
        except HDF5_ERRORS as error:
            raise _lost(self._view, error) from error
        above = self._above | {group.address}
        first = len(attributes)
        wanted = links[max(0, start - first) : max(0, stop - first)]
        return shown + [
            _node(self._view, group, name, link, _joined(self._path, name), above)
            for name, link in wanted
        ]


def _node(
    view: Hdf5View,
    group: Hdf5Object,
    name: bytes,
    link: Link,
    path: bytes,
    above: frozenset[int],
) -> Node:
    label = _decoded(name)
    if isinstance(link, Elsewhere):
        return _link_node(label, _target(link))
    if link in above:
        return _link_node(label, "hard link to a group that this one lies in")
    try:
        return _object_node(view, group.at(link), label, path, above)
    except HDF5_ERRORS as error:
        reason = plain(error)
        return Node(
            label,
            NodeType.ATTRIBUTE,
            kind="damaged",
            summary=short_text(reason),
            attributes=lambda: [("damaged", reason)],
        )


def _link_node(label: str, target: str) -> Node:
    return Node(
        label,
        NodeType.ATTRIBUTE,
        kind="link, not followed",
        summary=short_text(target),
        attributes=lambda: [("target", target)],
    )


def _object_node(
    view: Hdf5View, obj: Hdf5Object, label: str, path: bytes, above: frozenset[int]
) -> Node:
    if obj.kind is ObjectKind.DATASET:
        return _dataset_node(view, obj, label, path)
    if obj.kind is ObjectKind.GROUP:
        return _group_node(view, obj, label, path, above)
    if obj.kind is ObjectKind.NAMED_TYPE:
        return Node(label, NodeType.ATTRIBUTE, kind="named type")
    raise DamagedHdf5("its object header says neither dataset nor group")


def _dataset_node(view: Hdf5View, obj: Hdf5Object, label: str, path: bytes) -> Node:
    tensor = _tensor(view, obj, path)
    address = obj.address
    return Node(
        label,
        NodeType.TENSOR,
        kind=_TENSOR_KINDS.get(tensor.role, "dataset") + _same_as(view.first_path(obj, path), path),
        size=tensor.nbytes,
        tensor=tensor,
        attributes=lambda: attributes_of(view.file, address),
    )


def _group_node(
    view: Hdf5View, obj: Hdf5Object, label: str, path: bytes, above: frozenset[int]
) -> Node:
    """A group; what it holds is shown under the first of its names only."""
    address = obj.address
    links = links_of(obj)
    first = view.first_path(obj, path)
    source = GroupSource(view, address, first, above, links)
    return Node(
        label,
        NodeType.GROUP,
        kind=(view.kind(_decoded(path)) or "group") + _same_as(first, path),
        summary=count_text(len(links), "entry", "entries"),
        attributes=lambda: attributes_of(view.file, address),
        source=source if first == path else None,
        elsewhere=None if first == path else source,
    )


def _same_as(first: bytes, path: bytes) -> str:
    """`` · same as weights/first`` for an object that has another name before this one."""
    return "" if first == path else f" · same as {_decoded(first)}"


def attributes_of(file: Hdf5File, address: int | None = None) -> Sequence[tuple[str, str]]:
    """Name and text of the attributes of an object, or the root; JSON indented.

    Where they cannot be read, only why.
    """
    try:
        obj = file.root if address is None else file.root.at(address)
        return [(_decoded(name), _attribute_text(obj, name)) for name in obj.attributes]
    except HDF5_ERRORS as error:
        return [("damaged", plain(error))]


def _attribute_text(obj: Hdf5Object, name: bytes) -> str:
    text, value = _attribute_value(obj, name)
    return text if value is None else json_text(value)


def _attribute_value(obj: Hdf5Object, name: bytes) -> tuple[str, Any]:
    """The text of an attribute and, where that is a JSON object or list, its value."""
    try:
        text = attribute_value_text(attribute(obj, name))
    except HDF5_ERRORS as error:
        return f"cannot be shown: {plain(error)}", None
    if text[:1] not in ("{", "["):
        return text, None
    value = parse_json(text)
    return text, value if isinstance(value, dict | list) else None


def _attribute_node(obj: Hdf5Object, name: bytes) -> Node:
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
