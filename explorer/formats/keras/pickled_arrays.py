"""NumPy arrays in a pickle, found without unpickling: nothing it names is imported or called.

A pickle is a list of instructions. Those that build plain values are followed; what would import
or call something is noted down as such, and the arrays are recognised among these notes. Opcodes:
CPython's ``Lib/pickletools.py``; how an array is pickled: ``array_reduce`` and ``array_setstate``
in ``numpy/_core/src/multiarray/methods.c``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from explorer.formats.storage import Pages

_MOST_STEPS = 300_000
_BLOCK = 4096
_STOP = b"."
_LONGEST_TEXT = 4096
_ML_DTYPES = {"bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"}
_NUMPY = ("numpy._core.multiarray", "numpy.core.multiarray")


@dataclass(frozen=True, slots=True)
class Global:
    """A name that unpickling would import."""

    module: str
    name: str


@dataclass(slots=True)
class Made:
    """What unpickling would get by calling something, and the state it would then be given."""

    called: Any
    arguments: Any
    state: Any = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that stay where they are: ``length`` of them from ``offset``."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class PickledArray:
    """An array in a pickle; its values are the bytes ``stored``."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran_order: bool
    stored: Stored


def as_array(value: Any) -> PickledArray | None:
    """The array or the NumPy number that a value stands for, else ``None``."""
    if not isinstance(value, Made) or not isinstance(value.called, Global):
        return None
    if value.called.module not in _NUMPY:
        return None
    if value.called.name == "scalar":
        return _array((1, (), *_pair(value.arguments, False)))
    return _array(value.state) if value.called.name == "_reconstruct" else None


def _pair(arguments: Any, between: bool) -> tuple[Any, ...]:
    if isinstance(arguments, tuple) and len(arguments) == 2:
        return arguments[0], between, arguments[1]
    return ()


def _array(state: Any) -> PickledArray | None:
    """By version, shape, type, whether columns come first, and the bytes."""
    if not isinstance(state, tuple) or len(state) != 5:
        return None
    _, shape, made, fortran_order, stored = state
    dtype = _dtype(made)
    if dtype is None or not isinstance(stored, Stored) or not _is_shape(shape):
        return None
    return PickledArray(dtype, shape, fortran_order is True, stored)


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, tuple)
        and len(shape) <= 64
        and all(type(size) is int and 0 <= size < 1 << 62 for size in shape)
    )


def _dtype(made: Any) -> np.dtype | None:
    if not isinstance(made, Made) or made.called != Global("numpy", "dtype"):
        return None
    kind = made.arguments[0] if isinstance(made.arguments, tuple) and made.arguments else None
    if isinstance(kind, Global) and kind.module == "ml_dtypes":
        found = getattr(ml_dtypes, kind.name, None) if kind.name in _ML_DTYPES else None
        return None if found is None else np.dtype(found)
    order = made.state[1] if isinstance(made.state, tuple) and len(made.state) > 1 else "|"
    if not isinstance(kind, str) or kind[:1] not in "biufc" or order not in ("<", ">", "|", "="):
        return None
    try:
        return np.dtype(f"{order}{kind}")
    except TypeError:
        return None


# The instructions


class PickleReader:
    """Reads pickles into plain values and the classes here, so many instructions in all."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def read(self, file: Pages, start: int) -> Any:
        """The value of the pickle that begins at ``start``.

        Raises ``ValueError`` where it is damaged, too long, or does what no array needs, and
        `UnreadableArtifact` where the file is cut short.
        """
        machine = _Machine(_Bytes(file, start))
        try:
            for _ in range(self._left):
                self._left -= 1
                code = machine.data.take(1)
                if code == _STOP:
                    return machine.stack.pop()
                _STEPS[code](machine)
        except KeyError as error:
            raise ValueError("it holds an instruction that no array needs") from error
        except (IndexError, TypeError, AttributeError, struct.error) as error:
            raise ValueError("its instructions do not fit together") from error
        raise ValueError(f"there are more than {_MOST_STEPS:,} instructions")


class _Bytes:
    """A file read from one place onwards."""

    def __init__(self, file: Pages, position: int) -> None:
        self._file = file
        self.position = position
        self._block = b""
        self._start = 0

    def take(self, length: int) -> bytes:
        start = self.position - self._start
        if start < 0 or start + length > len(self._block):
            self._start, start = self.position, 0
            most = max(length, min(_BLOCK, self._file.size - self.position))
            self._block = self._file.read(self.position, most)
        self.position += length
        return self._block[start : start + length]

    def number(self, width: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(width), "little", signed=signed)

    def skip(self, length: int) -> Stored:
        """Bytes that are left where they are."""
        if length > self._file.size - self.position:
            raise ValueError("it ends in the middle of a value")
        stored = Stored(self.position, length)
        self.position += length
        return stored

    def text(self, length: int) -> str:
        if length > _LONGEST_TEXT:
            raise ValueError("it holds a text longer than any name")
        return self.take(length).decode("utf-8", "replace")

    def line(self) -> str:
        found = bytearray()
        while not found.endswith(b"\n"):
            found += self.take(1)
            if len(found) > _LONGEST_TEXT:
                raise ValueError("it holds a name without an end")
        return found[:-1].decode("utf-8", "replace")


_MARK = object()


@dataclass
class _Machine:
    """A stack and a memo, as unpickling has them."""

    data: _Bytes
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def pop_mark(self) -> list[Any]:
        """What was put on the stack since the last mark."""
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def pop(self, count: int) -> list[Any]:
        items = self.stack[len(self.stack) - count :]
        if len(items) != count or _MARK in items:
            raise ValueError("its instructions do not fit together")
        del self.stack[len(self.stack) - count :]
        return items

    def remember(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise ValueError("it refers to a value that it does not hold")
        self.stack.append(self.memo[key])

    def set_items(self, items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int):
                raise ValueError("it holds a dictionary whose keys are no names")
            self.stack[-1][key] = value

    def make(self) -> None:
        called, arguments = self.pop(2)
        self.stack.append(Made(called, arguments))

    def build(self) -> None:
        (state,) = self.pop(1)
        self.stack[-1].state = state

    def find(self, module: Any, name: Any) -> None:
        self.stack.append(Global(str(module), str(name)))


_Step = Callable[[_Machine], object]


def _push(make: Callable[[_Bytes], Any]) -> _Step:
    return lambda machine: machine.stack.append(make(machine.data))


def _tuple(count: int) -> _Step:
    return lambda machine: machine.stack.append(tuple(machine.pop(count)))


def _steps() -> Iterator[tuple[bytes, _Step]]:
    yield b"\x80", lambda m: m.data.take(1)
    yield b"\x95", lambda m: m.data.take(8)
    yield from _plain_values()
    yield from _collections()
    yield b"c", lambda m: m.find(m.data.line(), m.data.line())
    yield b"\x93", lambda m: m.find(*m.pop(2))
    yield b"R", _Machine.make
    yield b"\x81", _Machine.make
    yield b"b", _Machine.build
    yield b"\x94", lambda m: m.remember(len(m.memo))
    yield b"q", lambda m: m.remember(m.data.number(1))
    yield b"r", lambda m: m.remember(m.data.number(4))
    yield b"h", lambda m: m.recall(m.data.number(1))
    yield b"j", lambda m: m.recall(m.data.number(4))


def _plain_values() -> Iterator[tuple[bytes, _Step]]:
    yield b"N", _push(lambda _: None)
    yield b"\x88", _push(lambda _: True)
    yield b"\x89", _push(lambda _: False)
    yield b"K", _push(lambda data: data.number(1))
    yield b"M", _push(lambda data: data.number(2))
    yield b"J", _push(lambda data: data.number(4, signed=True))
    yield b"\x8a", _push(lambda data: data.number(data.number(1), signed=True))
    yield b"G", _push(lambda data: struct.unpack(">d", data.take(8))[0])
    for code, width in ((b"\x8c", 1), (b"X", 4), (b"\x8d", 8)):
        yield code, _push(partial(_text_of, width))
    for code, width in ((b"C", 1), (b"B", 4), (b"\x8e", 8)):
        yield code, _push(partial(_skip_of, width))


def _collections() -> Iterator[tuple[bytes, _Step]]:
    yield b"(", _push(lambda _: _MARK)
    yield b")", _push(lambda _: ())
    yield b"]", _push(lambda _: [])
    yield b"}", _push(lambda _: {})
    yield b"\x8f", _push(lambda _: [])
    yield b"t", lambda m: m.stack.append(tuple(m.pop_mark()))
    for code, count in ((b"\x85", 1), (b"\x86", 2), (b"\x87", 3)):
        yield code, _tuple(count)
    yield b"a", lambda m: _extend(m, m.pop(1))
    yield b"e", lambda m: _extend(m, m.pop_mark())
    yield b"\x90", lambda m: _extend(m, m.pop_mark())
    yield b"s", lambda m: m.set_items(m.pop(2))
    yield b"u", lambda m: m.set_items(m.pop_mark())


def _text_of(width: int, data: _Bytes) -> str:
    return data.text(data.number(width))


def _skip_of(width: int, data: _Bytes) -> Stored:
    return data.skip(data.number(width))


def _extend(machine: _Machine, items: list[Any]) -> None:
    machine.stack[-1].extend(items)


_STEPS = dict(_steps())
