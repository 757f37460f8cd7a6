"""Messages written as text: ``saved_model.pbtxt``, ``graph.pbtxt``."""

from __future__ import annotations

import re
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from explorer.formats.artifact import OverLimit, UnreadableArtifact
from explorer.formats.protobuf.text_message import (
    GAP,
    MOST_FIELDS,
    TextError,
    TooManyFieldsError,
    binary,
)
from explorer.formats.protobuf.wire import ProtoFile
from explorer.formats.storage import Storage
from explorer.formats.text import bytes_text

LARGEST_TEXT = 32 << 20
"""Bytes of text that are read."""

_IN_BINARY = (
    "Save it in binary instead: tf.io.write_graph(…, as_text=False) for a graph, as_text=False for "
    "a SavedModel."
)

_FIRST_FIELD = re.compile(
    rf"\A(?:\xef\xbb\xbf)?{GAP}(\w+){GAP}(?:[{{<\[]|:{GAP}[{{<\[\d])".encode("latin-1"), re.ASCII
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
        raise OverLimit(
            f"{name} has {bytes_text(size)} of text; up to {bytes_text(LARGEST_TEXT)} is read. "
            f"{_IN_BINARY}",
            path=storage.uri,
        )
    return ProtoFile(storage, member, _binary(storage.read(member), name, kind))


def _binary(text: bytes, name: str, kind: type[_Message]) -> bytes:
    try:
        message = kind.FromString(binary(text, cast("Descriptor", kind.DESCRIPTOR)))
        return message.SerializeToString(deterministic=True)
    except TooManyFieldsError as error:
        raise OverLimit(
            f"{name} is text with more than {MOST_FIELDS:,} fields and listed values, which is as "
            f"much as is read. {_IN_BINARY}"
        ) from error
    except TextError as error:
        problem = str(error)
    except DecodeError:
        problem = "a name in it is not UTF-8"
    raise UnreadableArtifact(
        f"{name} cannot be read as text of a {kind.DESCRIPTOR.name}: {problem}. Copy or save it "
        "again."
    )
