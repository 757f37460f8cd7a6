"""An exported tensor is what NumPy reads back, and a failed export leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from explorer.analysis import export
from explorer.analysis.export import export_npy
from explorer.formats.artifact import Selection, Tensor, TensorUnreadable


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
