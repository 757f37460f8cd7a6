"""A walk over an ONNX model that ends where the model holds more than any real one does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from explorer.formats.artifact import OverLimit
from explorer.formats.protobuf.wire import BYTES, Field, Span, Wire

_MOST_FIELDS = 1_000_000
_MOST_PARTS = 100_000
_PARTS = "operators, tensors, graphs, functions, inputs and outputs"

_FLOATS, _INTS = 7, 8
_NUMBERS = re.compile(rb"(?:\x3d[\x00-\xff]{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f])+")
"""Numbers of an attribute, each a field of its own: those of a forest of trees are millions."""
_PIECE = 1 << 16


class BoundedWire(Wire):
    """A `Wire` whose methods raise `OverLimit` where there is too much."""

    _fields_walked = 0
    _parts_taken = 0

    def fields(self, span: Span) -> Iterator[Field]:
        """The fields of the message in ``span``, in file order. Raises `WireError`."""
        for field in super().fields(span):
            self.walked(1)
            yield field

    def walked(self, fields: int) -> None:
        """Count the fields that have been looked at."""
        self._fields_walked += fields
        if self._fields_walked > _MOST_FIELDS:
            raise self.over(f"has more than {_MOST_FIELDS:,} fields")

    def take(self, parts: int) -> None:
        """Count what the model is made of."""
        self._parts_taken += parts
        if self._parts_taken > _MOST_PARTS:
            raise self.over(f"has more than {_MOST_PARTS:,} {_PARTS} together")

    def over(self, much: str) -> OverLimit:
        """To be raised: ``much`` is what the model does beyond all measure."""
        return OverLimit(
            f"{self.source.name} {much}, as no model that is known does, so it is not read; be "
            "careful with this file."
        )

    def attribute_fields(self, span: Span) -> Iterator[Field]:
        """The fields of an attribute; of numbers in a row, the first alone. Raises `WireError`."""
        at, end = span
        while at < end:
            for field in self.fields(Span(at, end)):
                yield field
                at = field.end
                if field.tag in (_FLOATS, _INTS) and field.wire != BYTES:
                    at = self._after_numbers(at, end)
                    break

    def _after_numbers(self, at: int, end: int) -> int:
        while found := _NUMBERS.match(self.bytes(Span(at, min(at + _PIECE, end)))):
            at += found.end()
        return at
