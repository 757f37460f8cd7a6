"""Checkpoints whose content is damaged, but whose checksums are right, as if somebody forged them.

A damaged byte of a table is found by its checksum, so nothing behind that would be tried. Here
entries of the index, keys, and the object graph are damaged and sealed again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import pytest

from explorer.formats.checkpoint.sstable import Table, mask
from explorer.formats.schema.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto
from tests.formats import tables
from tests.formats.fuzz import examine
from tests.formats.mutations import mutated
from tests.formats.old_versions.expected import FILES

_COUNT = 150
_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
_SHARD = ".data-00000-of-00001"

Entries = dict[bytes, bytes]


def entries_of(file: Path) -> Entries:
    data = file.read_bytes()
    table = Table(lambda offset, length: data[offset : offset + length], len(data), file.name)
    return dict(table.entries())


def any_entry(entries: Entries, rng: random.Random) -> Entries:
    """One to three values damaged."""
    out = dict(entries)
    for key in rng.sample(list(entries), rng.randint(1, 3)):
        out[key] = mutated(entries[key], rng) if len(set(entries[key])) > 1 else b""
    return out


def any_field(entries: Entries, rng: random.Random) -> Entries:
    """One to three entries with a field that is another number, often one at an edge."""
    out = dict(entries)
    for key in rng.sample(list(entries), rng.randint(1, 3)):
        entry = BundleEntryProto.FromString(entries[key])
        header = BundleHeaderProto.FromString(entries[key])
        if key:
            rng.choice(FIELDS)(entry, rng)
        else:
            header.num_shards = rng.choice([-1, 0, 2, 3, 99_999, 1 << 30])
            header.endianness = rng.randint(0, 3)  # type: ignore[assignment]
        out[key] = (entry if key else header).SerializeToString()
    return out


def _dtype(entry: BundleEntryProto, rng: random.Random) -> None:
    entry.dtype = rng.randrange(140)  # type: ignore[assignment]


def _place(entry: BundleEntryProto, rng: random.Random) -> None:
    field = rng.choice(["offset", "size", "shard_id"])
    edges = [0, 1, -1, 1 << 31, -1 << 62, (1 << 63) - 1]
    setattr(entry, field, rng.choice([1, 2, -1, -5, 1 << 30] if field == "shard_id" else edges))


def _shape(entry: BundleEntryProto, rng: random.Random) -> None:
    entry.shape.unknown_rank = rng.random() < 0.1
    if entry.shape.dim and rng.random() < 0.5:
        entry.shape.dim.pop()
    for _ in range(rng.choice([0, 1, 1, 2, 70])):
        entry.shape.dim.add(size=rng.choice([-1, 0, 1, 3, 1 << 31, (1 << 63) - 1]))


def _slices(entry: BundleEntryProto, rng: random.Random) -> None:
    piece = entry.slices.add()
    for _ in range(rng.choice([0, 1, len(entry.shape.dim)])):
        edges = [-1, 0, 1, 2, 1 << 40, (1 << 63) - 1]
        extent = piece.extent.add(start=rng.choice(edges))
        if rng.random() < 0.7:
            extent.length = rng.choice(edges)


FIELDS = (_dtype, _place, _shape, _slices)


def any_key(entries: Entries, rng: random.Random) -> Entries:
    """One key damaged, so that a part or a variable is called otherwise."""
    key = rng.choice([key for key in entries if len(set(key)) > 1])
    return {mutated(key, rng) if k == key else k: value for k, value in entries.items()}


def write(prefix: Path, entries: Entries, data: bytes) -> Path:
    Path(f"{prefix}{_SHARD}").write_bytes(data)
    index = Path(f"{prefix}.index")
    index.write_bytes(tables.table(tables.block(entries)))
    return index


@pytest.mark.parametrize("damage", [any_entry, any_field, any_key])
@pytest.mark.parametrize("name", ["tf14/ckpt/model.ckpt-2", "tf213/ckpt/legacy-1"])
def test_forged_indexes(
    name: str, damage: Callable[[Entries, random.Random], Entries], tmp_path: Path
) -> None:
    entries = entries_of(Path(f"{FILES / name}.index"))
    data = Path(f"{FILES / name}{_SHARD}").read_bytes()
    opened = 0
    for number in range(_COUNT):
        rng = random.Random(f"{damage.__name__}/{name}/{number}")
        opened += examine(write(tmp_path / "ck", damage(entries, rng), data))
    assert opened if damage is any_entry else opened > _COUNT // 2


@pytest.mark.parametrize("name", ["tf213/ckpt/legacy-1", "tf24/ckpt/ckpt-3"])
def test_forged_object_graphs(name: str, tmp_path: Path) -> None:
    entries = entries_of(Path(f"{FILES / name}.index"))
    data = Path(f"{FILES / name}{_SHARD}").read_bytes()
    entry = BundleEntryProto.FromString(entries[_GRAPH])
    length, start = _length(data[entry.offset :])
    graph = data[entry.offset + start + 4 :][:length]
    opened = 0
    for number in range(_COUNT):
        forged = mutated(graph, random.Random(f"{name}/{number}"))
        entry.offset, stored = len(data), _stored_string(forged)
        entry.size, entry.crc32c = len(stored), _string_crc(forged, stored)
        entries[_GRAPH] = entry.SerializeToString()
        opened += examine(write(tmp_path / "ck", entries, data + stored))
    assert opened == _COUNT


def _length(data: bytes) -> tuple[int, int]:
    """The length that a scalar string begins with, and how many bytes that takes."""
    count = next(index for index, byte in enumerate(data) if byte < 0x80) + 1
    return sum((byte & 0x7F) << 7 * index for index, byte in enumerate(data[:count])), count


def _stored_string(text: bytes) -> bytes:
    checksum = mask(google_crc32c.value(len(text).to_bytes(4, "little")))
    return tables.varint(len(text)) + checksum.to_bytes(4, "little") + text


def _string_crc(text: bytes, stored: bytes) -> int:
    return mask(
        google_crc32c.value(len(text).to_bytes(4, "little") + stored[-len(text) - 4 :])
        if text
        else google_crc32c.value(bytes(4) + stored[-4:])
    )


@pytest.mark.parametrize("damage", [any_entry, any_key])
@pytest.mark.parametrize("name", ["tf14/ckpt_v1/model.ckpt", "tf115/ckpt_v1/model-3"])
def test_forged_tables_of_format_v1(
    name: str, damage: Callable[[Entries, random.Random], Entries], tmp_path: Path
) -> None:
    entries = entries_of(FILES / name)
    table = tmp_path / "model"
    opened = 0
    for number in range(_COUNT):
        rng = random.Random(f"{damage.__name__}/{name}/{number}")
        table.write_bytes(tables.table(tables.block(damage(entries, rng))))
        opened += examine(table)
    assert opened > _COUNT // 2
