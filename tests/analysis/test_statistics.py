"""The figures of a tensor, compared with NumPy's over the whole array at once."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from explorer.analysis import statistics
from explorer.analysis.statistics import Statistics, chunk_selections, summarize
from explorer.formats.artifact import Selection, Tensor, TensorUnreadable
from explorer.formats.registry import open_artifact


def tensor(array: np.ndarray, dtype: str = "") -> Tensor:
    def read(selection: Selection) -> np.ndarray:
        return np.asarray(array[selection])

    name = dtype or array.dtype.name
    return Tensor("t", name, array.shape, array.nbytes, reader=read)


def check(found: Statistics, array: np.ndarray, bins: int) -> None:
    wide = array.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    assert found.count == array.size
    assert found.minimum == finite.min()
    assert found.maximum == finite.max()
    assert found.mean == pytest.approx(finite.mean(), rel=1e-12, abs=1e-15)
    assert found.std == pytest.approx(finite.std(), rel=1e-12, abs=1e-15)
    assert found.zeros == np.count_nonzero(wide == 0)
    assert (found.nans, found.infs) == (np.isnan(wide).sum(), np.isinf(wide).sum())
    counts, edges = np.histogram(finite, bins)
    np.testing.assert_array_equal(found.histogram, counts)
    np.testing.assert_allclose(found.edges, edges, rtol=1e-15)


@pytest.mark.parametrize(
    "dtype",
    [
        "float64",
        "float32",
        "float16",
        "int8",
        "uint8",
        "int64",
        "bool",
        ml_dtypes.bfloat16,
        ml_dtypes.float8_e4m3fn,
        ml_dtypes.float8_e5m2,
        ml_dtypes.int4,
    ],
)
@pytest.mark.parametrize("limit", [7, 1 << 20])
def test_figures_are_numpys(dtype: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CHUNK_VALUES", limit)
    values = np.random.default_rng(1).normal(0, 3, (11, 5, 3))
    array = np.abs(values).astype(dtype) if str(dtype) == "uint8" else values.astype(dtype)
    check(summarize(tensor(array), bins=10), array, 10)


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    array = np.array([0.0, -0.0, 1.5, np.nan, np.inf, -np.inf, np.nan, -2.0], np.float32)
    found = summarize(tensor(array), bins=4)
    check(found, array, 4)
    assert (found.zeros, found.nans, found.infs, sum(found.histogram)) == (2, 2, 2, 4)


def test_a_signalling_not_a_number_raises_no_warning() -> None:
    array = np.array([0x7FA00000, 0x3F800000], np.uint32).view(np.float32)
    found = summarize(tensor(array), bins=2)
    assert (found.nans, found.minimum, found.maximum) == (1, 1.0, 1.0)


def test_large_integers_are_exact() -> None:
    array = np.array([2**63 - 1, -(2**63) + 1, 7])
    found = summarize(tensor(array), bins=2)
    assert (found.minimum, found.maximum) == (-(2**63) + 1, 2**63 - 1)


def test_the_mean_of_far_away_values_keeps_its_spread() -> None:
    array = np.float64(1e9) + np.random.default_rng(2).normal(0, 1e-3, 50_000)
    found = summarize(tensor(array.reshape(500, 100)))
    assert found.std == pytest.approx(array.std(), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 3.25, -1e20, 1e-300])
def test_equal_values_fall_into_one_bin(value: float) -> None:
    found = summarize(tensor(np.full((4, 5), value)), bins=9)
    assert sorted(found.histogram) == [0] * 8 + [20]
    assert found.edges[0] < value < found.edges[-1]
    assert all(a < b for a, b in zip(found.edges, found.edges[1:], strict=False))


def test_neighbouring_values_still_have_edges() -> None:
    array = np.array([1.0, np.nextafter(1.0, 2.0)])
    found = summarize(tensor(array))
    assert sum(found.histogram) == 2
    assert len(set(found.edges)) == 65


def test_a_range_beyond_float64_has_figures_and_no_histogram() -> None:
    found = summarize(tensor(np.array([-1.7e308, 1.7e308])))
    assert (found.minimum, found.maximum, found.histogram) == (-1.7e308, 1.7e308, ())


def test_a_scalar() -> None:
    found = summarize(tensor(np.array(3, np.int64)), bins=3)
    assert (found.count, found.minimum, found.mean, found.std) == (1, 3, 3.0, 0.0)
    assert found.histogram == (0, 1, 0)


@pytest.mark.parametrize(
    ("array", "dtype", "count", "reason"),
    [
        (np.array([b"a", b"b"], object), "string", 2, "Values of type string have no statistics."),
        (np.zeros(2, "c8"), "complex64", 2, "Values of type complex64 have no statistics."),
        (np.zeros((0, 3)), "", 0, "The tensor is empty: one of its dimensions is 0."),
        (np.array([np.nan, np.inf]), "", 2, "No value is finite."),
    ],
)
def test_where_there_are_no_figures_the_reason_is_said(
    array: np.ndarray, dtype: str, count: int, reason: str
) -> None:
    found = summarize(tensor(array, dtype))
    assert (found.count, found.reason, found.histogram) == (count, reason, ())
    assert found.minimum is found.maximum is found.mean is found.std is None


def test_an_unknown_shape() -> None:
    assert "shape is not known" in summarize(Tensor("t", "float32", (None, 3), 0)).reason


def test_a_tensor_of_fill_values_is_not_walked() -> None:
    huge = Tensor("t", "float32", (10**9, 10**9), 0, reader=lambda selection: np.zeros(()))
    assert "1,000,000,000,000,000,000 values are declared, but only 0 B" in summarize(huge).reason


def test_unreadable_values_are_an_error() -> None:
    with pytest.raises(TensorUnreadable):
        summarize(Tensor("t", "float32", (3,), 12))


@pytest.mark.parametrize("shape", [(), (5,), (10, 3), (2, 3, 4, 5), (1, 100), (7, 1, 1)])
@pytest.mark.parametrize("limit", [1, 4, 13, 1000])
def test_chunks_cover_every_value_once_and_are_bounded(shape: tuple[int, ...], limit: int) -> None:
    array = np.arange(math.prod(shape)).reshape(shape)
    chunks = [np.asarray(array[s]).reshape(-1) for s in chunk_selections(shape, limit)]
    assert max(chunk.size for chunk in chunks) <= limit
    np.testing.assert_array_equal(np.concatenate(chunks), array.reshape(-1))


def test_a_real_tensor(corpus: object) -> None:
    artifact = open_artifact(f"{corpus}/emotion_model.hdf5")
    kernel = max(artifact.tensors(), key=lambda t: t.element_count)
    check(summarize(kernel, bins=32), kernel.read(), 32)
    artifact.close()
