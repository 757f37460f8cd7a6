"""Arrays to feed to a signature, random, zeros, from a file or typed, checked against it."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from explorer.analysis.array_files import (
    UnusableInput,
    named_one,
    parse_numbers,
    parse_texts,
    read_array,
)
from explorer.formats.artifact import Shape
from explorer.formats.text import array_text, count_text, dtype_text, tuple_text

_MOST_VALUES = 1 << 28


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

    @property
    def is_text(self) -> bool:
        """Whether it takes strings, of which there are no random ones and no zeros."""
        return self.dtype == "string"


@dataclass(frozen=True)
class Choice:
    """What the person chose for one input.

    ``rows`` fills the first unknown dimension of random values and zeros, ``dimensions`` the
    others (or all of them where the rank is unknown). ``take`` limits a file or a test set to rows
    such as ``0-9``; empty takes all.
    """

    source: Source
    rows: int = 8
    dimensions: str = ""
    seed: int = 42
    path: str = ""
    text: str = ""
    take: str = ""


@dataclass(frozen=True)
class Made:
    """The array for one input; ``remark`` tells what differs from what was asked for."""

    values: np.ndarray
    remark: str = ""


def first_choice(wanted: Wanted, test_set: Mapping[str, np.ndarray]) -> Choice:
    """What to propose: the test set where it fits, texts to be typed, else random values."""
    if fits_test_set(wanted, test_set):
        rows = wanted.shape[0] if wanted.shape else None
        return Choice(Source.TEST_SET, take="" if rows is None else str(rows))
    return Choice(Source.TYPED if wanted.is_text else Source.RANDOM)


def fits_test_set(wanted: Wanted, test_set: Mapping[str, np.ndarray]) -> bool:
    """Whether rows of the only array of a test set can go into an input."""
    if len(test_set) != 1 or wanted.is_text:
        return False
    (values,) = test_set.values()
    return wanted.shape is None or _matches(values.shape, (None, *wanted.shape[1:]))


def make_input(
    wanted: Wanted, choice: Choice, test_set: Mapping[str, np.ndarray] | None = None
) -> Made:
    """The array for one input, in the dtype and a shape that the signature takes.

    Raises `UnusableInput`.
    """
    made = _made(wanted, choice, test_set)
    remarks = filter(None, (made.remark, _not_finite(made.values)))
    return Made(made.values, " ".join(remarks))


def _not_finite(values: np.ndarray) -> str:
    if values.dtype == object or not values.size:
        return ""
    count = int(values.size - np.isfinite(values).sum())
    if not count:
        return ""
    return f"{count:,} of {count_text(values.size, 'value')} are NaN or infinite."


def _made(wanted: Wanted, choice: Choice, test_set: Mapping[str, np.ndarray] | None) -> Made:
    if choice.source in (Source.RANDOM, Source.ZEROS):
        return Made(_generated(wanted, choice))
    if choice.source is Source.TYPED:
        parse = parse_texts if wanted.is_text else parse_numbers
        return Made(fit(parse(choice.text, "The typed text"), wanted, "the typed text"))
    if choice.source is Source.FILE:
        path = Path(choice.path)
        found = read_array(path, wanted.name, texts=wanted.is_text)
        return _rows_of(found, wanted, choice.take, path.name)
    if not test_set:
        raise UnusableInput("There is no test set for this artifact. Choose another source.")
    name = named_one(list(test_set), wanted.name, "the test set")
    return _rows_of(test_set[name], wanted, choice.take, "the test set")


def _rows_of(found: np.ndarray, wanted: Wanted, take: str, where: str) -> Made:
    taken, remark = _taken(found, take, where)
    return Made(fit(taken, wanted, where), remark)


# Generated values


def _generated(wanted: Wanted, choice: Choice) -> np.ndarray:
    if wanted.is_text:
        raise UnusableInput(
            f"{wanted.name} takes text, of which there is nothing random and no zero. Type it, one "
            "text per line, or choose a file."
        )
    shape = full_shape(wanted, choice.rows, choice.dimensions)
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


# Fitting


def _taken(array: np.ndarray, take: str, where: str) -> tuple[np.ndarray, str]:
    """The rows that ``take`` names, and a remark where there are fewer of them.

    ``5`` is the first five, ``10-19`` the ten from row 10.
    """
    if not take.strip() or array.ndim == 0:
        return array, ""
    match = re.fullmatch(r"\s*(\d+)\s*(?:[-–:]\s*(\d+)\s*)?", take)
    if match is None:
        raise UnusableInput(f"Rows “{take}”: expected a count such as 10 or a range such as 0-9.")
    first, last = match.groups()
    start, stop = (0, int(first)) if last is None else (int(first), int(last) + 1)
    if stop <= start:
        raise UnusableInput(f"Rows “{take}” are none. Ask for a count such as 10 or for 0-9.")
    held = len(array)
    if start >= held:
        rows = count_text(held, "row")
        raise UnusableInput(
            f"Rows “{take}” were asked for, and {where} has {rows}, counted from 0: none is left."
        )
    return array[start:stop], _cut_short(start, stop, held, where)


def _cut_short(start: int, stop: int, held: int, where: str) -> str:
    if stop <= held:
        return ""
    rows = count_text(held, "row")
    if start == 0:
        return f"{count_text(stop, 'row')} asked for, {where} has {held:,}: all were used."
    return (
        f"Rows {start}–{stop - 1} asked for, {where} has {rows}, counted from 0: "
        f"{start}–{held - 1} were used."
    )


def fit(array: np.ndarray, wanted: Wanted, where: str) -> np.ndarray:
    """``array`` in the dtype that is wanted, if its shape fits. Raises `UnusableInput`.

    A single example is given the batch dimension that it lacks, and a table is laid out as the
    rows, the list or the one value that is wanted.
    """
    return _fit_dtype(_fit_shape(array, wanted, where), wanted, where)


def _fit_shape(array: np.ndarray, wanted: Wanted, where: str) -> np.ndarray:
    shape = wanted.shape
    if shape is None:
        return array
    for candidate in _layouts(array, shape):
        if _matches(candidate.shape, shape):
            return candidate
    raise UnusableInput(
        f"{wanted.name}: expected {wanted.dtype} {tuple_text(shape)}; {where} has "
        f"{array_text(array)}."
    )


def _layouts(array: np.ndarray, shape: Sequence[int | None]) -> Iterator[np.ndarray]:
    """The same values as they are, as one example, as a column, a list, a value, or as rows."""
    yield array
    yield array[np.newaxis]
    yield array[..., np.newaxis]
    if array.ndim == 2 and 1 in array.shape:
        yield array.reshape(-1)
    if array.size == 1:
        yield array.reshape(())
    known = [size for size in shape[1:] if size is not None]
    if array.ndim == 2 and len(shape) == len(known) + 1 and array.shape[1] == math.prod(known):
        yield array.reshape(len(array), *known)


def _matches(found: Sequence[int], shape: Sequence[int | None]) -> bool:
    return len(found) == len(shape) and all(
        size is None or size == there for there, size in zip(found, shape, strict=True)
    )


def _fit_dtype(array: np.ndarray, wanted: Wanted, where: str) -> np.ndarray:
    if wanted.is_text:
        if dtype_text(array.dtype) == "string":
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
        f"{wanted.name}: expected {wanted.dtype}, that is {what}; {where} has "
        f"{dtype_text(array.dtype)}."
    )
