"""Protocol Buffers as they lie in a file: fields found by range, large ones stepped over.

Source of the wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import NamedTuple, Protocol, TypeVar, overload

from google.protobuf.message import DecodeError, Message

from explorer.formats.artifact import OverLimit, UnreadableArtifact
from explorer.formats.protobuf.varint import varint
from explorer.formats.storage import Storage

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_SMALLEST_WINDOW, _LARGEST_WINDOW = 1 << 12, 1 << 16
_LONGEST_HEADER = 20
_KEPT_WHOLE = 4 << 20

_Message = TypeVar("_Message", bound=Message)


class WireError(ValueError):
    """Bytes that are not the message they should be."""


class Span(NamedTuple):
    """Bytes of a file from ``start`` to ``end`` (exclusive)."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.end - self.start


class Spans(Sequence[Span]):
    """Many spans in little memory."""

    def __init__(self) -> None:
        self._bounds = array("Q")

    def append(self, start: int, end: int) -> None:
        """Add one."""
        self._bounds.append(start)
        self._bounds.append(end)

    def __len__(self) -> int:
        return len(self._bounds) // 2

    def __iter__(self) -> Iterator[Span]:
        bounds = iter(self._bounds)
        return map(Span, bounds, bounds)

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> list[Span]: ...
    def __getitem__(self, index: int | slice) -> Span | list[Span]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        first = 2 * range(len(self))[index]
        return Span(self._bounds[first], self._bounds[first + 1])


class Field(NamedTuple):
    """One field of a message: it begins at ``at``, its content is from ``start`` to ``end``.

    ``number`` is the value of a `VARINT` field, 0 of the others.
    """

    tag: int
    wire: int
    at: int
    start: int
    end: int
    number: int = 0

    @property
    def span(self) -> Span:
        """Where the content is."""
        return Span(self.start, self.end)


class Source(Protocol):
    """Bytes to read by range."""

    name: str
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``. Raises `UnreadableArtifact` where there are fewer."""
        ...


class _Memory:
    """A small file, or a message that never was one."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.size = len(data)
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class _Opened:
    """A file read at one place after another, which needs no pages kept."""

    def __init__(self, storage: Storage, member: str, size: int) -> None:
        self.name = member or storage.name
        self.size = size
        self._file = storage.open(member)

    def close(self) -> None:
        self._file.close()

    def read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) < length:
            raise UnreadableArtifact(
                f"{self.name} became shorter while it was being read. Open it again."
            )
        return data


class Wire:
    """Walks over the messages in a source through a window that moves with it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._window = b""
        self._base = 0

    def fields(self, span: Span) -> Iterator[Field]:
        """The fields of the message in ``span``, in file order. Raises `WireError`."""
        at, end = span
        while at < end:
            field = self._field(at)
            if field.end > end:
                raise WireError(f"field {field.tag} at byte {at:,} ends after its message")
            yield field
            at = field.end

    def _field(self, at: int) -> Field:
        index = at - self._base
        if not 0 <= index <= len(self._window) - _LONGEST_HEADER:
            self._move(at)
            index = at - self._base
        try:
            key, start = varint(self._window, index)
            tag, wire = key >> 3, key & 7
            if not tag:
                raise WireError(f"there is no field 0, but one is at byte {at:,}")
            if wire == BYTES:
                length, start = varint(self._window, start)
                start += self._base
                return Field(tag, wire, at, start, start + length)
            if wire == VARINT:
                number, end = varint(self._window, start)
                return Field(tag, wire, at, self._base + start, self._base + end, number)
            start += self._base
            return Field(tag, wire, at, start, start + _FIXED[wire])
        except KeyError as error:
            raise WireError(f"field {tag} at byte {at:,} is of no kind that is in use") from error
        except WireError:
            raise
        except ValueError as error:
            raise WireError(f"{error} at byte {at:,}") from error

    def _move(self, at: int) -> None:
        """Put the window there: a larger one where it moves on, a small one after a leap."""
        moves_on = self._base <= at <= self._base + len(self._window)
        length = min(_LARGEST_WINDOW, 4 * len(self._window)) if moves_on else 0
        length = min(max(length, _SMALLEST_WINDOW), self.source.size - at)
        self._window = self.source.read(at, length)
        self._base = at

    def bytes(self, span: Span) -> bytes:
        """The bytes of a span."""
        start, end = span
        if self._base <= start and end <= self._base + len(self._window):
            return self._window[start - self._base : end - self._base]
        if end - start > _SMALLEST_WINDOW:
            return self.source.read(start, end - start)
        self._move(start)
        return self._window[: end - start]

    def text(self, span: Span) -> str:
        """A short text."""
        return self.bytes(span).decode("utf-8", "backslashreplace")

    def check_count(self, count: int, what: str, most: int) -> None:
        """Raise `OverLimit` where there are more of something than any model has."""
        if count > most:
            raise OverLimit(
                f"{self.source.name} has {count:,} {what}, and no more than {most:,} are read, as "
                "no model has so many; be careful with this file."
            )

    def message(self, span: Span, kind: type[_Message]) -> _Message:
        """The message in a span. Raises `WireError`."""
        return parsed(self.bytes(span), kind)

    def split(
        self, span: Span, kind: type[_Message], apart: Collection[int]
    ) -> tuple[_Message, dict[int, Spans]]:
        """A message without the fields numbered ``apart``, and where these are, by number.

        Raises `WireError`.
        """
        return self.merged((span,), kind, apart)

    def merged(
        self, spans: Iterable[Span], kind: type[_Message], apart: Collection[int]
    ) -> tuple[_Message, dict[int, Spans]]:
        """As `split`, of a message that is stored in parts.

        A field for a single message may be there more than once, and parsers merge what is in
        them. Source: “Last One Wins” in the description of the wire format.
        """
        found = {tag: Spans() for tag in apart}
        rest: list[bytes] = []
        for span in spans:
            start = span.start
            for field in self.fields(span):
                if field.tag in found and field.wire == BYTES:
                    if field.at > start:
                        rest.append(self.bytes(Span(start, field.at)))
                    found[field.tag].append(field.start, field.end)
                    start = field.end
            rest.append(self.bytes(Span(start, span.end)))
        return parsed(b"".join(rest), kind), found


def parsed(data: bytes, kind: type[_Message]) -> _Message:
    """The message that ``data`` is. Raises `WireError`."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise WireError(f"{kind.DESCRIPTOR.name}: {error}") from error


class ProtoFile:
    """A file that is one message. It is open only while a `wire` is; a small one is kept whole.

    ``name`` is for people, ``member`` as in `Location`.
    """

    def __init__(self, storage: Storage, member: str = "", data: bytes | None = None) -> None:
        self.storage = storage
        self.member = member
        self.name = member or storage.name
        self.stored = data is None
        self.size = (storage.size(member) or 0) if data is None else len(data)
        if data is None and self.size <= _KEPT_WHOLE:
            data = storage.read(member)
            self.size = len(data)
        self._memory = None if data is None else _Memory(self.name, data)

    @property
    def span(self) -> Span:
        """The whole of it."""
        return Span(0, self.size)

    @contextmanager
    def wire(self) -> Iterator[Wire]:
        """A walk over it. What it finds to be no message becomes `UnreadableArtifact`."""
        try:
            with self._source() as source:
                yield Wire(source)
        except WireError as error:
            raise UnreadableArtifact(
                f"{self.name} is damaged: {error}. Copy it again from where it was written."
            ) from error

    def _source(self) -> AbstractContextManager[Source]:
        if self._memory is not None:
            return nullcontext(self._memory)
        return closing(_Opened(self.storage, self.member, self.size))

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        if not length:
            return b""
        if self._memory is not None:
            return self._memory.read(offset, length)
        return self.storage.read(self.member, offset, length)
