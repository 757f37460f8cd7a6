"""A plane through a tensor holds what NumPy's own indexing gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explorer.analysis.planes import Plane, known_shape, picture_plane, sample, table_plane
from explorer.formats.artifact import Tensor

ARRAY = np.arange(3 * 39 * 8 * 7).reshape(3, 39, 8, 7)


def tensor(values: np.ndarray) -> Tensor:
    return Tensor("t", str(values.dtype), values.shape, values.nbytes, reader=values.__getitem__)


def read_all(plane: Plane, values: np.ndarray) -> np.ndarray:
    return plane.read(tensor(values), slice(0, plane.rows), slice(0, plane.columns))


def test_a_table_shows_the_last_two_axes() -> None:
    plane = replace(table_plane(ARRAY.shape), at=(2, 5, 0, 0))
    np.testing.assert_array_equal(read_all(plane, ARRAY), ARRAY[2, 5])
    assert plane.text == "[2, 5, :, :]"
    assert plane.fixed_axes == [0, 1]


def test_a_picture_shows_the_two_longest_axes() -> None:
    plane = picture_plane((3, 39, 8, 8))
    assert (plane.down, plane.across, plane.text) == (1, 3, "[0, :, 0, :]")


def test_axes_can_change_places() -> None:
    plane = Plane(ARRAY.shape, down=3, across=1, at=(1, 0, 4, 0))
    np.testing.assert_array_equal(read_all(plane, ARRAY), ARRAY[1, :, 4, :].T)


@pytest.mark.parametrize("make", [table_plane, picture_plane])
def test_fewer_axes_still_give_two(make: type[Plane]) -> None:
    line = np.arange(5)
    shape = (5, 1) if make is table_plane else (1, 5)
    np.testing.assert_array_equal(read_all(make((5,)), line), line.reshape(shape))
    np.testing.assert_array_equal(read_all(make(()), np.array(3)), [[3]])


def test_a_single_string_stays_whole() -> None:
    only = Tensor("t", "string", (), 5, reader=lambda _: np.asarray(b"ab\x00", object))
    assert table_plane(()).read(only, slice(0, 1), slice(0, 1))[0, 0] == b"ab\x00"


def test_a_sample_is_evenly_spread() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 70))
    found = sample(tensor(values), picture_plane(values.shape), 64)
    assert (found.row_step, found.column_step) == (16, 2)
    np.testing.assert_array_equal(found.values, values[::16, ::2])


def test_a_sample_of_little_is_all_of_it() -> None:
    found = sample(tensor(ARRAY[0, :, 0]), picture_plane((39, 7)), 64)
    np.testing.assert_array_equal(found.values, ARRAY[0, :, 0].astype(float))


def test_an_unknown_dimension_gives_no_shape() -> None:
    assert known_shape(None) is None
    assert known_shape((None, 3)) is None
    assert known_shape(()) == ()
