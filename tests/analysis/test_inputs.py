"""Inputs for a signature: what fits is taken, what does not is told with both sides named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explorer.analysis.inputs import (
    Choice,
    Source,
    UnusableInput,
    Wanted,
    fit,
    make_input,
    read_array,
)

DIGITS = Wanted("digits", "float32", (None, 3))


def test_random_values_are_those_of_their_seed() -> None:
    made = make_input(DIGITS, Choice(Source.RANDOM, rows=4, seed=7))
    expected = np.random.default_rng(7).random((4, 3)).astype(np.float32)
    np.testing.assert_array_equal(made, expected)
    assert made.dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "shape", "dimensions", "expected"),
    [
        ("float32", (None, 3), "", (5, 3)),
        ("int64", (None, None, 2), "7", (5, 7, 2)),
        ("bool", (None, None), "", (5, 1)),
        ("float64", (), "", ()),
        ("bfloat16", (None,), "", (5,)),
        ("float32", None, "4, 2", (5, 4, 2)),
    ],
)
def test_zeros_fill_the_unknown_dimensions(
    dtype: str, shape: tuple[int | None, ...] | None, dimensions: str, expected: tuple[int, ...]
) -> None:
    wanted = Wanted("x", dtype, shape)
    made = make_input(wanted, Choice(Source.ZEROS, rows=5, dimensions=dimensions))
    assert made.shape == expected
    assert made.dtype.name == dtype
    assert not made.any()


def test_zeros_of_a_string_input_are_empty_strings() -> None:
    made = make_input(Wanted("text", "string", (None,)), Choice(Source.ZEROS, rows=2))
    assert made.tolist() == [b"", b""]


def test_typed_rows() -> None:
    made = make_input(DIGITS, Choice(Source.TYPED, text="[1, 2, 3]\n\n4 ,5, 6"))
    assert made.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_typed_strings_are_one_a_line() -> None:
    made = make_input(Wanted("text", "string", (None,)), Choice(Source.TYPED, text="ä b\nc"))
    assert made.tolist() == ["ä b".encode(), b"c"]


def test_a_single_example_gets_its_batch_dimension() -> None:
    assert fit(np.zeros(3), DIGITS, "x.npy").shape == (1, 3)


@pytest.mark.parametrize(
    ("take", "rows"), [("", 10), ("4", 4), ("2-3", 2), ("8–20", 2), (" 0:9 ", 10)]
)
def test_rows_of_a_test_set(take: str, rows: int) -> None:
    values = np.arange(30.0).reshape(10, 3)
    made = make_input(DIGITS, Choice(Source.TEST_SET, take=take), {"other_name": values})
    assert len(made) == rows


@pytest.mark.parametrize(
    ("array", "expected", "found"),
    [
        (np.zeros((2, 4), np.float32), "expected float32 (?, 3)", "float32 (2, 4)"),
        (np.zeros((2, 3, 1)), "expected float32 (?, 3)", "float64 (2, 3, 1)"),
        (np.full((2, 3), "a"), "expected float32, that is numbers", "<U1"),
    ],
)
def test_what_does_not_fit(array: np.ndarray, expected: str, found: str) -> None:
    with pytest.raises(UnusableInput) as caught:
        fit(array, DIGITS, "x.npy")
    assert expected in str(caught.value)
    assert found in str(caught.value)


def test_fractions_do_not_become_whole_numbers() -> None:
    wanted = Wanted("ids", "int32", (None,))
    assert fit(np.array([1.0, 2.0]), wanted, "x.npy").dtype == np.int32
    with pytest.raises(UnusableInput, match="int32 can hold exactly"):
        fit(np.array([1.5]), wanted, "x.npy")


def test_an_npz_with_several_arrays_needs_the_name(tmp_path: Path) -> None:
    path = tmp_path / "values.npz"
    np.savez(path, digits=np.ones(3), other=np.zeros(3))
    assert read_array(path, "digits").tolist() == [1, 1, 1]
    with pytest.raises(UnusableInput, match="called x; the file holds digits, other"):
        read_array(path, "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3\n", "line 2: expected 2 numbers as in the first line, found 1"),
        ("1,2\n3,four\n", "line 2, column 2: expected a number, found “four”"),
        ("a,b\n", "expected a number, found “a”"),
        ("\n\n", "holds no numbers"),
    ],
)
def test_a_csv_that_is_not_all_numbers(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "values.csv"
    path.write_text(text)
    with pytest.raises(UnusableInput) as caught:
        read_array(path, "x")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["x,y\n1,2\n3,4\n", "1;2\n3;4\n", "1\t2\n3\t4\n", "1 2\n3 4\n"])
def test_a_csv_with_or_without_column_names(tmp_path: Path, text: str) -> None:
    path = tmp_path / "values.csv"
    path.write_text(text)
    assert read_array(path, "x").tolist() == [[1, 2], [3, 4]]


def test_files_that_hold_no_array(tmp_path: Path) -> None:
    (tmp_path / "empty.npy").touch()
    (tmp_path / "binary.npy").write_bytes(b"\xff\xfe\x00\x01")
    np.save(tmp_path / "whole.npy", np.zeros(100))
    cut = tmp_path / "cut.npy"
    cut.write_bytes((tmp_path / "whole.npy").read_bytes()[:200])
    for name, message in (
        ("empty.npy", "is empty"),
        ("binary.npy", "neither a NumPy file nor text"),
        ("cut.npy", "not a complete NumPy file"),
        ("gone.npy", "cannot be read: No such file"),
    ):
        with pytest.raises(UnusableInput, match=message):
            read_array(tmp_path / name, "x")


def test_too_many_values_are_refused_before_they_are_made() -> None:
    with pytest.raises(UnusableInput, match="Ask for fewer rows"):
        make_input(Wanted("x", "float32", (None, 1 << 20)), Choice(Source.ZEROS, rows=1000))
