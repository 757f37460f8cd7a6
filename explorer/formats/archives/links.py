"""Where the symbolic links in an archive lead once it is unpacked, each of them through others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from explorer.formats.storage import stays_inside

_MOST_STEPS = 100
"""How many parts of paths are gone through for one link; a system follows 40 links at most."""

_OUT = "/"
"""As a part of a path it stands for any place outside."""

_Place = tuple[str, ...]
"""The names of folders from the top."""


class Links:
    """The links of an archive in its order, in which they are made when it is unpacked.

    A name may stand for several, of which the last replaces those before it: each is followed, and
    so is the folder that the name may be of at another time.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], None] = {}
        self._targets: dict[_Place, dict[str, None]] = {}

    def add(self, name: str, target: str) -> None:
        """A symbolic link ``name`` that leads to ``target``, as they are stored."""
        self._made[name, target] = None
        for place in self._own_places(name):
            self._targets.setdefault(place, {})[target] = None

    def add_hard(self, name: str, target: str) -> None:
        """A hard link, which of a symbolic link makes another, that leads on from its folder."""
        targets = [t for place in self._own_places(target) for t in self._targets.get(place, ())]
        for found in targets:
            self.add(name, found)

    def leading_out(self) -> Iterator[tuple[str, str]]:
        """Name and target of the symbolic links that lead out of the folder of the archive."""
        for name, target in self._made:
            above = name.rpartition("/")[0]
            if None in self._places([*_parts(above), *_parts(target)]):
                yield name, target

    def leads_out(self, path: str) -> bool:
        """Whether a path from the top leads out."""
        return None in self._places(_parts(path))

    def _own_places(self, name: str) -> list[_Place]:
        """Where a member itself lies, its folder being reached through links."""
        parts = _parts(name)
        places = self._places(parts[:-1]) if parts else ()
        return [(*place, parts[-1]) for place in places if place is not None]

    def _places(self, parts: Sequence[str]) -> set[_Place | None]:
        """Where a path may lead, ``None`` for out; so may one that goes on and on."""
        found: set[_Place | None] = set()
        seen: set[tuple[_Place, _Place]] = set()
        pending: list[tuple[_Place, _Place]] = [((), tuple(parts))]
        while pending and len(seen) < _MOST_STEPS:
            done, left = pending.pop()
            if (done, left) in seen:
                continue
            seen.add((done, left))
            if not left:
                found.add(done)
            elif len(left) > _MOST_STEPS or left[0] == _OUT or not (done or stays_inside(left[0])):
                found.add(None)
            else:
                pending += self._next(done, left[0], left[1:])
        return {*found, None} if pending else found

    def _next(self, done: _Place, part: str, rest: _Place) -> Iterator[tuple[_Place, _Place]]:
        if part == "..":
            yield done[:-1], rest
            return
        yield (*done, part), rest
        for target in self._targets.get((*done, part), ()):
            yield done, (*_parts(target), *rest)


def _parts(path: str) -> list[str]:
    if path.startswith("/") or "\\" in path:
        return [_OUT]
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return parts if len(parts) <= _MOST_STEPS else [_OUT]
