"""Whether two runs gave the same answer."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.analysis.agreement import Agreement, Verdict, compare

ONE = {"y": np.array([[1.0, -2.0]], np.float32)}


def test_equal_outputs_are_the_same_whatever_they_are_called() -> None:
    assert compare(ONE, {"output_0": ONE["y"].copy()}) == Agreement(Verdict.SAME, 0.0)


def test_rounding_is_close_and_more_is_different() -> None:
    close = compare(ONE, {"y": ONE["y"] + np.float32(1e-6)})
    assert close.verdict is Verdict.CLOSE
    assert close.difference == pytest.approx(1e-6, rel=0.1)
    different = compare(ONE, {"y": ONE["y"] + np.float32(0.5)})
    assert different == Agreement(Verdict.DIFFERENT, 0.5)


def test_large_values_are_compared_by_their_size() -> None:
    large = {"y": np.array([1e6], np.float32)}
    assert compare(large, {"y": large["y"] + 1}).verdict is Verdict.CLOSE


def test_not_a_number_agrees_with_itself_alone() -> None:
    odd = {"y": np.array([np.nan, np.inf, 1.0])}
    assert compare(odd, {"y": odd["y"].copy()}) == Agreement(Verdict.SAME, 0.0, both_nan=1)
    other = compare(odd, {"y": np.array([0.0, np.inf, 1.0])})
    assert other == Agreement(Verdict.DIFFERENT, np.inf, one_nan=1)


@pytest.mark.parametrize(
    "other", [{}, {"y": np.zeros((1, 3))}, {"y": np.zeros((1, 2)), "z": np.zeros(1)}]
)
def test_outputs_that_do_not_compare(other: dict[str, np.ndarray]) -> None:
    assert compare(ONE, other) == Agreement(Verdict.OTHER_OUTPUTS, None)


def test_names_decide_before_the_order() -> None:
    first = {"a": np.zeros(1), "b": np.ones(1)}
    assert compare(first, {"b": np.ones(1), "a": np.zeros(1)}).verdict is Verdict.SAME


def test_strings() -> None:
    words = {"y": np.array([b"a"], dtype=object)}
    assert compare(words, {"y": np.array([b"a"], dtype=object)}).verdict is Verdict.SAME
    assert compare(words, {"y": np.array([b"b"], dtype=object)}).verdict is Verdict.DIFFERENT
