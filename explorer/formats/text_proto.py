"""Messages written as text: ``saved_model.pbtxt``, ``graph.pbtxt``."""

from __future__ import annotations

import re
from typing import TypeVar

from google.protobuf.message import Message

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.storage import Storage
from explorer.formats.text import bytes_text
from explorer.formats.wire import ProtoFile

LARGEST_TEXT = 32 << 20
"""Bytes of text that are parsed; a megabyte takes about a second."""

_FIRST_FIELD = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:\s|#[^\n]*\n)*(\w+)\s*(?:[{<]|:\s*[{<\d])", re.ASCII
)
_PEEK = 4096

_Message = TypeVar("_Message", bound=Message)


def first_field(storage: Storage, member: str = "") -> str:
    """The name of the field a text message begins with, empty where this is none."""
    found = _FIRST_FIELD.match(storage.read(member, 0, _PEEK))
    return found[1].decode() if found else ""


def text_file(storage: Storage, member: str, kind: type[_Message]) -> ProtoFile:
    """The file as if it were written in binary; fields that are not known here are left out.

    Raises `UnreadableArtifact` with the line where it is damaged.
    """
    name = member or storage.name
    size = storage.size(member) or 0
    if size > LARGEST_TEXT:
        raise UnreadableArtifact(
            f"{name} has {bytes_text(size)} of text; up to {bytes_text(LARGEST_TEXT)} is read. "
            "Save it in binary instead: tf.io.write_graph(…, as_text=False) for a graph, "
            "as_text=False for a SavedModel.",
            path=storage.uri,
        )
    return ProtoFile(storage, member, _binary(storage.read(member), name, kind))


def _binary(text: bytes, name: str, kind: type[_Message]) -> bytes:
    from google.protobuf import text_format  # slow to import, and only text needs it

    try:
        message = text_format.Parse(text, kind(), allow_unknown_field=True)
        return message.SerializeToString(deterministic=True)
    except text_format.ParseError as error:
        where = f"line {error.GetLine()}: " if error.GetLine() else ""
        problem = f"{where}{str(error).partition(' : ')[2] or error}"
    except RecursionError:
        problem = "its messages are nested too deep"
    except (ValueError, UnicodeDecodeError) as error:
        problem = str(error)
    raise UnreadableArtifact(
        f"{name} cannot be read as text of a {kind.DESCRIPTOR.name}: {problem}. Copy or save it "
        "again."
    )
