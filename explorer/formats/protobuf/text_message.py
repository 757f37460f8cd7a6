"""The text form of Protocol Buffers as the binary one.

The library's own parser takes seconds for a megabyte, and longer still for fields that it does not
know. Here one regular expression finds a whole field. Source:
https://protobuf.dev/reference/protobuf/textformat-spec
"""

from __future__ import annotations

import codecs
import re
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from explorer.formats.protobuf.varint import varint_of

MOST_FIELDS = 400_000
"""Fields, listed values and escaped characters that are read; they take less than a second."""

_DEEPEST = 100
GAP = r"(?:\s*(?:\#[^\n]*\n\s*)*)"
"""What may be between any two parts of a text: spaces, new lines and comments."""

_TEXT = r"""(?:"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')"""
_FIELD = re.compile(
    rf"""
    \#[^\n]*
    | (?: (?P<name>[A-Za-z_]\w*\b) | \[(?P<extension>[\w./-]+)\] ) {GAP} (?: :{GAP} )?
      (?: (?P<opening>[{{<]) | (?P<text>{_TEXT}(?:{GAP}{_TEXT})*) | (?P<word>[\w.+-]+)
        | \[ (?P<words>[\w.+,\s-]*(?:\#[^\n]*\n[\w.+,\s-]*)*) \] | (?P<listing>\[) )
      \s*(?:{GAP}[,;])?
    | (?P<again>[{{<])
    | (?P<closing>[}}>\]]) \s*(?:{GAP}[,;])?
    | (?P<listed>{_TEXT}(?:{GAP}{_TEXT})*) \s*(?:{GAP},)?
    | (?P<other>\S)
    """.encode(),
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(rb"#[^\n]*")
_STRING = re.compile(rf"\#[^\n]*|({_TEXT})".encode())
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL
)
_LETTERS = {
    letter.to_bytes(1, "big"): meant.to_bytes(1, "big")
    for letter, meant in zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True)
}
_CLOSING = {b"{": b"}", b"<": b">", b"[": b"]"}
_TRUE = {b"true", b"True", b"t", b"1"}
_FALSE = {b"false", b"False", b"f", b"0"}


class TextError(ValueError):
    """Text that is no such message: what is wrong, and in which line."""


class TooManyFieldsError(TextError):
    """Text of more than `MOST_FIELDS`."""


def binary(text: bytes, kind: Descriptor) -> bytes:
    """A message of ``kind`` in binary; fields that it does not have are left out.

    Raises `TextError`.
    """
    return _Reading(text.removeprefix(codecs.BOM_UTF8), kind).message()


@dataclass(slots=True)
class _Open:
    """What is not closed yet: the ``fields`` of a message, or a list for the field ``about``."""

    fields: Mapping[bytes, _Field]
    closing: bytes = b""
    about: _Field | None = None
    parts: list[bytes] = field(default_factory=list)


class _Reading:
    """The text, field by field."""

    def __init__(self, text: bytes, kind: Descriptor) -> None:
        self._text = text
        self._left = MOST_FIELDS - text.count(b"\\")
        self._at = 0
        self._kinds = kind.file.message_types_by_name
        self._top = _Open(_fields(kind))
        self._below: list[_Open] = []
        self._handlers: dict[str | None, Callable[[re.Match[bytes]], None]] = {
            "opening": self._open,
            "text": self._add_text,
            "word": self._add_word,
            "words": self._add_words,
            "listing": self._open,
            "again": self._open,
            "closing": self._close,
            "listed": self._add_listed,
            "other": self._refuse,
            None: lambda _comment: None,
        }

    def message(self) -> bytes:
        """All of it."""
        handlers = self._handlers
        for found in _FIELD.finditer(self._text):
            self._at = found.start()
            self._count(1)
            handlers[found.lastgroup](found)
        self._at = len(self._text)
        if self._below:
            raise self._error(f"“{self._top.closing.decode()}” is missing")
        return b"".join(self._top.parts)

    def _count(self, more: int) -> None:
        self._left -= more
        if self._left < 0:
            raise TooManyFieldsError

    # Messages

    def _open(self, found: re.Match[bytes]) -> None:
        if len(self._below) >= _DEEPEST:
            raise self._error("its messages are nested too deep")
        bracket = found["opening"] or found["listing"] or found["again"]
        is_listed = self._top.closing == b"]"
        if bool(found["again"]) != is_listed:
            raise self._error("the name of a field is expected")
        about = self._top.about if is_listed else self._field(found)
        is_list = bracket == b"["
        inner = about.message if about is not None and not is_list else None
        if about is not None and inner is None and not is_list:
            raise self._error(f"{about.expects} is expected, and a message found")
        self._below.append(self._top)
        self._top = _Open(_fields(inner) if inner else {}, _CLOSING[bracket], about)

    def _close(self, found: re.Match[bytes]) -> None:
        closed = self._top
        if found["closing"] != closed.closing:
            raise self._error(f"“{found['closing'].decode()}” closes nothing")
        self._top = self._below.pop()
        body = b"".join(closed.parts)
        if closed.closing == b"]":
            self._top.parts.append(body)
        elif closed.about is not None:
            self._top.parts += (closed.about.tag, varint_of(len(body)), body)

    def _field(self, found: re.Match[bytes]) -> _Field | None:
        """What a name stands for; one in brackets is of an extension, or the type of an ``Any``."""
        if self._top.closing == b"]":
            raise self._error("a value is expected")
        if found["extension"] and b"type_url" in self._top.fields:
            return self._packed(found["extension"])
        return self._top.fields.get(found["name"])

    def _packed(self, url: bytes) -> _Field | None:
        """An ``Any`` that is written as the message in it, after the address of its type."""
        address, value = self._top.fields[b"type_url"], self._top.fields[b"value"]
        kind = self._kinds.get(url.decode().rpartition("/")[2].rpartition(".")[2])
        if kind is None:
            return None
        self._top.parts += (address.tag, varint_of(len(url)), url)
        return _Field(value.tag, kind, None, f"a message of {kind.name}")

    # Values

    def _add_text(self, found: re.Match[bytes]) -> None:
        about = self._field(found)
        if about is not None:
            self._add_string(about, found["text"])

    def _add_string(self, about: _Field, text: bytes) -> None:
        """Strings that follow each other are one."""
        if about.number is not None or about.message is not None:
            raise self._error(f"{about.expects} is expected, and text found")
        value = b"".join(_unescaped(part[1:-1]) for part in _STRING.findall(text) if part)
        self._top.parts += (about.tag, varint_of(len(value)), value)

    def _add_listed(self, found: re.Match[bytes]) -> None:
        """A string in a list of them."""
        if self._top.closing != b"]":
            raise self._error("the name of a field is expected")
        if self._top.about is not None:
            self._add_string(self._top.about, found["listed"])

    def _add_word(self, found: re.Match[bytes]) -> None:
        about = self._field(found)
        if about is not None:
            self._top.parts += (about.tag, self._number(about, found["word"]))

    def _add_words(self, found: re.Match[bytes]) -> None:
        listed = _COMMENT.sub(b"", found["words"])
        words = listed.split(b",") if listed.strip() else []
        about = self._field(found)
        self._count(len(words))
        if about is not None:
            for word in words:
                self._top.parts += (about.tag, self._number(about, word.strip()))

    def _number(self, about: _Field, word: bytes) -> bytes:
        try:
            if about.number is not None:
                return about.number(word)
        except (ValueError, OverflowError, struct.error):
            pass
        shown = word[:40].decode("utf-8", "replace")
        raise self._error(f"{about.expects} is expected, and “{shown}” found")

    def _refuse(self, found: re.Match[bytes]) -> None:
        raise self._error(f"“{found['other'].decode('latin-1')}” is not expected")

    def _error(self, problem: str) -> TextError:
        line = self._text.count(b"\n", 0, self._at) + 1
        return TextError(f"line {line:,}: {problem}")


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(_character, text) if b"\\" in text else text


def _character(escape: re.Match[bytes]) -> bytes:
    octal, hexadecimal, short, long, letter = escape.groups()
    if octal or hexadecimal:
        return bytes([(int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF])
    if short or long:
        number = int(short or long, 16)
        return chr(number).encode("utf-8", "replace") if number <= sys.maxunicode else b"?"
    return _LETTERS.get(letter) or bytes(letter)


# Fields


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is written: its ``tag``, then a message, a number's bytes, or else a string."""

    tag: bytes
    message: Descriptor | None
    number: Callable[[bytes], bytes] | None
    expects: str


@cache
def _fields(kind: Descriptor) -> Mapping[bytes, _Field]:
    return {about.name.encode(): _field(about) for about in kind.fields}


def _field(about: FieldDescriptor) -> _Field:
    wire, number, expects = _NUMBERS.get(about.type, (2, None, "text in quotes"))
    if about.message_type is not None:
        expects = f"a message of {about.message_type.name}"
    if about.enum_type is not None:
        wire, number, expects = 0, _enumerated(about.enum_type), f"one of {about.enum_type.name}"
    return _Field(varint_of(about.number << 3 | wire), about.message_type, number, expects)


def _integer(word: bytes) -> int:
    """Decimal, hexadecimal (``0x1f``) or octal (``017``)."""
    sign, digits = (-1, word[1:]) if word.startswith(b"-") else (1, word)
    if len(digits) > 1 and digits.startswith(b"0") and digits.isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _varint(word: bytes) -> bytes:
    return varint_of(_integer(word) % (1 << 64))


def _zigzag(word: bytes) -> bytes:
    number = _integer(word)
    return varint_of((number << 1 ^ number >> 63) % (1 << 64))


def _truth(word: bytes) -> bytes:
    if word not in _TRUE and word not in _FALSE:
        raise ValueError(word)
    return b"\1" if word in _TRUE else b"\0"


def _fixed(code: str) -> Callable[[bytes], bytes]:
    return lambda word: struct.pack(code, _integer(word))


def _floating(code: str) -> Callable[[bytes], bytes]:
    def packed(word: bytes) -> bytes:
        value = float(word.rstrip(b"fF") if word[-1:] in b"fF" and word[-3:] != b"inf" else word)
        try:
            return struct.pack(code, value)
        except OverflowError:
            return struct.pack(code, float("inf") if value > 0 else float("-inf"))

    return packed


def _enumerated(kind: EnumDescriptor) -> Callable[[bytes], bytes]:
    values = kind.values_by_name.items()
    numbers = {name.encode(): varint_of(value.number % (1 << 64)) for name, value in values}
    return lambda word: numbers.get(word) or _varint(word)


_WHOLE = "a whole number"
_NUMBERS: dict[int, tuple[int, Callable[[bytes], bytes], str]] = {
    **dict.fromkeys(
        (
            FieldDescriptor.TYPE_INT32,
            FieldDescriptor.TYPE_INT64,
            FieldDescriptor.TYPE_UINT32,
            FieldDescriptor.TYPE_UINT64,
        ),
        (0, _varint, _WHOLE),
    ),
    FieldDescriptor.TYPE_SINT32: (0, _zigzag, _WHOLE),
    FieldDescriptor.TYPE_SINT64: (0, _zigzag, _WHOLE),
    FieldDescriptor.TYPE_BOOL: (0, _truth, "true or false"),
    FieldDescriptor.TYPE_FIXED32: (5, _fixed("<I"), _WHOLE),
    FieldDescriptor.TYPE_FIXED64: (1, _fixed("<Q"), _WHOLE),
    FieldDescriptor.TYPE_SFIXED32: (5, _fixed("<i"), _WHOLE),
    FieldDescriptor.TYPE_SFIXED64: (1, _fixed("<q"), _WHOLE),
    FieldDescriptor.TYPE_FLOAT: (5, _floating("<f"), "a number"),
    FieldDescriptor.TYPE_DOUBLE: (1, _floating("<d"), "a number"),
}
"""By the type of a field its wire type, its bytes and what is expected."""
