"""Which layer a weight belongs to, by the names of models and layers that its own begins with.

A nested model is stored as one layer, and its weights go by the names that they were made with:
``mha/query/kernel``, in a ``Sequential`` model of Keras 3 ``inner/dense/kernel``, in Keras 1
``dense_1_W``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from explorer.formats.keras.config import LayerConfig, Place, places_in
from explorer.formats.keras.layers import CountAt

_KERAS_1 = re.compile(
    r"(.+)_(?:[WUbV](?:_[a-z]+)?|alphas?|gamma|beta|running_mean|running_std|(?:depth|point)wise_kernel)"
    r"(?:_\d+)?(?::\d+)?"
)
_MOST_PARTS = 24
_MOST_ALIKE = 200
"""So many layers of one name are told apart by the models that they lie in."""

Names = tuple[str, ...]
"""Those that lead to a layer, its own at the end."""


def counts_by_scope(model: LayerConfig, weights: Iterable[tuple[str, str, int]]) -> CountAt:
    """How many numbers each layer of a model holds.

    ``weights`` are given by the group of the layer that they lie in, empty where there are no
    groups, by their names there, and by their numbers of values. What several have one name for
    may be any layer's that goes by it.
    """
    scopes = _Scopes(model)
    found = list(weights)
    uses = Counter((group, name) for group, name, _ in found)
    totals: Counter[Names] = Counter()
    unsure: set[Names] = set()
    for group, name, count in found:
        if uses[group, name] > 1:
            unsure.update(above for names in scopes.all(group, name) for above in _starts(names))
        for above in _starts(scopes.find(group, name)):
            totals[above] += count
    return lambda place: None if place.names in unsure else totals.get(place.names)


def _starts(names: Names) -> Iterator[Names]:
    """The models that names lead through, and the layer at their end."""
    return (names[:end] for end in range(1, len(names) + 1))


@dataclass(frozen=True, slots=True)
class _Leaf:
    names: Names
    class_name: str


class _Scopes:
    """The layers of a model that hold no others, to be found by the names of their weights."""

    def __init__(self, model: LayerConfig) -> None:
        self._model = model.name
        self._whole: set[str] = set()
        self._by_name: dict[tuple[str, str], list[_Leaf]] = {}
        for leaf in _leaves(model, Place((), "")):
            for group in ("", leaf.names[0]):
                self._by_name.setdefault((group, leaf.names[-1]), []).append(leaf)
            if len(leaf.names) == 1:
                self._whole.add(leaf.names[0])

    def find(self, group: str, name: str) -> Names:
        """The layer of a weight; just that of the group where the one inside is not certain.

        Of layers of one class the first: Keras stores one that several models share once.
        """
        if group in self._whole:
            return (group,)
        found = sorted(self._candidates(group, _scope(name)), key=lambda one: one[:2])
        best = [leaf for *rank, leaf in found if rank == list(found[0][:2])]
        is_certain = len({leaf.class_name for leaf in best}) == 1
        return best[0].names if is_certain else tuple(filter(None, [group]))

    def all(self, group: str, name: str) -> Iterator[Names]:
        """Every layer whose weight may have this name."""
        return (leaf.names for _, _, leaf in self._candidates(group, _scope(name)))

    def _candidates(self, group: str, parts: Sequence[str]) -> Iterator[tuple[int, int, _Leaf]]:
        """Layers that the parts lead to, best those named by most of them and the fewest left out.

        First of each how many parts do not name it, then how many names the parts leave out.
        """
        for start in range(len(parts)):
            for end in range(start + 1, len(parts) + 1):
                alike = self._by_name.get((group, "/".join(parts[start:end])), [])
                for leaf in alike[:_MOST_ALIKE]:
                    left_out = _left_out((self._model, *leaf.names[:-1]), parts[:start])
                    if left_out is not None:
                        yield len(parts) - end, left_out, leaf


def _leaves(model: LayerConfig, place: Place) -> Iterator[_Leaf]:
    """In the order of storing."""
    for layer, below in zip(model.layers, places_in(model, place), strict=True):
        if layer.layers:
            yield from _leaves(layer, below)
        elif below.names:
            yield _Leaf(below.names, layer.class_name)


def _scope(name: str) -> list[str]:
    """What stands before the variable's own name."""
    *above, last = name.split("/")[:_MOST_PARTS]
    found = None if above else _KERAS_1.fullmatch(last)
    return [found[1]] if found else above


def _left_out(names: Sequence[str], parts: Sequence[str]) -> int | None:
    """How many of the names ``parts`` leave out, ``None`` where they hold anything else."""
    used = {0: 0}
    for name in names:
        own = name.split("/")
        after = {
            at + len(own): count + 1
            for at, count in used.items()
            if list(parts[at : at + len(own)]) == own
        }
        used = {at: max(used.get(at, 0), after.get(at, 0)) for at in (*used, *after)}
    return len(names) - used[len(parts)] if len(parts) in used else None
