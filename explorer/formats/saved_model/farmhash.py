"""FarmHash's ``Fingerprint64``, by which TensorFlow tells SavedModels apart.

Source: https://github.com/google/farmhash, ``farmhashna::Hash64``, and
``tsl/platform/fingerprint.h``. All numbers are unsigned and of 64 bits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_CAT = 0xC6A4A7935BD1E995
_MASK = (1 << 64) - 1
_BLOCK = 64
_READ = 1 << 20
_WORDS = struct.Struct("<8Q")

_State = tuple[int, int, int, int, int, int, int]


def fingerprint64(data: bytes) -> int:
    """The fingerprint of some bytes."""
    return fingerprint64_of(lambda offset, length: data[offset : offset + length], len(data))


def fingerprint64_of(read: Callable[[int, int], bytes], size: int) -> int:
    """The fingerprint of ``size`` bytes, of which at most a megabyte is read at once.

    ``read`` takes offset and length.
    """
    if size <= _BLOCK:
        return _short(read(0, size))
    seed = (81 * _K1 + 113) & _MASK
    x = 81 * _K2 + int.from_bytes(read(0, 8), "little")
    state: _State = (x & _MASK, seed, _mixed(seed * _K2 + 113) * _K2 & _MASK, 0, 0, 0, 0)
    end = (size - 1) // _BLOCK * _BLOCK
    for start in range(0, end, _READ):
        for words in _WORDS.iter_unpack(read(start, min(_READ, end - start))):
            state = _round(state, words, _K1, 1)
    return _finished(state, _WORDS.unpack(read(size - _BLOCK, _BLOCK)), (size - 1) % _BLOCK)


def fingerprint_cat64(first: int, second: int) -> int:
    """One fingerprint of two, as ``FingerprintCat64`` joins them."""
    result = first ^ _CAT
    result ^= _mixed(second * _CAT) * _CAT
    return _mixed(_mixed(result * _CAT) * _CAT)


def _rotated(value: int, by: int) -> int:
    value &= _MASK
    return (value >> by | value << (64 - by)) & _MASK


def _mixed(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _pair(u: int, v: int, mul: int) -> int:
    """``HashLen16``."""
    return _mixed((v ^ _mixed((u ^ v) * mul)) * mul) * mul & _MASK


def _weak(words: tuple[int, ...], a: int, b: int) -> tuple[int, int]:
    """``WeakHashLen32WithSeeds`` of four words."""
    w, x, y, z = words
    a += w
    b = _rotated(b + a + z, 21)
    total = a + x + y
    return (total + z) & _MASK, (b + _rotated(total, 44) + a) & _MASK


def _round(state: _State, words: tuple[int, ...], mul: int, factor: int) -> _State:
    """One step over 64 bytes; the last one has other factors than those before."""
    x, y, z, v0, v1, w0, w1 = state
    x = _rotated(x + y + v0 + words[1], 37) * mul & _MASK
    y = _rotated(y + v1 + words[6], 42) * mul
    x ^= w1 * factor & _MASK
    y += v0 * factor + words[5]
    z = _rotated(z + w0, 33) * mul
    v0, v1 = _weak(words[:4], v1 * mul, x + w0)
    w0, w1 = _weak(words[4:], z + w1, y + words[2])
    return z & _MASK, y & _MASK, x, v0, v1, w0, w1


def _finished(state: _State, words: tuple[int, ...], rest: int) -> int:
    x, y, z, v0, v1, w0, w1 = state
    mul = _K1 + ((z & 0xFF) << 1)
    w0 += rest
    v0 += w0
    w0 += v0
    x, y, z, v0, v1, w0, w1 = _round((x, y, z, v0, v1, w0, w1), words, mul, 9)
    first = _pair(v0, w0, mul) + _mixed(y) * _K0 + z
    return _pair(first & _MASK, (_pair(v1, w1, mul) + x) & _MASK, mul)


def _short(data: bytes) -> int:
    size = len(data)
    if size > 32:
        return _to_64(data)
    if size > 16:
        u, v, _ = _to_32(data)
        return _pair(u, v, _K2 + size * 2)
    if size >= 8:
        return _to_16(data)
    if size >= 4:
        low, high = (int.from_bytes(part, "little") for part in (data[:4], data[-4:]))
        return _pair(size + (low << 3), high, _K2 + size * 2)
    if not size:
        return _K2
    y = data[0] + (data[size >> 1] << 8)
    z = size + (data[-1] << 2)
    return _mixed(y * _K2 ^ z * _K0) * _K2 & _MASK


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _to_16(data: bytes) -> int:
    mul = _K2 + len(data) * 2
    a = _word(data, 0) + _K2
    b = _word(data, len(data) - 8)
    c = _rotated(b, 37) * mul + a
    d = (_rotated(a, 25) + b) * mul
    return _pair(c & _MASK, d & _MASK, mul)


def _to_32(data: bytes, first: int = _K1) -> tuple[int, int, int]:
    """The two halves of what 17 to 32 bytes are hashed to, and the first word of the hash."""
    size = len(data)
    mul = _K2 + size * 2
    a = _word(data, 0) * first & _MASK
    b = _word(data, 8)
    c = _word(data, size - 8) * mul
    d = _word(data, size - 16) * _K2
    y = (_rotated(a + b, 43) + _rotated(c, 30) + d) & _MASK
    return y, (a + _rotated(b + _K2, 18) + c) & _MASK, a


def _to_64(data: bytes) -> int:
    size = len(data)
    mul = _K2 + size * 2
    y, v, a = _to_32(data, _K2)
    z = _pair(y, v, mul)
    e = _word(data, 16) * mul
    f = _word(data, 24)
    g = (y + _word(data, size - 32)) * mul
    h = (z + _word(data, size - 24)) * mul
    u = _rotated(e + f, 43) + _rotated(g, 30) + h
    return _pair(u & _MASK, (e + _rotated(f + a, 18) + g) & _MASK, mul)
