"""Arrays to feed to a signature, random, zeros, from a file or typed, checked against it."""

from __future__ import annotations

import csv
import enum
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from explorer.formats.artifact import Shape
from explorer.formats.text import count_text, tuple_text

_MOST_VALUES = 1 << 28
_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"


class UnusableInput(Exception):  # noqa: N818 - the name says what the person sees
    """An input that cannot be made or does not fit; says what was expected and what was found."""


class Source(str, enum.Enum):
    """Where the values come from."""

    RANDOM = "random"
    ZEROS = "zeros"
    FILE = "file"
    TEST_SET = "test_set"
    TYPED = "typed"


@dataclass(frozen=True)
class Wanted:
    """What a signature takes; dimensions as in `formats.artifact.Shape`."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class Choice:
    """What the person chose for one input.

    ``rows`` fills the first unknown dimension of random values and zeros, ``dimensions`` the
    others (or all of them where the rank is unknown). ``take`` limits a file or a test set to rows
    such as ``0-9``; empty takes all.
    """

    source: Source
    rows: int = 1
    dimensions: str = ""
    seed: int = 0
    path: str = ""
    text: str = ""
    take: str = ""


def make_input(
    wanted: Wanted, choice: Choice, test_set: Mapping[str, np.ndarray] | None = None
) -> np.ndarray:
    """The array for one input, in the dtype and a shape that the signature takes.

    Raises `UnusableInput`.
    """
    if choice.source in (Source.RANDOM, Source.ZEROS):
        return _generated(wanted, choice)
    if choice.source is Source.FILE:
        found = read_array(Path(choice.path), wanted.name)
        return fit(_taken(found, choice.take), wanted, Path(choice.path).name)
    if choice.source is Source.TYPED:
        return fit(parse_values(choice.text, wanted.dtype), wanted, "The typed text")
    if not test_set:
        raise UnusableInput("There is no test set for this artifact. Choose another source.")
    return fit(_taken(_named(test_set, wanted.name), choice.take), wanted, "The test set")


# Generated values


def _generated(wanted: Wanted, choice: Choice) -> np.ndarray:
    shape = full_shape(wanted, choice.rows, choice.dimensions)
    if wanted.dtype == "string":
        return np.full(shape, b"", dtype=object)
    dtype = numpy_dtype(wanted.dtype)
    if choice.source is Source.ZEROS:
        return np.zeros(shape, dtype)
    generator = np.random.default_rng(choice.seed)
    if dtype.kind in "iu":
        return generator.integers(0, 10, shape).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(bool)
    return generator.random(shape).astype(dtype)


def full_shape(wanted: Wanted, rows: int, dimensions: str) -> tuple[int, ...]:
    """The shape with ``rows`` and ``dimensions`` in place of what is unknown."""
    given = [int(number) for number in re.findall(r"\d+", dimensions)]
    if wanted.shape is None:
        return _bounded(wanted, (rows, *given))
    unknown = sum(size is None for size in wanted.shape)
    fillers = iter([rows, *given][:unknown])
    shape = tuple(next(fillers, 1) if size is None else size for size in wanted.shape)
    return _bounded(wanted, shape)


def _bounded(wanted: Wanted, shape: tuple[int, ...]) -> tuple[int, ...]:
    if np.prod(shape, dtype=object) > _MOST_VALUES:
        raise UnusableInput(
            f"{wanted.name}: {tuple_text(shape)} is more than {_MOST_VALUES:,} values. Ask for "
            "fewer rows."
        )
    return shape


def numpy_dtype(name: str) -> np.dtype:
    """The NumPy type of a TensorFlow name, `ml_dtypes` among them. Raises `UnusableInput`."""
    try:
        return np.dtype(getattr(ml_dtypes, name, name))
    except TypeError as error:
        raise UnusableInput(f"Values of type {name} cannot be made here.") from error


# Files


def read_array(path: Path, name: str) -> np.ndarray:
    """The array of a ``.npy``, ``.npz`` or ``.csv`` file, told by its content.

    Of several in an ``.npz`` the one called ``name`` is taken. Raises `UnusableInput`.
    """
    if not path.name:
        raise UnusableInput(f"{name}: no file is chosen. Choose a .npy, .npz or .csv file.")
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        raise UnusableInput(f"{path.name} cannot be read: {error.strerror}.") from error
    if not start:
        raise UnusableInput(f"{path.name} is empty. Choose a .npy, .npz or .csv file.")
    if start.startswith((_NPY, _ZIP)):
        return _read_numpy(path, name)
    return _read_csv(path)


def _read_numpy(path: Path, name: str) -> np.ndarray:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return _named({key: loaded[key] for key in _wanted_keys(loaded.files, name)}, name)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnusableInput(
            f"{path.name} is not a complete NumPy file of plain numbers: {error}"
        ) from error


def _wanted_keys(keys: Sequence[str], name: str) -> Sequence[str]:
    return [name] if name in keys else keys


def _named(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name in arrays:
        return arrays[name]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    held = ", ".join(arrays) or "nothing"
    raise UnusableInput(f"Expected an array called {name}; the file holds {held}.")


def _read_csv(path: Path) -> np.ndarray:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableInput(
            f"{path.name} is neither a NumPy file nor text. Choose a .npy, .npz or .csv file."
        ) from error
    rows = _rows(text)
    if len(rows) > 1 and not any(_is_number(cell) for cell in rows[0][1]):
        rows = rows[1:]  # a line of column names
    return _numbers(rows, path.name)


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Line numbers and cells of the lines that are not blank."""
    delimiter = next((d for d in ("\t", ";", ",") if d in text), " ")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    return [
        (reader.line_num, [cell.strip() for cell in row])
        for row in reader
        if any(cell.strip() for cell in row)
    ]


def _numbers(rows: Sequence[tuple[int, list[str]]], where: str) -> np.ndarray:
    if not rows:
        raise UnusableInput(f"{where} holds no numbers.")
    width = len(rows[0][1])
    for line, cells in rows:
        if len(cells) != width:
            raise UnusableInput(
                f"{where}, line {line}: expected {count_text(width, 'number')} as in the first "
                f"line, found {len(cells)}."
            )
        for column, cell in enumerate(cells, 1):
            if not _is_number(cell):
                raise UnusableInput(
                    f"{where}, line {line}, column {column}: expected a number, found “{cell}”."
                )
    return np.array([[float(cell) for cell in cells] for _, cells in rows])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def parse_values(text: str, dtype: str) -> np.ndarray:
    """Typed values: one row per line, numbers separated by commas or spaces; strings, a line each.

    Raises `UnusableInput`.
    """
    if dtype == "string":
        return np.array([line.encode() for line in text.splitlines()], dtype=object)
    rows = _rows(text.replace("[", " ").replace("]", " "))
    return _numbers(rows, "The typed text")


# Fitting


def _taken(array: np.ndarray, take: str) -> np.ndarray:
    """The rows that ``take`` names: ``5`` is the first five, ``10-19`` the ten from row 10."""
    if not take.strip() or array.ndim == 0:
        return array
    match = re.fullmatch(r"\s*(\d+)\s*(?:[-–:]\s*(\d+)\s*)?", take)
    if match is None:
        raise UnusableInput(f"Rows “{take}”: expected a count such as 10 or a range such as 0-9.")
    first, last = match.groups()
    chosen = array[: int(first)] if last is None else array[int(first) : int(last) + 1]
    if not len(chosen):
        raise UnusableInput(f"Rows “{take}”: there are {len(array)} rows, none of them is in it.")
    return chosen


def fit(array: np.ndarray, wanted: Wanted, where: str) -> np.ndarray:
    """``array`` in the dtype that is wanted, if its shape fits. Raises `UnusableInput`.

    A single example is given the batch dimension that it lacks.
    """
    return _fit_dtype(_fit_shape(array, wanted, where), wanted, where)


def _fit_shape(array: np.ndarray, wanted: Wanted, where: str) -> np.ndarray:
    shape = wanted.shape
    if shape is None or _matches(array.shape, shape):
        return array
    if shape and shape[0] in (None, 1) and _matches(array.shape, shape[1:]):
        return array[np.newaxis]
    raise UnusableInput(
        f"{wanted.name}: expected {wanted.dtype} {tuple_text(shape)}; {where} has "
        f"{array.dtype} {tuple_text(array.shape)}."
    )


def _matches(found: Sequence[int], shape: Sequence[int | None]) -> bool:
    return len(found) == len(shape) and all(
        size is None or size == there for there, size in zip(found, shape, strict=True)
    )


def _fit_dtype(array: np.ndarray, wanted: Wanted, where: str) -> np.ndarray:
    if wanted.dtype == "string":
        if array.dtype.kind in "OSU":
            return np.vectorize(_as_bytes, otypes=[object])(array) if array.size else array
        raise _wrong_dtype(array, wanted, where, "text")
    dtype = numpy_dtype(wanted.dtype)
    if array.dtype == dtype:
        return array
    if array.dtype.kind not in "biufV" or (array.dtype.kind == "V" and array.dtype.fields):
        raise _wrong_dtype(array, wanted, where, "numbers")
    with np.errstate(all="ignore"):
        converted = array.astype(dtype)
        changed = dtype.kind in "iub" and not np.array_equal(converted, array)
    if changed:
        raise _wrong_dtype(array, wanted, where, f"values that {wanted.dtype} can hold exactly")
    return converted


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _wrong_dtype(array: np.ndarray, wanted: Wanted, where: str, what: str) -> UnusableInput:
    return UnusableInput(
        f"{wanted.name}: expected {wanted.dtype}, that is {what}; {where} has {array.dtype}."
    )
