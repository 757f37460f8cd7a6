"""Weights that are stored several times: those of a layer that several models have in them.

With a group per layer, Keras writes the weights of a nested model into its group, and once more
into that of every other model that it lies in, under the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain

import numpy as np

from explorer.formats.artifact import Tensor, TensorUnreadable
from explorer.formats.keras.weights import LayerGroups

_COMPARED = 1 << 14
"""Of each weight so many values are compared at the most."""

_MOST_COMPARED = 1_000
"""So many weights may lie in several groups."""

Weights = dict[str, Tensor]
"""The weights of one layer by their names."""


def copies(tensors: Sequence[Tensor], groups: LayerGroups) -> frozenset[str]:
    """The paths of the weights that stand again, under the same name and with the same values.

    In the order of the groups' names the first counts. Weights that hold one value throughout, as
    new biases do, are copies only beside others that are.
    """
    by_scope = _by_scope(tensors, groups)
    shared = [[found[key] for key in sorted(found)] for found in by_scope if len(found) > 1]
    if sum(map(len, chain.from_iterable(shared))) > _MOST_COMPARED:
        return frozenset()
    return frozenset(tensor.path for found in shared for tensor in _repeated(found))


def _by_scope(tensors: Sequence[Tensor], groups: LayerGroups) -> Iterable[Mapping[int, Weights]]:
    """For each layer inside of others, such as ``within``, its weights by the group's number."""
    numbers = {group: number for number, group in enumerate(groups.names)}
    found: dict[str, dict[int, Weights]] = {}
    for tensor in tensors:
        group, place = groups.split(tensor.path)
        scope, _, name = place.rpartition("/")
        if group and scope:
            found.setdefault(scope, {}).setdefault(numbers[group], {})[name] = tensor
    return found.values()


def _repeated(groups: Sequence[Weights]) -> Iterator[Tensor]:
    with suppress(TensorUnreadable):
        for end, weights in enumerate(groups):
            if any(_are_same(weights, before) for before in groups[:end]):
                yield from weights.values()


def _are_same(one: Weights, other: Weights) -> bool:
    """Whether two layers have the same weights, and some that did not come out so by chance."""
    if one.keys() != other.keys():
        return False
    pairs = [(_head(one[name]), _head(other[name])) for name in one]
    if any(a.dtype != b.dtype or a.tobytes() != b.tobytes() for a, b in pairs):
        return False
    shapes_are_same = all(one[name].shape == other[name].shape for name in one)
    return shapes_are_same and any((a != a.flat[0]).any() for a, _ in pairs if a.size)


def _head(tensor: Tensor) -> np.ndarray:
    """The first values of a weight."""
    selection: list[int | slice] = []
    below = tensor.element_count
    for size in tensor.shape or ():
        below //= size or 1
        if below <= _COMPARED:
            selection.append(slice(0, _COMPARED // max(below, 1)))
            break
        selection.append(0)
    return tensor.read(tuple(selection))
