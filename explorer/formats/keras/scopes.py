"""Which layer a weight belongs to, by the names of models and layers that its own begins with.

A nested model is stored as one layer, and its weights go by the names that they were made with:
``mha/query/kernel``, in a ``Sequential`` model of Keras 3 ``inner/dense/kernel``, in Keras 1
``dense_1_W``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from explorer.formats.keras.config import LayerConfig, places
from explorer.formats.keras.layers import CountAt

_KERAS_1 = re.compile(
    r"(.+)_(?:[WUbV](?:_[a-z]+)?|alphas?|gamma|beta|running_mean|running_std|(?:depth|point)wise_kernel)"
    r"(?:_\d+)?(?::\d+)?"
)
_MOST_PARTS = 64

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


class _Scopes:
    """The layers of a model that hold no others, to be found by the names of their weights."""

    def __init__(self, model: LayerConfig) -> None:
        self._model = model.name
        self._whole: set[str] = set()
        self._by_name: dict[str, list[Names]] = {}
        for layer, place in places(model):
            if layer.layers:
                continue
            self._by_name.setdefault(layer.name, []).append(place.names)
            if len(place.names) == 1:
                self._whole.add(layer.name)

    def find(self, group: str, name: str) -> Names:
        """The layer of a weight; just that of the group where the one inside is not certain."""
        if group in self._whole:
            return (group,)
        found = min(self._candidates(group, _scope(name)), default=None)
        return found[-1] if found else tuple(filter(None, [group]))

    def all(self, group: str, name: str) -> Iterator[Names]:
        """Every layer whose weight may have this name."""
        return (names for _, _, names in self._candidates(group, _scope(name)))

    def _candidates(self, group: str, parts: Sequence[str]) -> Iterator[tuple[int, int, Names]]:
        """Layers that the parts lead to: those named by most of them, with the fewest left out."""
        for start in range(len(parts)):
            for end in range(start + 1, len(parts) + 1):
                for names in self._by_name.get("/".join(parts[start:end]), ()):
                    left_out = _left_out((self._model, *names[:-1]), parts[:start])
                    if left_out is not None and group in ("", names[0]):
                        yield -end, left_out, names


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
