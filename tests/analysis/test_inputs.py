"""Inputs for a signature: what fits is taken, what does not is told with both sides named."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from explorer.analysis.array_files import UnusableInput, read_array
from explorer.analysis.inputs import Choice, Source, Wanted, first_choice, fit, make_input

DIGITS = Wanted("digits", "float32", (None, 3))
TEXTS = Wanted("text", "string", (None,))


def made(wanted: Wanted, choice: Choice) -> np.ndarray:
    return make_input(wanted, choice).values


def test_random_values_are_those_of_their_seed() -> None:
    found = made(DIGITS, Choice(Source.RANDOM, rows=4, seed=7))
    expected = np.random.default_rng(7).random((4, 3)).astype(np.float32)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


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
    choice = Choice(Source.ZEROS, rows=5, dimensions=dimensions)
    found = made(Wanted("x", dtype, shape), choice)
    assert found.shape == expected
    assert found.dtype.name == dtype
    assert not found.any()


@pytest.mark.parametrize("source", [Source.RANDOM, Source.ZEROS])
def test_there_is_no_random_text_and_no_zero_text(source: Source) -> None:
    with pytest.raises(UnusableInput, match=r"text takes text, .* Type it"):
        make_input(TEXTS, Choice(source, rows=2))


def test_typed_rows() -> None:
    found = made(DIGITS, Choice(Source.TYPED, text="1, 2, 3\n\n4 ,5, 6"))
    assert found.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("text", "shape", "expected"),
    [
        ("1, 2", (None,), [1, 2]),
        ("1\n2", (None,), [1, 2]),
        ("1\n2", (None, 1), [[1], [2]]),
        ("7", (), 7),
        ("1, 2, 3, 4", (None, 2, 2), [[[1, 2], [3, 4]]]),
    ],
)
def test_typed_numbers_are_laid_out_as_the_input_wants_them(
    text: str, shape: tuple[int | None, ...], expected: object
) -> None:
    found = made(Wanted("x", "int32", shape), Choice(Source.TYPED, text=text))
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((None,), ["ä b".encode(), b"", b"c"]), ((None, 1), [["ä b".encode()], [b""], [b"c"]])],
)
def test_typed_texts_are_one_a_line(shape: tuple[int | None, ...], expected: list[object]) -> None:
    wanted = Wanted("text", "string", shape)
    assert made(wanted, Choice(Source.TYPED, text="ä b\n\nc")).tolist() == expected
    with pytest.raises(UnusableInput, match="holds no text"):
        make_input(wanted, Choice(Source.TYPED, text=""))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("lines.txt", "one, two\nthree\n", [b"one, two", b"three"]),
        ("column.csv", '"one, two"\nthree\n', [b"one, two", b"three"]),
        ("table.csv", "a,b\nc,d\n", [[b"a", b"b"], [b"c", b"d"]]),
        ("table.tsv", "a, b\tc\n", [[b"a, b", b"c"]]),
    ],
)
def test_files_of_texts(tmp_path: Path, name: str, content: str, expected: list[object]) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert read_array(path, "text", texts=True).tolist() == expected


def test_an_array_of_strings_in_a_numpy_file(tmp_path: Path) -> None:
    path = tmp_path / "words.npy"
    np.save(path, np.array(["ä", "bc"]))
    assert made(TEXTS, Choice(Source.FILE, path=str(path))).tolist() == ["ä".encode(), b"bc"]


def test_a_single_example_gets_its_batch_dimension() -> None:
    assert fit(np.zeros(3), DIGITS, "x.npy").shape == (1, 3)


TEN = np.arange(30.0).reshape(10, 3)


@pytest.mark.parametrize(
    ("take", "rows", "remark"),
    [
        ("", range(10), ""),
        ("4", range(4), ""),
        ("2-3", range(2, 4), ""),
        (" 0:9 ", range(10), ""),
        (
            "8–20",
            range(8, 10),
            "Rows 8–20 asked for, the test set has 10 rows, counted from 0: 8–9 were used.",
        ),
        ("12", range(10), "12 rows asked for, the test set has 10: all were used."),
    ],
)
def test_rows_of_a_test_set(take: str, rows: range, remark: str) -> None:
    found = make_input(DIGITS, Choice(Source.TEST_SET, take=take), {"other_name": TEN})
    np.testing.assert_array_equal(found.values, TEN[list(rows)])
    assert found.remark == remark


@pytest.mark.parametrize(
    ("take", "message"),
    [
        ("10-12", "“10-12” were asked for, and the test set has 10 rows, .* none is left"),
        ("5-3", "are none"),
        ("0", "are none"),
        ("first", "expected a count such as 10"),
    ],
)
def test_rows_that_are_not_there(take: str, message: str) -> None:
    with pytest.raises(UnusableInput, match=message):
        make_input(DIGITS, Choice(Source.TEST_SET, take=take), {"other_name": TEN})


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DIGITS, Choice(Source.TEST_SET)),
        (Wanted("x", "float32", (1, 3)), Choice(Source.TEST_SET, take="1")),
        (Wanted("x", "float32", (None, 4)), Choice(Source.RANDOM)),
        (Wanted("x", "float32", ()), Choice(Source.RANDOM)),
        (TEXTS, Choice(Source.TYPED)),
    ],
)
def test_what_is_proposed_can_be_made(wanted: Wanted, expected: Choice) -> None:
    assert first_choice(wanted, {"digits": TEN}) == expected


@pytest.mark.parametrize(
    ("array", "expected", "found"),
    [
        (np.zeros((2, 4), np.float32), "expected float32 (?, 3)", "float32 (2, 4)"),
        (np.zeros((2, 3, 1)), "expected float32 (?, 3)", "float64 (2, 3, 1)"),
        (np.full((2, 3), "a"), "expected float32, that is numbers", "has string"),
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
    with pytest.raises(UnusableInput, match=r"called x; values\.npz holds digits, other"):
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


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "txt"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"nothing.{ending}"
    path.touch()
    with pytest.raises(UnusableInput, match=rf"nothing\.{ending} is empty"):
        read_array(path, "x")


def test_numpy_files_cut_short_anywhere_are_never_taken_for_text(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.zeros(100))
    np.savez_compressed(tmp_path / "whole.npz", x=np.arange(100))
    for ending in ("npy", "npz"):
        whole = (tmp_path / f"whole.{ending}").read_bytes()
        cut = tmp_path / f"cut.{ending}"
        for size in (1, 3, 5, 7, 60, len(whole) // 2, len(whole) - 1):
            cut.write_bytes(whole[:size])
            with pytest.raises(UnusableInput) as caught:
                read_array(cut, "x")
            assert "number, found" not in str(caught.value)
            assert (
                "cut short" in str(caught.value)
                or "complete NumPy" in str(caught.value)
                or ("missing or damaged" in str(caught.value))
            )


def test_an_npz_without_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "none.npz")
    with pytest.raises(UnusableInput, match=r"called x; none\.npz holds no array"):
        read_array(tmp_path / "none.npz", "x")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("letter.txt", "no array")
    with pytest.raises(UnusableInput, match=r"other\.zip holds no array"):
        read_array(tmp_path / "other.zip", "x")


def test_numpy_files_are_told_by_their_content_whatever_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    with path.open("wb") as file:
        np.savez(file, x=np.arange(3))
    assert read_array(path, "x").tolist() == [0, 1, 2]


def test_files_that_hold_no_array(tmp_path: Path) -> None:
    (tmp_path / "binary.npy").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "binary.dat").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "latin.csv").write_bytes("größe\n1\n2,é\n".encode("latin-1"))
    for name, message in (
        ("binary.npy", "begins with the bytes ff fe 00 01"),
        ("binary.dat", "neither a NumPy file nor text"),
        ("latin.csv", r"latin\.csv, line 1: expected text in UTF-8, found the byte 0xf6"),
        ("gone.npy", "cannot be read: No such file"),
    ):
        with pytest.raises(UnusableInput, match=message):
            read_array(tmp_path / name, "x")


def test_too_many_values_are_refused_before_they_are_made() -> None:
    with pytest.raises(UnusableInput, match="Ask for fewer rows"):
        make_input(Wanted("x", "float32", (None, 1 << 20)), Choice(Source.ZEROS, rows=1000))


def test_values_that_are_no_finite_numbers_are_remarked(tmp_path: Path) -> None:
    values = np.ones((3, 2), np.float32)
    values[0, 0], values[2, 1] = np.nan, -np.inf
    np.save(tmp_path / "x.npy", values)
    wanted, path = Wanted("x", "float32", (None, 2)), str(tmp_path / "x.npy")
    made = make_input(wanted, Choice(Source.FILE, path=path))
    assert made.remark == "2 of 6 values are NaN or infinite."
    made = make_input(wanted, Choice(Source.FILE, path=path, take="1-5"))
    assert made.remark.endswith("1–2 were used. 1 of 4 values are NaN or infinite.")
