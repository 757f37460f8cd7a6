"""Damaged checkpoints: each is refused or says what is missing, and nothing is made up."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer.formats.artifact import (
    Role,
    Tensor,
    TensorUnreadable,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.checkpoint.tensor_bundle import open_bundle
from explorer.formats.registry import open_artifact
from explorer.formats.schema import tensor_pb2
from explorer.formats.schema.checkpoint_pb2 import BundleEntryProto
from explorer.formats.storage import LocalStorage
from tests.formats import tables
from tests.formats.originals import Originals
from tests.formats.walking import by_path


def test_a_cut_index_is_refused_at_every_length(copied: Path) -> None:
    index = Path(f"{copied}.index")
    data = index.read_bytes()
    for length in range(len(data)):
        index.write_bytes(data[:length])
        with pytest.raises(UnreadableArtifact):
            open_bundle(LocalStorage(copied.parent), copied.name)


def test_a_flipped_byte_of_the_index_is_noticed(copied: Path) -> None:
    index = Path(f"{copied}.index")
    data = index.read_bytes()
    expected = by_path(open_artifact(f"{copied}.index")).keys()
    noticed = 0
    for position in range(len(data)):
        index.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        try:
            bundle = open_bundle(LocalStorage(copied.parent), copied.name)
        except UnreadableArtifact:
            noticed += 1
        else:
            assert bundle.entries.keys() == expected
    # What may go unnoticed is the unused block and the footer's padding.
    assert noticed > len(data) - 100


def test_a_damaged_index_says_so(copied: Path) -> None:
    index = Path(f"{copied}.index")
    data = bytearray(index.read_bytes())
    data[20] ^= 1
    index.write_bytes(data)
    with pytest.raises(UnreadableArtifact, match="checksum of its block at byte 0 does not match"):
        open_artifact(f"{copied}.index")


def test_a_cut_index_says_so(copied: Path) -> None:
    index = Path(f"{copied}.index")
    index.write_bytes(index.read_bytes()[:-10])
    for path in (index, copied.parent):
        with pytest.raises(UnreadableArtifact, match=r"ck-1\.index is damaged: it does not end"):
            open_artifact(str(path))


def test_a_damaged_checkpoint_leaves_the_one_before(tmp_path: Path, originals: Originals) -> None:
    folder = tmp_path / "several"
    shutil.copytree(originals["several/ckpt-3"].path.parent, folder)
    (folder / "ckpt-3.index").write_bytes(b"")
    artifact = open_artifact(str(folder))
    assert "ckpt-3.index is damaged" in artifact.notes[0]
    assert "of ckpt-2, the latest that can be read" in artifact.notes[1]
    assert by_path(artifact)["step/.ATTRIBUTES/VARIABLE_VALUE"].read() == 2
    assert artifact.root.children()[0].children()[0].kind == "damaged"


def test_a_flipped_byte_of_a_value_is_noticed(copied: Path) -> None:
    tensor = next(t for t in open_artifact(f"{copied}.index").tensors() if t.role is Role.WEIGHT)
    assert tensor.location is not None
    assert tensor.location.offset is not None
    shard = Path(f"{copied}.data-00000-of-00001")
    data = bytearray(shard.read_bytes())
    data[tensor.location.offset] ^= 1
    shard.write_bytes(data)
    with pytest.raises(TensorUnreadable, match="do not match their checksum"):
        tensor.read()


def test_a_missing_shard_is_named(copied: Path) -> None:
    Path(f"{copied}.data-00000-of-00001").unlink()
    artifact = open_artifact(f"{copied}.index")
    assert "ck-1.data-00000-of-00001 is missing" in artifact.notes[0]
    with pytest.raises(TensorUnreadable, match=r"in ck-1\.data-00000-of-00001, which is missing"):
        artifact.tensors()[0].read()


def test_what_a_missing_shard_holds_no_part_of_is_read(
    tmp_path: Path, originals: Originals
) -> None:
    original = originals["cut/ck-1"]
    for file in original.path.parent.glob("ck-1.*"):
        shutil.copy(file, tmp_path)
    (gone,) = tmp_path.glob("*.data-00003-*")  # it holds the part [56:60, 1:17] and whole tensors
    gone.unlink()
    artifact = open_artifact(str(tmp_path / "ck-1"))
    assert artifact.contents.weights is Tri.PARTLY
    key = "large/.ATTRIBUTES/VARIABLE_VALUE"
    tensor = by_path(artifact)[key]
    _, shape, value = original.tensors[key]
    whole = np.frombuffer(bytes(value), np.float32).reshape(shape)
    for selection in [(slice(56),), (slice(40, 10, -7), slice(2, 9, 3)), (-1, 0), (55,)]:
        np.testing.assert_array_equal(tensor.read(selection), whole[selection])
    for selection in [(), (-1,), (slice(3, None), 1)]:
        with pytest.raises(TensorUnreadable, match=f"are in {gone.name}, which is missing"):
            tensor.read(selection)
    lost = sum(not is_readable(tensor) for tensor in artifact.tensors())
    (check,) = [check for check in artifact.checks() if check.where == gone.name]
    assert check.problem == f"{gone.name} is missing, and with it values of {lost} tensors."


def is_readable(tensor: Tensor) -> bool:
    try:
        tensor.read()
    except TensorUnreadable:
        return False
    return True


def test_a_cut_shard_is_named(copied: Path) -> None:
    shard = Path(f"{copied}.data-00000-of-00001")
    tensor = max(open_artifact(f"{copied}.index").tensors(), key=_end)
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(TensorUnreadable, match="it is cut short"):
        tensor.read()


def _end(tensor: Tensor) -> int:
    assert tensor.location is not None
    return (tensor.location.offset or 0) + tensor.location.nbytes


def entry(dtype: int, shape: list[int], **fields: int) -> BundleEntryProto:
    sizes = [tensor_pb2.TensorShapeProto.Dim(size=size) for size in shape]
    return BundleEntryProto(
        dtype=dtype,  # type: ignore[arg-type]
        shape=tensor_pb2.TensorShapeProto(dim=sizes),
        **fields,
    )


@pytest.mark.parametrize(
    ("lying", "message"),
    [
        (entry(1, [1 << 40, 1 << 20], size=8), "which takes 4,611,686,018,427,387,904 bytes"),
        (entry(1, [2], size=8, offset=1 << 60), "which has 16: it is cut short"),
        (entry(1, [2], size=8, offset=-8), "it is cut short"),
        (entry(1, [2], size=8, shard_id=7), "data-00007-of-00001, which is missing"),
        (entry(7, [1 << 60], size=8), "declares 1,152,921,504,606,846,976 strings"),
        (entry(7, [2], size=8), "damaged"),
        (entry(20, [2], size=8), "type resource, which only TensorFlow can rebuild"),
        (entry(1, [-1, 2], size=8), "no complete shape"),
        (entry(99, [2], size=8), "type 99"),
    ],
)
def test_a_lying_entry_is_not_believed(
    lying: BundleEntryProto, message: str, tmp_path: Path
) -> None:
    tables.write_bundle(tmp_path / "ck", {"x": lying}, b"\xff" * 16)
    (tensor,) = open_artifact(str(tmp_path / "ck.index")).tensors()
    with pytest.raises(TensorUnreadable, match=message):
        tensor.read()


def test_parts_that_do_not_fill_a_tensor_are_not_allocated(tmp_path: Path) -> None:
    lying = entry(1, [1 << 50])
    lying.slices.add().extent.add()
    tables.write_bundle(tmp_path / "ck", {"x": lying}, b"")
    (tensor,) = open_artifact(str(tmp_path / "ck.index")).tensors()
    with pytest.raises(TensorUnreadable, match="kept in 1 parts, but only 0 of them are"):
        tensor.read()


@pytest.mark.parametrize(
    ("stored", "compression", "message"),
    [
        (b"\xff\xff\xff\xff\x7f" + b"\0" * 9, 1, "cannot expand to"),
        (b"\x04\xf0\xff", 1, "reaches beyond the end"),
        (b"\x04\x01\x09", 1, "before the first byte"),
        (b"abcd", 9, r"compressed in an unknown way \(9\)"),
        (b"\xff" * 8, 0, "more restart points"),
        (tables.block({b"key": b"value"}), 0, "no readable header"),
        (tables.block({b"": b"\xff\xff"}), 0, "no readable header"),
    ],
)
def test_a_wrong_table_is_refused(
    stored: bytes, compression: int, message: str, tmp_path: Path
) -> None:
    (tmp_path / "ck.index").write_bytes(tables.table(stored, compression))
    with pytest.raises(UnreadableArtifact, match=message):
        open_artifact(str(tmp_path / "ck.index"))


def test_compressed_blocks_are_expanded(corpus: Path) -> None:
    index = corpus / "half_plus_two_tf1" / "variables" / "variables.index"
    artifact = open_artifact(str(index))
    values = {tensor.path: float(tensor.read()) for tensor in artifact.tensors()}
    assert values == {"a": 0.5, "b": 2.0, "c": 3.0, "a2": 0.5, "c2": 3.0}


def test_a_renamed_index_says_so(copied: Path) -> None:
    renamed = copied.parent / "weights.bin"
    Path(f"{copied}.index").rename(renamed)
    with pytest.raises(UnreadableArtifact, match="Give it back the name that ends in"):
        open_artifact(str(renamed))


def test_element_count_is_exact() -> None:
    assert Tensor("x", "float32", (1 << 40, 1 << 40), 0).element_count == math.prod([1 << 40] * 2)
    assert Tensor("x", "float32", None, 0).element_count == 0
