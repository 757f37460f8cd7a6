"""How the cells of a table fit into the width of a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

GAP = 2
_SHORT, _NARROWEST = 20, 12
_PIECE = re.compile(r"[/_.\-,:]*[^/_.\-,:]+[/_.\-,:]?|[/_.\-,:]+")
"""Names are put together at these marks, which begin no line but that of a hidden name."""


def longest_piece(text: str) -> int:
    """The width below which a cell has to be parted in the middle of a word."""
    return max(map(len, _pieces(text)), default=0)


def column_widths(natural: Sequence[int], least: Sequence[int], total: int) -> list[int]:
    """A width for each column, given those of their longest cells, and of the longest pieces.

    Where all have no room, short cells stay whole as long as the others can still be read, and
    these share what is left.
    """
    left = total - GAP * (len(natural) - 1)
    if sum(natural) <= left:
        return list(natural)
    widths = _floors(natural, least, left)
    left -= sum(widths)
    for done, number in enumerate(sorted(range(len(natural)), key=natural.__getitem__)):
        wanted = natural[number] - widths[number]
        stays = natural[number] <= _SHORT and wanted <= left
        more = wanted if stays else min(wanted, left // (len(natural) - done))
        widths[number] += more
        left -= more
    return widths


def _floors(natural: Sequence[int], least: Sequence[int], left: int) -> list[int]:
    """What each column gets at least: room to read, else its longest piece, else a fair share."""
    sizes = zip(natural, least, strict=True)
    readable = [max(piece, min(cell, _NARROWEST)) for cell, piece in sizes]
    for widths in (readable, list(least)):
        if sum(widths) <= left:
            return widths
    return [max(1, min(piece, left // len(least))) for piece in least]


def broken(text: str, width: int) -> str:
    """A cell whose words are parted where names are put together, if they are too long."""
    return " ".join("\n".join(_lines(word, width)) for word in text.split(" "))


def _lines(word: str, width: int) -> list[str]:
    """A piece that fits into no line by itself fills the one that has been begun."""
    lines = [""]
    for piece in _pieces(word):
        if len(lines[-1]) + len(piece) > width >= len(piece):
            lines.append("")
        lines[-1] += piece
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines


def _pieces(text: str) -> list[str]:
    return [piece for word in text.split(" ") for piece in _PIECE.findall(word)]
