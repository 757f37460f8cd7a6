"""Ways a file gets damaged: pure functions of its bytes and a seeded `random.Random`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

Mutation = Callable[[bytes, random.Random], bytes]

_WIDTHS = (1, 2, 4, 8)
_EDGES = (0x00, 0x01, 0x7F, 0x80, 0xF7, 0xFE, 0xFF)
_LARGEST_SECTION = 4096


def truncated(data: bytes, rng: random.Random) -> bytes:
    """The beginning alone, as after a download that broke off."""
    return data[: rng.randrange(len(data))]


def bits_flipped(data: bytes, rng: random.Random) -> bytes:
    """One to eight bits turned around, anywhere."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def bytes_replaced(data: bytes, rng: random.Random) -> bytes:
    """One to four bytes set to values at the edge of their range."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        out[rng.randrange(len(out))] = rng.choice(_EDGES)
    return bytes(out)


def lengths_enlarged(data: bytes, rng: random.Random) -> bytes:
    """One to three integers that are not zero made larger: twice, by one bit, or the largest.

    Integers are little-endian, of 1 to 8 bytes, and aligned to their width.
    """
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        width = rng.choice(_WIDTHS)
        at = _number_at(out, width, rng)
        most = (1 << 8 * width) - 1
        value = int.from_bytes(out[at : at + width], "little")
        larger = rng.choice((value * 2, value + 1, value | 1 << rng.randrange(8 * width), most))
        out[at : at + width] = min(larger, most).to_bytes(width, "little")
    return bytes(out)


def _number_at(data: bytearray, width: int, rng: random.Random) -> int:
    """Where a number stands: a few places are tried for one that is not zero."""
    at = 0
    for _ in range(8):
        at = rng.randrange(max(1, len(data) // width)) * width
        if any(data[at : at + width]):
            break
    return at


def sections_swapped(data: bytes, rng: random.Random) -> bytes:
    """Two sections of the same length in each other's place."""
    length = _length(data, rng)
    first, second = sorted(rng.randrange(len(data) - length + 1) for _ in range(2))
    second = max(second, first + length)
    if second + length > len(data):
        return data[length:] + data[:length]
    out = bytearray(data)
    out[first : first + length] = data[second : second + length]
    out[second : second + length] = data[first : first + length]
    return bytes(out)


def section_copied(data: bytes, rng: random.Random) -> bytes:
    """One section over another, so that two places say the same: cycles come from this."""
    length = _length(data, rng)
    source, target = (rng.randrange(len(data) - length + 1) for _ in range(2))
    return data[:target] + data[source : source + length] + data[target + length :]


def section_zeroed(data: bytes, rng: random.Random) -> bytes:
    """A section of zeros, as after a write that never reached the disk."""
    length = _length(data, rng)
    at = rng.randrange(len(data) - length + 1)
    return data[:at] + bytes(length) + data[at + length :]


def section_moved(data: bytes, rng: random.Random) -> bytes:
    """A section left out or doubled, so that all that follows stands elsewhere."""
    length = _length(data, rng)
    at = rng.randrange(len(data) - length + 1)
    section = data[at : at + length] if rng.random() < 0.5 else b""
    return data[:at] + section * 2 + data[at + length :]


def _length(data: bytes, rng: random.Random) -> int:
    return min(1 << rng.randrange(_LARGEST_SECTION.bit_length()), max(1, len(data) // 2))


MUTATIONS: tuple[Mutation, ...] = (
    truncated,
    bits_flipped,
    bytes_replaced,
    lengths_enlarged,
    sections_swapped,
    section_copied,
    section_zeroed,
    section_moved,
)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to three of the mutations, one after another; never the same bytes as before.

    ``data`` must hold at least two different bytes.
    """
    out = data
    while out == data:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            out = rng.choice(MUTATIONS)(out, rng) if len(out) > 1 else out
    return out


def mutants(data: bytes, count: int, seed: object = 0) -> Iterator[bytes]:
    """``count`` damaged copies, the same ones for the same ``seed``."""
    for number in range(count):
        yield mutated(data, random.Random(f"{seed}/{number}"))
