"""What `checks` of a checkpoint says: nothing of TensorFlow's own, and each damage where it is."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from explorer.formats.artifact import Check, Tensor, TensorUnreadable
from explorer.formats.checkpoint.bundle_checks import bundle_checks
from explorer.formats.checkpoint.slice_keys import slice_key
from explorer.formats.checkpoint.sstable import mask
from explorer.formats.checkpoint.tensor_bundle import Bundle, open_bundle
from explorer.formats.registry import open_artifact
from explorer.formats.schema import tensor_pb2
from explorer.formats.schema.checkpoint_pb2 import BundleEntryProto
from explorer.formats.storage import LocalStorage
from tests.formats import tables
from tests.formats.old_versions.expected import FILES
from tests.formats.originals import Originals

_MADE = (
    "keras3_checkpoint/ck-1",
    "keras2_weights/mannal_checkpoint",
    "several/ckpt-3",
    "by_name/model.ckpt",
    "types/ck",
    "split/whole",
    "cut/ck-1",
    "variants/ck",
)
_OLD = sorted({path.with_suffix("") for path in FILES.rglob("*.index")})


def bundle_at(prefix: Path) -> Bundle:
    return open_bundle(LocalStorage(prefix.parent), prefix.name)


def problems(checks: Iterable[Check]) -> list[tuple[str, str]]:
    return [(check.rule, check.where) for check in checks if check.problem]


@pytest.mark.parametrize("name", _MADE)
def test_all_is_well_with_what_tensorflow_wrote(name: str, originals: Originals) -> None:
    original = originals[name]
    checks = list(open_artifact(str(original.path)).checks())
    assert problems(checks) == []
    summed = {check.where.partition(" [")[0] for check in checks if check.rule == "crc32c"}
    assert summed == original.tensors.keys()


@pytest.mark.parametrize("prefix", _OLD, ids=lambda path: str(path.relative_to(FILES)))
def test_all_is_well_with_old_files(prefix: Path) -> None:
    checks = list(bundle_checks(bundle_at(prefix)))
    assert problems(checks) == []
    assert {check.rule for check in checks} >= {"footer", "block crc32c", "shard present", "crc32c"}


def flip(file: Path, position: int) -> None:
    data = bytearray(file.read_bytes())
    data[position] ^= 0x10
    file.write_bytes(data)


def place(tensor: Tensor) -> tuple[int, int]:
    assert tensor.location is not None
    assert tensor.location.offset is not None
    return tensor.location.offset, tensor.location.nbytes


def test_a_flipped_byte_is_found_in_its_tensor_alone(copied: Path) -> None:
    shard = Path(f"{copied}.data-00000-of-00001")
    sound = shard.read_bytes()
    artifact = open_artifact(str(copied))
    for tensor in artifact.tensors():
        offset, size = place(tensor)
        for position in {offset, offset + size // 2, offset + size - 1}:
            flip(shard, position)
            assert problems(artifact.checks()) == [("crc32c", tensor.path)]
            shard.write_bytes(sound)


def test_a_flipped_byte_of_the_index_is_found(copied: Path) -> None:
    index = Path(f"{copied}.index")
    sound = index.read_bytes()
    artifact = open_artifact(str(copied))
    found = 0
    for position in range(len(sound)):
        flip(index, position)
        found += bool(problems(artifact.checks()))
        index.write_bytes(sound)
    # The footer pads its two handles, which take a few bytes each, to 40.
    assert found >= len(sound) - 40


def test_a_damaged_index_is_named_among_the_checks_of_a_folder(copied: Path) -> None:
    for file in copied.parent.glob("ck-1.*"):
        shutil.copy(file, file.with_name(file.name.replace("ck-1", "ck-2")))
    (copied.parent / "checkpoint").write_text(
        'model_checkpoint_path: "ck-2"\nall_model_checkpoint_paths: "ck-0"\n'
    )
    flip(copied.parent / "ck-2.index", 20)
    assert problems(open_artifact(str(copied.parent)).checks()) == [
        ("index", "ck-2.index"),
        ("checkpoint present", "ck-0"),
    ]


def test_a_missing_shard_is_found_once(copied: Path, tmp_path: Path) -> None:
    shard = Path(f"{copied}.data-00000-of-00001")
    artifact = open_artifact(str(copied))
    shard.unlink()
    assert problems(artifact.checks()) == [("shard present", shard.name)]


def test_a_cut_shard_is_found(copied: Path) -> None:
    artifact = open_artifact(str(copied))
    last = max(artifact.tensors(), key=place)
    shard = Path(f"{copied}.data-00000-of-00001")
    shard.write_bytes(shard.read_bytes()[:-1])
    (check,) = [check for check in artifact.checks() if check.problem]
    assert (check.rule, check.where) == ("crc32c", last.path)
    assert "it is cut short" in check.problem


def test_damaged_lengths_of_strings_are_found(tmp_path: Path, originals: Originals) -> None:
    original = originals["types/ck"].path
    for file in original.parent.glob("ck.*"):
        shutil.copy(file, tmp_path)
    artifact = open_artifact(str(tmp_path / "ck"))
    offset, _ = place(next(t for t in artifact.tensors() if t.path == "string"))
    for position in range(offset, offset + 9):  # four lengths, one of them of two bytes
        shutil.copy(f"{original}.data-00000-of-00001", tmp_path)
        flip(tmp_path / "ck.data-00000-of-00001", position)
        assert problems(artifact.checks()) == [("crc32c", "string")]


def test_large_tensors_are_summed_up_block_by_block(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes((16 << 20) + 5)
    entry = numbers(tensor_pb2.DT_UINT8, [len(data)], data)
    tables.write_bundle(tmp_path / "ck", {"x": entry}, data)
    bundle = bundle_at(tmp_path / "ck")
    tracemalloc.start()
    checks = list(bundle_checks(bundle))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problems(checks) == []
    assert peak < 4 << 20


# Lying entries


def numbers(dtype: int, shape: list[int], data: bytes, offset: int = 0) -> BundleEntryProto:
    return BundleEntryProto(
        dtype=dtype,  # type: ignore[arg-type]
        shape=shape_proto(shape),
        offset=offset,
        size=len(data),
        crc32c=mask(google_crc32c.value(data)),
    )


def shape_proto(shape: list[int]) -> tensor_pb2.TensorShapeProto:
    sizes = [tensor_pb2.TensorShapeProto.Dim(size=size) for size in shape]
    return tensor_pb2.TensorShapeProto(dim=sizes)


def test_a_wrong_byte_count_is_found(tmp_path: Path) -> None:
    entry = numbers(tensor_pb2.DT_FLOAT, [3], bytes(8))
    tables.write_bundle(tmp_path / "ck", {"x": entry}, bytes(8))
    (check,) = [c for c in bundle_checks(bundle_at(tmp_path / "ck")) if c.problem]
    assert (check.rule, check.where) == ("byte count", "x")
    assert "float32 (3,), which takes 12 bytes, but 8 bytes are stored" in check.problem


def partitioned(rows: list[tuple[int, int]]) -> dict[str | bytes, BundleEntryProto]:
    """A tensor of 4 × 2 bytes with parts of these first rows and counts, all of zeros."""
    whole = BundleEntryProto(dtype=tensor_pb2.DT_UINT8, shape=shape_proto([4, 2]))
    entries: dict[str | bytes, BundleEntryProto] = {"x": whole}
    for start, length in rows:
        piece = whole.slices.add()
        piece.extent.add(start=start, length=length)
        piece.extent.add()
        entries[slice_key("x", piece)] = numbers(
            tensor_pb2.DT_UINT8, [length, 2], bytes(length * 2)
        )
    return entries


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([(0, 1), (1, 3)], ""),
        ([(0, 1), (1, 2)], "its parts hold 6 values, but its shape (4, 2) takes more"),
        ([(0, 2), (1, 2)], "two of its parts hold the same values"),
        ([(0, 2), (3, 2)], "a part lies outside of its shape (4, 2)"),
    ],
)
def test_parts_must_fill_the_shape_once(
    rows: list[tuple[int, int]], problem: str, tmp_path: Path
) -> None:
    tables.write_bundle(tmp_path / "ck", partitioned(rows), bytes(16))
    bundle = bundle_at(tmp_path / "ck")
    (check,) = [check for check in bundle_checks(bundle) if check.rule == "parts"]
    assert check.problem == (f"x is kept in 2 parts, but {problem}." if problem else "")
    if problem:
        with pytest.raises(TensorUnreadable, match="is kept in 2 parts, but"):
            bundle.tensor("x").read()
    else:
        assert not bundle.tensor("x").read().any()


def test_a_missing_or_foreign_part_is_found(tmp_path: Path) -> None:
    entries = partitioned([(0, 1), (1, 3)])
    missing = dict(list(entries.items())[:2])
    tables.write_bundle(tmp_path / "missing", missing, bytes(16))
    assert "but only 1 of them are in the index" in bundle_at(tmp_path / "missing").parts_problem(
        "x"
    )
    last = list(entries)[-1]
    entries[last] = numbers(tensor_pb2.DT_INT8, [3, 2], bytes(6))
    tables.write_bundle(tmp_path / "foreign", entries, bytes(16))
    assert "does not fit its place" in bundle_at(tmp_path / "foreign").parts_problem("x")


@pytest.mark.parametrize("name", ["tf14/ckpt_v1/model.ckpt", "tf115/sharded_v1/model"])
def test_a_flipped_byte_of_format_v1_is_found(name: str, tmp_path: Path) -> None:
    for file in (FILES / name).parent.iterdir():
        shutil.copy(file, tmp_path)
    artifact = open_artifact(str(tmp_path / Path(name).name))
    assert problems(artifact.checks()) == []
    for file in artifact.root.children():
        table = tmp_path / file.name
        sound = table.read_bytes()
        found = 0
        for position in range(0, len(sound), 7):
            flip(table, position)
            found += bool(problems(artifact.checks()))
            table.write_bytes(sound)
        assert found >= len(range(0, len(sound), 7)) - 6
