"""JSON found in a file, as indented text and as tree nodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from explorer.formats.artifact import Node, NodeSource, NodeType
from explorer.formats.nodes import Paged
from explorer.formats.text import bytes_text, count_text

LARGEST_JSON = 32 << 20
"""Bytes of JSON that are parsed; a longer text is not."""

_MOST_VALUES = 1_000_000
_MOST_OBJECTS = 200_000
"""As many as 16,000 layers of Keras take, each some 60 values of which 12 are objects."""

_SHORT = 80


def parse_json(
    text: str | bytes, object_hook: Callable[[dict[str, Any]], Any] | None = None
) -> Any:
    """The value of a JSON text, or ``None`` where it is none, too large or nested too deep.

    ``object_hook`` may replace each object.
    """
    if excess(text):
        return None
    try:
        return json.loads(text, object_hook=object_hook)
    except (ValueError, RecursionError):
        return None


def parse_object(text: str | bytes) -> dict[str, Any] | None:
    """The value of a JSON text that is an object, else ``None``."""
    value = parse_json(text)
    return value if isinstance(value, dict) else None


def excess(text: str | bytes) -> str:
    """Of what a JSON text has more than is parsed, to follow “it has”; empty where of nothing.

    A value takes up to 200 bytes of memory, though two of text may be enough to write it, and all
    but the first follow a comma or an opening bracket. Those in strings are counted too.
    """
    if len(text) > LARGEST_JSON:
        return f"more than {bytes_text(LARGEST_JSON)} of text"
    data = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    objects = data.count(b"{")
    if objects > _MOST_OBJECTS:
        return f"more than {_MOST_OBJECTS:,} objects"
    many = objects + data.count(b"[") + data.count(b",") > _MOST_VALUES
    return f"more than {_MOST_VALUES:,} values" if many else ""


def why_unparsed(text: str | bytes) -> str:
    """Why `parse_json` gives nothing for a text, to follow “It”."""
    if found := excess(text):
        return f"has {found}, as no model needs, and is not read; be careful with this file"
    try:
        json.loads(text)
    except RecursionError:
        return "is nested too deep, as Keras nests none; be careful with this file"
    except ValueError:
        pass
    return "is damaged; copy or download it again"


def as_mapping(value: Any) -> Mapping[str, Any]:
    """A parsed value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_text(value: Any) -> str:
    """A parsed value where it is text, else an empty one."""
    return value if isinstance(value, str) else ""


def json_text(value: Any) -> str:
    """A parsed value as text, objects and lists indented by two."""
    if isinstance(value, str):
        return _printable(value)
    try:
        return _printable(json.dumps(value, indent=2, ensure_ascii=False))
    except RecursionError:
        return "nested too deep to be written out"


def _printable(text: str) -> str:
    r"""Without the halves of characters that ``\ud800`` and the like stand for."""
    return text.encode("utf-8", "replace").decode("utf-8")


def short_text(text: str) -> str:
    """The first line of a text, cut where it is long."""
    line = text.strip().partition("\n")[0]
    whole = len(line) <= _SHORT and line == text.strip()
    return line if whole else line[:_SHORT].rstrip() + " …"


def json_children(value: Any) -> NodeSource | None:
    """The members of an object or list as nodes, made when asked for; ``None`` for the rest."""
    if isinstance(value, dict) and value:
        keys = list(value)
        return Paged(keys, lambda key: json_node(str(key), value[key]))
    if isinstance(value, list) and value:
        return Paged(range(len(value)), lambda at: json_node(f"[{at}]", value[at]))
    return None


def json_node(name: str, value: Any) -> Node:
    """One member: its value in the summary column, the whole of it in the attributes."""
    return Node(
        _printable(name),
        NodeType.ATTRIBUTE,
        kind=_kind(value),
        summary=_summary(value),
        attributes=lambda: [("value", json_text(value))],
        source=json_children(value),
    )


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        class_name = value.get("class_name")
        return _printable(class_name) if isinstance(class_name, str) else "object"
    return "list" if isinstance(value, list) else "value"


def _summary(value: Any) -> str:
    if isinstance(value, dict):
        return count_text(len(value), "entry", "entries")
    if isinstance(value, list):
        return count_text(len(value), "item")
    return short_text(json_text(value))
