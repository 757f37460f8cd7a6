"""How numbers, sizes and shapes are written for people."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import numpy as np

from explorer.formats.artifact import Shape, SignatureTensor

_UNITS = ("KB", "MB", "GB", "TB")
_LISTED = 6
_MOST_DIMENSIONS = 32
_JOINERS = "\u200c\u200d"
"""They part and join letters in Persian and in the scripts of India, and make up some emoji."""
_BLANKS = frozenset("\u034f\u115f\u1160\u3164\uffa0")
"""A joiner of marks and Hangul's fillers: marks and letters to Unicode, but nothing is shown."""


def bytes_text(size: int) -> str:
    """``1312`` becomes ``1.3 KB``; powers of 1024, one decimal below 100."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in _UNITS:
        value /= 1024
        if value < 1024 or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"


def visible(text: str) -> str:
    """A text from a file on one line: what has no shape of its own as escapes such as ``\\x1b``.

    These are control and format characters, which change what stands around them or nothing that
    can be seen (Unicode's categories Cc, Cf, Zl and Zp), those without a meaning (Cn, Co, Cs), and
    letters and marks that are always blank (of Unicode's ``Default_Ignorable_Code_Point``).
    """
    is_plain = text.isprintable() and _BLANKS.isdisjoint(text)
    return text if is_plain else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in _BLANKS:
        return _long_escape(ord(character))
    kept = character.isprintable() or character in _JOINERS
    if kept or unicodedata.category(character) == "Zs":
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 1 << 8 else _long_escape(code)


def _long_escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def printable_text(data: bytes) -> str:
    """ASCII where it can be shown, a dot for each other byte."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


def shape_text(shape: Shape) -> str:
    """``(None, 32)`` becomes ``? × 32``; a scalar is ``scalar``, an unknown rank ``unknown``."""
    if shape is None:
        return "unknown"
    return " × ".join(_sizes(shape)) or "scalar"


def tuple_text(shape: Shape) -> str:
    """``(None, 32)`` becomes ``(?, 32)``, ``(8,)`` stays; an unknown rank is ``unknown``."""
    if shape is None:
        return "unknown"
    sizes = _sizes(shape)
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


def type_and_shape(tensor: SignatureTensor) -> tuple[str, str]:
    """``("float32", "(?, 32)")``; what is only run, such as an initialisation, has no values.

    TensorFlow gives such an operation, which it keeps among signatures, the type ``DT_INVALID``.
    """
    if tensor.dtype == "invalid":
        return "op", ""
    return tensor.dtype, tuple_text(tensor.shape)


def _sizes(shape: Sequence[int | None]) -> list[str]:
    more = len(shape) - _MOST_DIMENSIONS
    sizes = ["?" if d is None else str(d) for d in shape[:_MOST_DIMENSIONS]]
    return sizes if more <= 0 else [*sizes, f"… {more:,} more"]


def dtype_text(dtype: np.dtype) -> str:
    """NumPy's name of a type; ``string`` for text and bytes of any kind."""
    return "string" if dtype.kind in "OSU" else dtype.name


def array_text(array: np.ndarray) -> str:
    """``float32 (8, 10)``."""
    return f"{dtype_text(array.dtype)} {tuple_text(array.shape)}"


def count_text(count: int, singular: str, plural: str = "") -> str:
    """``(1, "signature")`` becomes ``1 signature``, ``(1234, "row")`` ``1,234 rows``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def listed(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    if not names:
        return "nothing in it"
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def duration_text(seconds: float) -> str:
    """``0.0031`` becomes ``3.1 ms``, ``1.84`` ``1.8 s``, ``83`` ``1 min 23 s``."""
    if seconds < 0.1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def text_or_bytes(value: bytes) -> str | bytes:
    """The text that a string of an array holds; what is not UTF-8 stays bytes."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return bytes(value)


def exact_text(value: object) -> str:
    """One value of an array with all its digits; bytes that are no text as ``b'\\xff'``."""
    return str(text_or_bytes(value) if isinstance(value, bytes) else value)


def value_text(value: object) -> str:
    """One value of an array: ``0.9560``, ``1.2e-07``, ``3``, ``True``, ``1+2j``, text."""
    if isinstance(value, bytes):
        return exact_text(value)
    if isinstance(value, (str, bool, int, np.bool_, np.integer)):
        return str(value)
    if isinstance(value, (complex, np.complexfloating)):
        return f"{complex(value):.4g}"
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)
    if number == 0 or 1e-3 <= abs(number) < 1e5 or not math.isfinite(number):
        return f"{number:.4f}"
    return f"{number:.3e}"
