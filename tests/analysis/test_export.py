"""An exported tensor is what NumPy reads back, and a failed export leaves nothing behind."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors import numpy

from explorer.analysis import export
from explorer.analysis.export import export_npy
from explorer.formats.artifact import Selection, Tensor, TensorUnreadable
from explorer.formats.registry import open_artifact


def tensor(values: np.ndarray, dtype: str = "") -> Tensor:
    return Tensor(
        "t", dtype or str(values.dtype), values.shape, values.nbytes, reader=values.__getitem__
    )


@pytest.mark.parametrize(
    "values",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.array(7, np.int64),
        np.array([True, False]),
        np.zeros((0, 3), np.float64),
        np.array([1 + 2j], np.complex64),
        np.arange(6, dtype=">i4"),
    ],
    ids=lambda values: f"{values.dtype} {values.shape}",
)
def test_values_come_back(values: np.ndarray, tmp_path: Path) -> None:
    export_npy(tensor(values), tmp_path / "t.npy")
    back = np.load(tmp_path / "t.npy")
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values, strict=True)


def test_a_tensor_is_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHUNK_VALUES", 10)
    values = np.arange(7 * 6 * 5).reshape(7, 6, 5)
    largest = 0

    def read(selection: Selection) -> np.ndarray:
        nonlocal largest
        part = values[selection]
        largest = max(largest, part.size)
        return part

    export_npy(Tensor("t", "int64", values.shape, 0, reader=read), tmp_path / "t.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "t.npy"), values)
    assert largest == 10


def test_bfloat16_is_written_as_float32(tmp_path: Path) -> None:
    values = np.array([1.5, -2.25, 3e38], ml_dtypes.bfloat16)
    export_npy(tensor(values), tmp_path / "t.npy")
    back = np.load(tmp_path / "t.npy")
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, values.astype(np.float32))


def test_strings_are_written_as_bytes(tmp_path: Path) -> None:
    values = np.array([[b"one"], [b"\xff\x00three"]], object)
    export_npy(tensor(values, "string"), tmp_path / "t.npy")
    assert np.load(tmp_path / "t.npy").tolist() == [[b"one"], [b"\xff\x00three"]]


def test_strings_that_npy_cannot_keep_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TensorUnreadable, match="end in zero bytes"):
        export_npy(tensor(np.array([b"x\x00"], object), "string"), tmp_path / "t.npy")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "t.npy").write_bytes(b"old")
    broken = Tensor("t", "float32", (3,), 12)
    with pytest.raises(TensorUnreadable):
        export_npy(broken, tmp_path / "t.npy")
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("t.npy", b"old")]


def test_an_unknown_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TensorUnreadable, match="shape"):
        export_npy(Tensor("t", "float32", (None, 3), 12), tmp_path / "t.npy")


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.npy").symlink_to("real/t.npy")
    for value in (1.0, 2.0):
        export_npy(tensor(np.array(value)), tmp_path / "link.npy")
        assert (tmp_path / "link.npy").is_symlink()
        assert np.load(tmp_path / "real" / "t.npy") == value
    assert [file.name for file in (tmp_path / "real").iterdir()] == ["t.npy"]


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has neither pipes nor devices in files"
)
def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    for target in (tmp_path / "pipe", tmp_path / "null", tmp_path):
        with pytest.raises(FileExistsError, match="a device or a pipe; name a file"):
            export_npy(tensor(np.array(1)), target)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "null").is_char_device()


def test_the_model_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", values=np.arange(3))
    numpy.save_file({"values": np.arange(3)}, tmp_path / "shard.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"values": "shard.safetensors"}}))
    (tmp_path / "link").symlink_to(index)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for model, target in (
        ("in.npz", "in.npz"),
        (index.name, index.name),
        (index.name, "shard.safetensors"),
        (index.name, "link"),
    ):
        with (
            closing(open_artifact(str(tmp_path / model))) as artifact,
            pytest.raises(FileExistsError, match="belongs to the model that is read"),
        ):
            export_npy(artifact.tensors()[0], tmp_path / target, artifact)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    with closing(open_artifact(str(tmp_path / "in.npz"))) as artifact:
        for _ in range(2):
            export_npy(artifact.tensors()[0], tmp_path / "values.npy", artifact)
    assert np.load(tmp_path / "values.npy").tolist() == [0, 1, 2]


def test_no_file_in_the_folder_that_is_read_is_written_over(tmp_path: Path, tf: Any) -> None:
    tf.train.Checkpoint(v=tf.Variable([1.0, 2.0])).write(str(tmp_path / "ckpt"))
    with closing(open_artifact(str(tmp_path))) as artifact:
        for file in tmp_path.iterdir():
            with pytest.raises(FileExistsError, match="belongs to the model that is read"):
                export_npy(artifact.tensors()[0], file, artifact)
        stored = tf.train.load_checkpoint(str(tmp_path / "ckpt"))
        assert stored.has_tensor(artifact.tensors()[0].path)
