"""How the cells of a table fit into the width of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 2
_SHORT, _NARROWEST = 20, 12
_BREAKS = "/_.-,:"


def column_widths(natural: Sequence[int], total: int) -> list[int]:
    """A width for each column, given the widths of their longest cells.

    Where all have no room, short cells stay whole as long as the others can still be read, and
    these share what is left.
    """
    left = total - GAP * (len(natural) - 1)
    if sum(natural) <= left:
        return list(natural)
    widths = [0] * len(natural)
    for done, number in enumerate(sorted(range(len(natural)), key=natural.__getitem__), 1):
        others = len(natural) - done
        wanted = natural[number]
        stays = wanted <= _SHORT and wanted <= left - _NARROWEST * others
        widths[number] = wanted if stays else max(1, min(wanted, left // (others + 1)))
        left -= widths[number]
    return widths


def broken(text: str, width: int) -> str:
    """A cell whose words are parted where names are put together, if they are too long."""
    return " ".join("\n".join(_pieces(word, width)) for word in text.split(" "))


def _pieces(word: str, width: int) -> list[str]:
    pieces: list[str] = []
    while len(word) > width:
        at = max(word.rfind(mark, 0, width) for mark in _BREAKS) + 1
        at = at if at > width // 3 else width
        pieces.append(word[:at])
        word = word[at:]
    return [*pieces, word]
