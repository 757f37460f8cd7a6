"""Write small tables and bundles by hand, also wrong ones, for tests of hostile input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import google_crc32c

from explorer.formats.checkpoint.sstable import MAGIC, mask
from explorer.formats.schema.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto


def varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def block(entries: Mapping[bytes, bytes]) -> bytes:
    """Entries with whole keys, and one restart point."""
    body = b"".join(
        varint(0) + varint(len(key)) + varint(len(value)) + key + value
        for key, value in entries.items()
    )
    return body + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def sealed(data: bytes, compression: int = 0) -> bytes:
    """A block with its trailer."""
    stored = data + bytes([compression])
    return stored + mask(google_crc32c.value(stored)).to_bytes(4, "little")


def table(data_block: bytes, compression: int = 0) -> bytes:
    """A table of one block, given as it is stored."""
    first = sealed(data_block, compression)
    handle = varint(0) + varint(len(data_block))
    metadata = block({})
    index = block({b"\xff": handle})
    index_at = len(first) + len(sealed(metadata))
    footer = varint(len(first)) + varint(len(metadata)) + varint(index_at) + varint(len(index))
    return first + sealed(metadata) + sealed(index) + footer.ljust(40, b"\0") + MAGIC


def write_bundle(
    prefix: Path, entries: Mapping[str | bytes, BundleEntryProto], data: bytes
) -> None:
    """A bundle of one shard; the keys of parts are no text."""
    header = BundleHeaderProto(num_shards=1)
    lines = {b"": header.SerializeToString()}
    for name, entry in entries.items():
        key = name.encode() if isinstance(name, str) else name
        lines[key] = entry.SerializeToString()
    Path(f"{prefix}.index").write_bytes(table(block(lines)))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)
