"""The filters that chunks went through, undone in reverse order (section IV.A.2.l)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.formats.hdf5.errors import DamagedHdf5, NotReadHdf5, parses
from explorer.formats.hdf5.source import Source

DEFLATE, SHUFFLE, FLETCHER32, LZF = 1, 2, 3, 32000
_NAMES = {4: "szip", 5: "n-bit", 6: "scale-offset", 307: "bzip2", 32001: "blosc", 32015: "zstd"}
_CHECKSUM = 4


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: its registered number, its own name and the values that steer it."""

    number: int
    name: str
    values: tuple[int, ...]


@parses("its list of filters")
def parse_filters(source: Source, body: bytes) -> tuple[Filter, ...]:
    """A filter pipeline message; raises `DamagedHdf5`."""
    fields = source.parse(body)
    version, count = fields.number(1), fields.number(1)
    if version not in (1, 2):
        raise DamagedHdf5("its list of filters has an unknown version")
    fields.skip(6 if version == 1 else 0)
    found: list[Filter] = []
    for _ in range(count):
        number = fields.number(2)
        length = fields.number(2) if version == 1 or number >= 256 else 0
        fields.skip(2)
        values = fields.number(2)
        name = fields.take(-(-length // 8) * 8 if version == 1 else length)
        found.append(_filter(number, name, [fields.number(4) for _ in range(values)]))
        fields.skip(4 * (values % 2) if version == 1 else 0)
    return tuple(found)


def _filter(number: int, name: bytes, values: list[int]) -> Filter:
    own = name.partition(b"\0")[0].decode("utf-8", "replace")
    return Filter(number, _NAMES.get(number) or own or f"number {number}", tuple(values))


def undone(data: bytes, filters: tuple[Filter, ...], mask: int, size: int) -> bytes:
    """A chunk as it was before its filters: ``size`` bytes, and no more is ever unpacked.

    A bit of ``mask`` is set for each filter that was left out. Raises `DamagedHdf5`, and
    `NotReadHdf5` for filters that are not known here.
    """
    most = size + _CHECKSUM * len(filters)
    for place in reversed(range(len(filters))):
        if not mask >> place & 1:
            one = filters[place]
            undo = _UNDO.get(one.number)
            if undo is None:
                raise NotReadHdf5(
                    f"its chunks went through the filter {one.name}, which is not read"
                )
            data = undo(data, one, most)
    if len(data) != size:
        raise DamagedHdf5("one of its chunks is of the wrong size")
    return data


def _inflate(data: bytes, _: Filter, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise DamagedHdf5("one of its compressed chunks is damaged") from error


def _unshuffle(data: bytes, one: Filter, _: int) -> bytes:
    """The first bytes of all elements came first, then the second ones, and so on."""
    width = one.values[0] if one.values else 1
    if width <= 1 or len(data) < width:
        return data
    whole = len(data) - len(data) % width
    planes = np.frombuffer(data, np.uint8, whole).reshape(width, -1)
    return bytes(planes.T.tobytes()) + data[whole:]


def _check_fletcher32(data: bytes, _: Filter, __: int) -> bytes:
    """Without the checksum at the end; raises `DamagedHdf5` where it is another."""
    values, stored = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if int.from_bytes(stored, "little") != fletcher32(values):
        raise DamagedHdf5("one of its chunks does not match its checksum")
    return values


def fletcher32(data: bytes) -> int:
    """Fletcher's checksum over big-endian words of 16 bits, as HDF5 computes it.

    Both sums count modulo 65,535, with 65,535 itself in place of 0 once anything was added.
    """
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.int64)
    if not words.any():
        return 0
    first = second = 0
    for start in range(0, len(words), _BLOCK):
        part = words[start : start + _BLOCK]
        second += first * len(part) + int(part @ np.arange(len(part), 0, -1))
        first += int(part.sum())
    return (_residue(second) << 16) | _residue(first)


_BLOCK = 1 << 16


def _residue(total: int) -> int:
    return total % 65535 or 65535


def _unpack_lzf(data: bytes, _: Filter, most: int) -> bytes:
    """Marc Lehmann's LZF: runs of literals, and copies of what was unpacked before."""
    out = bytearray()
    at = 0
    while at < len(data) and len(out) <= most:
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length, offset = control >> 5, (control & 31) << 8
        if length == 7:
            length += data[at]
            at += 1
        _copy(out, offset + data[at] + 1, length + 2)
        at += 1
    return bytes(out)


def _copy(out: bytearray, back: int, length: int) -> None:
    """Repeat what stands ``back`` bytes before the end; it may reach into itself."""
    if back > len(out):
        raise DamagedHdf5("one of its compressed chunks is damaged")
    start = len(out) - back
    part = out[start : start + length]
    out += (part * -(-length // len(part)))[:length]


_UNDO: dict[int, Callable[[bytes, Filter, int], bytes]] = {
    DEFLATE: _inflate,
    SHUFFLE: _unshuffle,
    FLETCHER32: _check_fletcher32,
    LZF: parses("one of its compressed chunks")(_unpack_lzf),
}
