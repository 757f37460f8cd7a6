"""A file that no reader knows: its size, its first bytes, and why each reader refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from explorer.formats.artifact import Artifact, Node, NodeList, NodeType
from explorer.formats.pickles import taken_for_pickle
from explorer.formats.storage import Storage
from explorer.formats.text import bytes_text, count_text, printable_text

_SHOWN = 512
_PER_LINE = 16


def open_unknown(storage: Storage, message: str, reasons: Mapping[str, str]) -> Artifact:
    """The file as it is. ``message`` says in plain words what it is, or is not."""
    head = storage.read("", 0, _SHOWN)
    size = storage.size() or 0
    return Artifact(
        path=storage.uri,
        name=storage.name,
        format="unknown",
        format_name="Unknown file",
        size=size,
        root=_root(storage.name, size, head, reasons),
        notes=(
            _pickle_message(storage.name) if taken_for_pickle(storage) else message,
            *(f"{name}: {reason}" for name, reason in reasons.items()),
        ),
    )


def _pickle_message(name: str) -> str:
    return (
        f"{name} is a Python pickle or called like one. Loading a pickle runs whatever "
        "code it names, so it is not opened here. Ask for the model in another format, such as "
        ".keras, .h5 or .safetensors."
    )


def _root(name: str, size: int, head: bytes, reasons: Mapping[str, str]) -> Node:
    dump = "\n".join(hex_lines(head))
    shown = Node(
        f"first {count_text(len(head), 'byte')}",
        NodeType.ATTRIBUTE,
        kind="hex",
        summary=next(hex_lines(head), ""),
        attributes=lambda: [("bytes", dump)],
    )
    asked = Node(
        "readers asked",
        NodeType.GROUP,
        kind=count_text(len(reasons), "reader"),
        source=NodeList(lambda: [_reason_node(*reason) for reason in reasons.items()]),
    )
    return Node(
        name,
        NodeType.FILE,
        kind="unknown file",
        size=size,
        attributes=lambda: [("size", f"{size:,} bytes ({bytes_text(size)})"), ("bytes", dump)],
        source=NodeList([shown, asked]),
    )


def _reason_node(name: str, reason: str) -> Node:
    return Node(
        name,
        NodeType.ATTRIBUTE,
        kind="not this",
        summary=reason,
        attributes=lambda: [("reason", reason)],
    )


def hex_lines(data: bytes) -> Iterator[str]:
    """Sixteen bytes a line: the offset, each byte in hex, and those that are printable ASCII."""
    for start in range(0, len(data), _PER_LINE):
        line = data[start : start + _PER_LINE]
        halves = f"{line[:8].hex(' '):<23}  {line[8:].hex(' '):<23}"
        yield f"{start:08x}  {halves}  |{printable_text(line)}|"
