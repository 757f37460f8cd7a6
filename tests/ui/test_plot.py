"""Round numbers on axes, and long lines in few points."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.ui.plot import Axis, finite, thinned


@pytest.mark.parametrize(
    ("low", "high", "most", "texts"),
    [
        (0, 1, 5, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (2.26, 2.93, 5, ["2.4", "2.6", "2.8"]),
        (-3, 166, 4, ["0", "50", "100", "150"]),
        (-1, 1, 2, ["-1", "0", "1"]),
        (1.2e-7, 4.9e-7, 4, ["2e-07", "3e-07", "4e-07"]),
        (1.00015e6, 1.00045e6, 3, ["1.0002e+06", "1.0003e+06", "1.0004e+06"]),
        (0.99997, 1.00003, 3, ["0.99998", "1.00000", "1.00002"]),
    ],
)
def test_an_axis_has_round_numbers_that_tell_each_other_apart(
    low: float, high: float, most: int, texts: list[str]
) -> None:
    assert list(Axis(low, high).ticks(most).values()) == texts


@pytest.mark.parametrize("low", [-1e300, -7.3, 0.0, 1e-12, 3.3, 8.1e200])
@pytest.mark.parametrize("span", [1e-9, 0.7, 44.0, 1e250])
@pytest.mark.parametrize("most", [1, 3, 7])
def test_numbers_of_an_axis_lie_on_it_and_are_no_more_than_fit(
    low: float, span: float, most: int
) -> None:
    ticks = Axis(low, low + span).ticks(most)
    assert len(ticks) <= most + 1
    assert all(low <= value <= low + span for value in ticks)
    assert len(set(ticks.values())) == len(ticks)


def test_a_logarithmic_axis_counts_powers_of_ten() -> None:
    assert Axis(-0.4, 3.2, logarithmic=True).ticks(20) == {0: "1e0", 1: "1e1", 2: "1e2", 3: "1e3"}
    assert list(Axis(-2, 36, logarithmic=True).ticks(5).values()) == ["1e0", "1e10", "1e20", "1e30"]


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [-1e308, 1e308], [1e-320, 2e-320]])
def test_values_of_every_size_have_a_place(values: list[float]) -> None:
    axis = Axis.around(np.array(values))
    places = axis.place(np.array(values))
    assert ((places >= 0) & (places <= 1)).all()
    assert all(math.isfinite(value) for value in axis.ticks(5))


def test_a_long_line_keeps_its_extremes_in_every_stretch() -> None:
    x = np.arange(100_000)
    y = np.sin(x / 900)
    y[[31_234, 77_777]] = 9, -9
    few_x, few_y = thinned(x, y, 400)
    assert len(few_x) == len(few_y) == 800
    assert (np.diff(few_x) >= 0).all()
    assert (few_y.max(), few_y.min()) == (9, -9)
    np.testing.assert_allclose(few_y[::2][100], y[25_000:25_250].min())
    np.testing.assert_allclose(few_y[1::2][100], y[25_000:25_250].max())


def test_a_short_line_stays_as_it_is_but_for_what_is_not_finite() -> None:
    x, y = finite(np.arange(4), np.array([1, math.nan, math.inf, 4]))
    assert (thinned(x, y, 2)[0] == [0, 3]).all()
    assert (thinned(x, y, 2)[1] == [1, 4]).all()
