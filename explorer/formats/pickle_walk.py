"""Whether bytes are a pickle that calls something, by its instructions, of which none is followed.

Protocols 0 and 1 have no magic number: their pickles begin with any instruction, so a file of
another format can be one as well. Instructions, the lengths of their arguments and what they take
from the stack are those of CPython's ``pickletools``.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import IO, Any

from explorer.formats.storage import Storage

_MOST_STEPS = 10_000
_PIECE = 1 << 16
_MOST_PIECES = 1 << 10
_INSTRUCTIONS = {code.code.encode("latin-1"): code for code in pickletools.opcodes}
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
"""Bytes that say how many follow."""
_IMPORTING = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}
_WITH_TWO_LINES = {"GLOBAL", "INST"}
_CALLING = {"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_ENDING = {"STOP", "PERSID"}
"""A persistent name is an error to whoever loads a pickle without a reader of such names."""


def calls_code(storage: Storage, member: str = "") -> bool:
    """Whether loading a member as a pickle would get to a call of something imported.

    What goes on for very many instructions is a pickle too, whatever it comes to.
    """
    if storage.read(member, 0, 1) not in _INSTRUCTIONS:
        return False
    steps, imports = 0, False
    stack: list[Any] = []
    with storage.open(member) as file:
        for code in _instructions(file, storage.size(member) or 0):
            if steps == _MOST_STEPS or not _take(stack, code.stack_before):
                break
            imports |= code.name in _IMPORTING
            if imports and code.name in _CALLING:
                return True
            stack += code.stack_after
            steps += 1
    return steps == _MOST_STEPS


def _instructions(file: IO[bytes], size: int) -> Iterator[pickletools.OpcodeInfo]:
    """Each in turn, up to the end of the pickle or to what is no instruction."""
    while (code := _INSTRUCTIONS.get(file.read(1))) and code.name not in _ENDING:
        if not _pass_argument(file, code, size):
            return
        yield code


def _pass_argument(file: IO[bytes], code: pickletools.OpcodeInfo, size: int) -> bool:
    """Go on behind the argument; false where it does not end in the file."""
    length = 0 if code.arg is None else code.arg.n
    if length == pickletools.UP_TO_NEWLINE:
        lines = 2 if code.name in _WITH_TWO_LINES else 1
        return all(_pass_line(file) for _ in range(lines))
    if length in _LENGTHS:
        length = int.from_bytes(file.read(_LENGTHS[length]), "little")
    end = file.tell() + length
    file.seek(min(end, size))
    return end <= size


def _pass_line(file: IO[bytes]) -> bool:
    """Piece by piece, since a line may be made to fill memory."""
    for _ in range(_MOST_PIECES):
        piece = file.readline(_PIECE)
        if piece.endswith(b"\n") or not piece:
            return bool(piece)
    return False


def _take(stack: list[Any], taken: list[Any]) -> bool:
    """Take off what an instruction needs, down to the last mark where it does; false if missing."""
    count = len(taken)
    if pickletools.stackslice in taken:
        count = taken.index(pickletools.markobject)
        if pickletools.markobject not in stack:
            return False
        while stack.pop() is not pickletools.markobject:
            pass
    if len(stack) < count:
        return False
    del stack[len(stack) - count :]
    return True
