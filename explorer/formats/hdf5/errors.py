"""The errors of the reader, and how those of parsing become them."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_PARSING = (struct.error, IndexError, OverflowError, MemoryError, RecursionError)


class DamagedHdf5(ValueError):  # noqa: N818 - the name says what the person sees
    """The file contradicts itself; the message names the part, for the end of a sentence."""


class NotReadHdf5(ValueError):  # noqa: N818
    """Whole, but of a kind that is not read here; the message says which."""


def parses(what: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Turn what goes wrong in parsing ``what`` into `DamagedHdf5`."""

    def around(function: Callable[_P, _T]) -> Callable[_P, _T]:
        @functools.wraps(function)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            try:
                return function(*args, **kwargs)
            except _PARSING as error:
                raise DamagedHdf5(f"{what} is damaged") from error

        return guarded

    return around
