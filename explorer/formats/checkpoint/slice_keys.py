"""The index keys under which the parts of a partitioned tensor are kept.

Source: ``EncodeTensorNameSlice`` in ``tensorflow/core/util/saved_tensor_slice_util.cc`` and
``tsl/platform/ordered_code.cc``, an encoding that sorts like what it encodes.
"""

from __future__ import annotations

from explorer.formats.schema import tensor_pb2

_WHOLE = -1
_ESCAPED = {0x00: b"\0\xff", 0xFF: b"\xff\0"}


def slice_key(name: str, piece: tensor_pb2.TensorSliceProto) -> bytes:
    """The key of the part ``piece`` of the tensor ``name``."""
    key = _unsigned(0) + _text(name.encode()) + _unsigned(len(piece.extent))
    for extent in piece.extent:
        whole = not extent.HasField("length")
        key += _signed(0 if whole else extent.start)
        key += _signed(_WHOLE if whole else extent.length)
    return key


def _unsigned(value: int) -> bytes:
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _text(value: bytes) -> bytes:
    return b"".join(_ESCAPED.get(byte, bytes([byte])) for byte in value) + b"\0\1"


def _signed(value: int) -> bytes:
    """A signed number of n bytes, whose first bits count them: n ones, then a zero."""
    magnitude = ~value if value < 0 else value
    length = magnitude.bit_length() // 7 + 1
    digits = value.to_bytes(length, "big", signed=True)
    ones = (1 << length) - 1 << 7 * length  # the topmost bits of n bytes
    return (int.from_bytes(digits, "big") ^ ones).to_bytes(length, "big")
