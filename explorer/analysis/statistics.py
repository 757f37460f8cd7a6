"""What the numbers of a tensor look like: range, mean, zeros, histogram, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from explorer.formats.artifact import Selection, Tensor
from explorer.formats.selection import is_inflated
from explorer.formats.text import bytes_text

CHUNK_VALUES = 1 << 20
"""How many values are held at a time."""

Number = int | float


@dataclass(frozen=True, slots=True)
class Statistics:
    """A tensor in figures.

    ``count`` is the number of values. ``minimum`` to ``std`` (of the population) and the histogram
    are of the finite values, ``None`` and empty where there are none; ``reason`` then says why.
    ``edges`` has one entry more than ``histogram``, in the unit of the values.
    """

    count: int
    minimum: Number | None = None
    maximum: Number | None = None
    mean: float | None = None
    std: float | None = None
    zeros: int = 0
    nans: int = 0
    infs: int = 0
    histogram: tuple[int, ...] = ()
    edges: tuple[float, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class _Totals:
    """What the first pass adds up; ``spread`` is the sum of squared distances from ``mean``."""

    finite: int = 0
    minimum: Number = math.inf
    maximum: Number = -math.inf
    mean: float = 0.0
    spread: float = 0.0
    zeros: int = 0
    nans: int = 0
    infs: int = 0

    def add(self, values: np.ndarray) -> None:
        numbers = _as_float(values)
        self.zeros += int(np.count_nonzero(numbers == 0))
        self.nans += int(np.count_nonzero(np.isnan(numbers)))
        self.infs += int(np.count_nonzero(np.isinf(numbers)))
        kept = numbers[np.isfinite(numbers)]
        if kept.size:
            exact = values if values.dtype.kind in "iu" else kept
            self.minimum = min(self.minimum, exact.min().item())
            self.maximum = max(self.maximum, exact.max().item())
            self._add_moments(kept)

    def _add_moments(self, kept: np.ndarray) -> None:
        """Join the moments of two parts (Chan, Golub, LeVeque 1979)."""
        mean = float(kept.mean())
        together = self.finite + kept.size
        distance = mean - self.mean
        self.spread += float(np.square(kept - mean).sum())
        self.spread += distance * distance * self.finite * kept.size / together
        self.mean += distance * kept.size / together
        self.finite = together


def summarize(tensor: Tensor, bins: int = 64) -> Statistics:
    """Read the tensor once for its figures and once for its histogram.

    Raises `TensorUnreadable` where the values cannot be had.
    """
    shape = tensor.shape
    if shape is None or None in shape:
        return Statistics(0, reason="The shape is not known, so there are no values to count.")
    known = tuple(int(d or 0) for d in shape)
    count = math.prod(known)
    if count == 0:
        return Statistics(0, reason="The tensor is empty: one of its dimensions is 0.")
    if is_inflated(count, tensor.stored):
        return Statistics(
            count,
            reason=f"{count:,} values are declared, but only {bytes_text(tensor.stored)} stored: "
            "nearly all of them are the same fill value.",
        )
    probe = tensor.read((0,) * len(known))
    if not _is_numeric(np.asarray(probe).dtype):
        return Statistics(count, reason=f"Values of type {tensor.dtype} have no statistics.")
    return _summarize_numbers(tensor, known, count, bins)


def _summarize_numbers(tensor: Tensor, shape: tuple[int, ...], count: int, bins: int) -> Statistics:
    totals = _Totals()
    with np.errstate(over="ignore", invalid="ignore"):
        for chunk in _chunks(tensor, shape):
            totals.add(chunk)
    found = Statistics(count, zeros=totals.zeros, nans=totals.nans, infs=totals.infs)
    if not totals.finite:
        return replace(found, reason="No value is finite.")
    edges = _edges(float(totals.minimum), float(totals.maximum), bins)
    return replace(
        found,
        minimum=totals.minimum,
        maximum=totals.maximum,
        mean=totals.mean,
        std=math.sqrt(totals.spread / totals.finite),
        histogram=_histogram(tensor, shape, edges),
        edges=tuple(edges.tolist()),
    )


def _histogram(tensor: Tensor, shape: tuple[int, ...], edges: np.ndarray) -> tuple[int, ...]:
    if not edges.size:
        return ()
    counts = np.zeros(edges.size - 1, dtype=np.int64)
    for chunk in _chunks(tensor, shape):
        numbers = _as_float(chunk)
        counts += np.histogram(numbers[np.isfinite(numbers)], edges)[0]
    return tuple(counts.tolist())


def _edges(low: float, high: float, bins: int) -> np.ndarray:
    """Equal steps from ``low`` to ``high``, widened where the steps would be too small to tell.

    Empty where the range itself is beyond float64.
    """
    finest = float(np.spacing(max(abs(low), abs(high)))) * bins * 2
    if high - low < finest or low == high:
        pad = max(finest, 0.5 if low == high else 0.0)
        low, high = low - pad, high + pad
    if not math.isfinite(high - low):
        return np.array([])
    return np.linspace(low, high, bins + 1)


def _chunks(tensor: Tensor, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    for selection in chunk_selections(shape, CHUNK_VALUES):
        yield np.asarray(tensor.read(selection))


def chunk_selections(shape: tuple[int, ...], limit: int) -> Iterator[Selection]:
    """Selections of at most ``limit`` values each that together cover ``shape`` in order."""
    if not shape:
        yield ()
        return
    row = math.prod(shape[1:])
    if row > limit:
        for index in range(shape[0]):
            for rest in chunk_selections(shape[1:], limit):
                yield (index, *rest)
        return
    step = max(1, limit // max(row, 1))
    for start in range(0, shape[0], step):
        yield (slice(start, min(start + step, shape[0])),)


def _is_numeric(dtype: np.dtype) -> bool:
    return dtype.kind in "biuf" or dtype.type.__module__ == "ml_dtypes"


def _as_float(values: np.ndarray) -> np.ndarray:
    """Float64, flat: wide enough for every type but the largest 64-bit integers."""
    with np.errstate(invalid="ignore"):  # a signalling not-a-number
        return values.reshape(-1).astype(np.float64, copy=False)
