"""``.safetensors`` compared with the library that defines the format."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from explorer.formats.artifact import TensorUnreadable, Tri, UnreadableArtifact
from explorer.formats.registry import open_artifact

_RNG = np.random.default_rng(0)
TENSORS = {
    "layers.0.kernel": _RNG.normal(size=(4, 8)).astype(np.float32),
    "layers.0.bias": np.zeros(8, np.float16),
    "half": _RNG.normal(size=(5,)).astype(ml_dtypes.bfloat16),
    "double": _RNG.normal(size=(2, 2, 2)),
    "mask": np.array([True, False, True]),
    "step": np.array(12, np.int64),
    "empty": np.zeros((0, 4), np.int32),
    "bytes": np.arange(256, dtype=np.uint8),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path, metadata={"format": "tf", "note": "über"})
    return path


def test_every_tensor_is_the_librarys(path: Path, opened: Any) -> None:
    artifact = opened(path)
    theirs = load_file(path)
    assert artifact.format == "safetensors"
    assert {t.path for t in artifact.tensors()} == set(theirs)
    for tensor in artifact.tensors():
        expected = theirs[tensor.path]
        assert (tensor.dtype, tensor.shape) == (expected.dtype.name, expected.shape)
        np.testing.assert_array_equal(tensor.read(), expected)
        raw = path.read_bytes()[tensor.location.offset :][: tensor.nbytes]
        assert raw == expected.tobytes()
    assert artifact.contents.weights is Tri.YES
    assert artifact.parameters() == sum(array.size for array in TENSORS.values())
    assert {(check.rule, check.problem) for check in artifact.checks()} == {("byte count", "")}


def test_a_part_of_a_tensor(path: Path, opened: Any) -> None:
    tensor = next(t for t in opened(path).tensors() if t.path == "layers.0.kernel")
    expected = TENSORS["layers.0.kernel"][1:3, ::2]
    np.testing.assert_array_equal(tensor.read((slice(1, 3), slice(None, None, 2))), expected)


def test_metadata_is_shown(path: Path, opened: Any) -> None:
    artifact = opened(path)
    assert artifact.producer.backend == "tensorflow"
    assert sorted(artifact.root.attributes()) == [("format", "tf"), ("note", "über")]
    metadata, *tensors = artifact.root.children()
    assert {node.name: node.summary for node in metadata.children()} == {
        "format": "tf",
        "note": "über",
    }
    assert [node.name for node in tensors] == [t.path for t in artifact.tensors()]
    assert artifact.root.children(1, 3) == tensors[:2]


def sharded(folder: Path) -> Path:
    """The tensors in two files, and the index as the Hub's library writes it."""
    names = list(TENSORS)
    files = {"model-00001-of-00002.safetensors": names[:3]}
    files["model-00002-of-00002.safetensors"] = names[3:]
    for file, inside in files.items():
        save_file({name: TENSORS[name] for name in inside}, folder / file)
    places = {name: file for file, inside in files.items() for name in inside}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index, indent=2))
    return path


def test_shards_are_one_model(tmp_path: Path, opened: Any) -> None:
    artifact = opened(sharded(tmp_path))
    assert (artifact.format, artifact.format_name) == ("safetensors", "Safetensors, sharded")
    assert {t.path for t in artifact.tensors()} == set(TENSORS)
    for tensor in artifact.tensors():
        np.testing.assert_array_equal(tensor.read(), TENSORS[tensor.path])
    assert not any(check.problem for check in artifact.checks())
    assert artifact.contents.weights is Tri.YES
    assert [node.name for node in artifact.root.children()] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]


def test_shards_in_an_archive_are_one_model(tmp_path: Path, opened: Any) -> None:
    (tmp_path / "model").mkdir()
    sharded(tmp_path / "model")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "model")
    artifact = opened(tmp_path / "packed.zip")
    assert artifact.name == "model.safetensors.index.json"
    assert {t.path for t in artifact.tensors()} == set(TENSORS)


def test_a_shard_that_is_missing_or_another(tmp_path: Path, opened: Any) -> None:
    path = sharded(tmp_path)
    first, second = sorted(tmp_path.glob("*.safetensors"))
    first.unlink()
    save_file({"other": TENSORS["step"]}, second)
    artifact = opened(path)
    assert artifact.contents.weights is Tri.PARTLY
    assert artifact.notes == (f"{first.name} is not there. Copy it beside the index.",)
    rules = [(c.rule, c.where) for c in artifact.checks() if c.problem]
    assert rules[0] == ("shard present", first.name)
    assert ("tensor present", "bytes") in rules
    index = {"weight_map": {"x": "../secret.safetensors", "y": 3}}
    path.write_text(json.dumps(index))
    outside = opened(path)
    assert "points outside" in outside.notes[0]
    (hazard,) = outside.hazards()
    assert (hazard.kind.value, hazard.target) == ("external storage", "../secret.safetensors")


def test_any_name_will_do(path: Path, tmp_path: Path, opened: Any) -> None:
    other = tmp_path / "weights.h5"
    other.write_bytes(path.read_bytes())
    assert opened(other).format == "safetensors"


def written(path: Path, header: Any, data: bytes = bytes(64)) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}, "takes 16 bytes, but 12"),
        ({"dtype": "F32", "shape": [4], "data_offsets": [60, 76]}, "It was cut short"),
        ({"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}, "header is damaged"),
        ({"dtype": "F32", "shape": [1 << 70, 0], "data_offsets": [0, 0]}, ""),
        ({"dtype": "F32", "shape": [1 << 70], "data_offsets": [0, 16]}, "but 16 are stored"),
        ({"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}, "header is damaged"),
        (None, "header is damaged"),
        ([1], "header is damaged"),
    ],
)
def test_an_entry_that_is_wrong(tmp_path: Path, opened: Any, entry: Any, said: str) -> None:
    header = {"bad": entry, "good": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}
    artifact = opened(written(tmp_path / "a.safetensors", header))
    bad, good = artifact.tensors()
    with pytest.raises(TensorUnreadable):
        bad.read()
    assert good.read().tolist() == [0, 0]
    (check, _) = artifact.checks()
    assert said in check.problem
    assert bool(check.problem) is bool(said)


def test_a_type_that_is_not_known_is_named(tmp_path: Path, opened: Any) -> None:
    entry = {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}
    (tensor,) = opened(written(tmp_path / "a.safetensors", {"x": entry})).tensors()
    assert (tensor.dtype, tensor.shape, tensor.nbytes) == ("F4", (4,), 2)
    with pytest.raises(TensorUnreadable, match="is of type F4"):
        tensor.read()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b'{"a": ', "no JSON"),
        (b'{"a": ' + b"[" * 100_000, "no JSON"),
        (b'{"a": ' + b" " * (33 << 20), "more than 32.0 MB of text"),
    ],
)
def test_a_header_that_is_none(tmp_path: Path, header: bytes, said: str) -> None:
    path = written(tmp_path / "a.safetensors", header)
    with pytest.raises(UnreadableArtifact, match=said):
        open_artifact(str(path))


def test_a_file_cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UnreadableArtifact, match="is cut short: its header takes"):
        open_artifact(str(path))
