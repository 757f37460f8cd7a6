"""Whether two runs on the same input gave the same answer."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

CLOSE = 1e-5
"""Differences up to this, relative to the larger value or to 1, come from rounding alone."""


class Verdict(str, enum.Enum):
    """What a comparison found."""

    SAME = "same"
    CLOSE = "close"
    DIFFERENT = "different"
    OTHER_OUTPUTS = "other outputs"


@dataclass(frozen=True)
class Agreement:
    """``difference`` is the largest absolute one; ``None`` where the outputs do not compare.

    ``both_nan`` counts the places where both have NaN, which agree, ``one_nan`` those where only
    one has, whose difference is infinite.
    """

    verdict: Verdict
    difference: float | None
    both_nan: int = 0
    one_nan: int = 0


def compare(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> Agreement:
    """Compare outputs by name, or in order where the names differ and the shapes agree."""
    pairs = _pairs(first, second)
    if pairs is None:
        return Agreement(Verdict.OTHER_OUTPUTS, None)
    largest, relative, both_nan, one_nan = 0.0, 0.0, 0, 0
    for one, other in pairs:
        difference, scale = _difference(one, other)
        largest = max(largest, difference)
        relative = max(relative, difference / scale)
        nans = [_nans(array) for array in (one, other)]
        both_nan += int(np.count_nonzero(nans[0] & nans[1]))
        one_nan += int(np.count_nonzero(nans[0] ^ nans[1]))
    return Agreement(_verdict(largest, relative), largest, both_nan, one_nan)


def _verdict(largest: float, relative: float) -> Verdict:
    if largest == 0:
        return Verdict.SAME
    return Verdict.CLOSE if relative <= CLOSE else Verdict.DIFFERENT


def _nans(array: np.ndarray) -> np.ndarray:
    """Where an array has NaN; text has none."""
    with np.errstate(invalid="ignore"):
        found: np.ndarray = np.zeros(array.shape, bool) if array.dtype == object else array != array
    return found


def _pairs(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]] | None:
    if not first or len(first) != len(second):
        return None
    by_name = set(first) == set(second)
    others = [second[name] for name in first] if by_name else list(second.values())
    pairs = list(zip(first.values(), others, strict=True))
    return pairs if all(a.shape == b.shape for a, b in pairs) else None


def _difference(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The largest absolute difference, infinite where one is not a number, and the scale."""
    if one.size == 0:
        return 0.0, 1.0
    if one.dtype == object or other.dtype == object:
        return (0.0 if np.array_equal(one, other) else float("inf")), 1.0
    a, b = one.astype(np.float64), other.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(a - b)
    difference[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    difference[np.isnan(difference)] = np.inf
    finite = np.abs(np.concatenate([a.ravel(), b.ravel()]))
    finite = finite[np.isfinite(finite)]
    return float(difference.max()), max(1.0, float(finite.max(initial=0.0)))
