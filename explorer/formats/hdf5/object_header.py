"""Object headers: the messages that say what an object is (section IV.A)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum

from explorer.formats.hdf5.errors import DamagedHdf5, NotReadHdf5, parses
from explorer.formats.hdf5.source import Source


class MessageType(IntEnum):
    """The header messages that are read (section IV.A.2)."""

    DATASPACE = 0x01
    LINK_INFO = 0x02
    DATATYPE = 0x03
    OLD_FILL_VALUE = 0x04
    FILL_VALUE = 0x05
    LINK = 0x06
    EXTERNAL_FILES = 0x07
    LAYOUT = 0x08
    FILTERS = 0x0B
    ATTRIBUTE = 0x0C
    CONTINUATION = 0x10
    SYMBOL_TABLE = 0x11
    ATTRIBUTE_INFO = 0x15
    REFERENCE_COUNT = 0x16


Message = tuple[int, int, bytes]
"""Type, flags and body; bit 1 of the flags says that the body only points to the one meant."""

_FIRST_READ = 512
_MOST_MESSAGES = 1 << 16
_SHARED = 2
_CHECKSUM = 4
_CONTINUATION = int(MessageType.CONTINUATION)

_V1_HEAD = struct.Struct("<BxHII")
_V1_MESSAGE = struct.Struct("<HHBxxx")
_V2_MESSAGE = struct.Struct("<BHB")


def read_heads(source: Source, addresses: Iterable[int]) -> dict[int, bytes]:
    """The beginning of each object header, read in the order of the file.

    Empty where it cannot be read; `read_messages` says why.
    """
    return {address: _head(source, address) for address in sorted(addresses)}


def _head(source: Source, address: int) -> bytes:
    try:
        return source.read_up_to(address, _FIRST_READ)
    except (OSError, ValueError):
        return b""


@parses("its object header")
def read_messages(source: Source, address: int, head: bytes = b"") -> list[Message]:
    """All messages of the object whose header is at ``address``, continuation blocks included.

    ``head`` is its beginning, where `read_heads` has read that already.
    """
    head = head or source.read_up_to(address, _FIRST_READ)
    if head.startswith(b"OHDR"):
        return _version_2(source, address, head)
    version, _, _, size = _V1_HEAD.unpack_from(head)
    if version != 1:
        raise DamagedHdf5("its object header is not where it was")
    return _collect(source, address + 16, head[16 : 16 + size], size, _V1_MESSAGE, b"")


def _version_2(source: Source, address: int, head: bytes) -> list[Message]:
    fields = source.parse(head)
    fields.expect(b"OHDR", 2)
    flags = fields.number(1)
    fields.skip((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    size = fields.number(1 << (flags & 3))
    at = fields.at
    form = struct.Struct("<BHBxx") if flags & 4 else _V2_MESSAGE
    source.verify(address, at + size + _CHECKSUM)
    return _collect(source, address + at, head[at : at + size], size, form, b"OCHK")


def _collect(
    source: Source, start: int, block: bytes, size: int, form: struct.Struct, signature: bytes
) -> list[Message]:
    """The messages of the first block, of ``size`` bytes, and of those it continues in.

    Blocks after the first of a version 2 header have a signature and a checksum around them.
    """
    if len(block) < size:
        block = source.read(start, size)
    found: list[Message] = []
    pending = [block]
    seen = {start}
    while pending:
        for message in _messages(pending.pop(0), form, found):
            address, length = _continuation(source, message)
            if address in seen:
                raise DamagedHdf5("its object header continues in itself")
            seen.add(address)
            pending.append(_continued(source, address, length, signature))
    return found


def _messages(block: bytes, form: struct.Struct, found: list[Message]) -> list[bytes]:
    """Add a block's messages to ``found``; the result is where the header continues."""
    further: list[bytes] = []
    at, head = 0, form.size
    end = len(block)
    while at + head <= end:
        kind, size, flags = form.unpack_from(block, at)
        at += head + size
        if at > end:
            raise DamagedHdf5("its object header holds a message longer than itself")
        if kind == _CONTINUATION:
            further.append(block[at - size : at])
        elif kind:
            found.append((kind, flags, block[at - size : at]))
    if len(found) > _MOST_MESSAGES:
        raise DamagedHdf5("its object header holds too many messages")
    return further


def _continuation(source: Source, body: bytes) -> tuple[int, int]:
    fields = source.parse(body)
    return fields.address(), fields.length()


def _continued(source: Source, address: int, length: int, signature: bytes) -> bytes:
    block = source.read(address, length)
    if not signature:
        return block
    if not block.startswith(signature):
        raise DamagedHdf5("its object header continues where nothing is")
    source.verify(address, length)
    return block[len(signature) : -_CHECKSUM]


def reference_count(source: Source, address: int, messages: Iterable[Message]) -> int:
    """How many hard links lead to an object (sections IV.A.1.a and IV.A.2.w)."""
    head = source.read(address, 8)
    if not head.startswith(b"OHDR"):
        return int.from_bytes(head[4:], "little")
    counts = (body for kind, _, body in messages if kind == MessageType.REFERENCE_COUNT)
    return next((int.from_bytes(body[1:5], "little") for body in counts), 1)


def own_body(source: Source, message: Message) -> bytes:
    """The body meant by a message: its own, or that of a committed datatype (IV.A.2, sharing)."""
    kind, flags, body = message
    return shared_body(source, kind, body) if flags & _SHARED else body


def shared_body(source: Source, kind: int, reference: bytes) -> bytes:
    """The message of ``kind`` in the object that ``reference`` points to (section IV.A.2)."""
    fields = source.parse(reference)
    version, place = fields.number(1), fields.number(1)
    if version == 1:
        fields.skip(6)
    elif version == 3 and place == 1:
        raise NotReadHdf5("it is kept in a table of shared messages, which is not read")
    for found, flags, body in read_messages(source, fields.address()):
        if found == kind and not flags & _SHARED:
            return body
    raise DamagedHdf5("the named type it refers to is not where it was")
