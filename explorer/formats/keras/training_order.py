"""The trained weights of a model, in the order in which Keras gives them to the optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from explorer.formats.artifact import Tensor
from explorer.formats.keras.optimizers import Gap, Trained
from explorer.formats.keras.variables import Owner, is_trained


def trained_weights(
    owners: Mapping[str, Owner],
    weights: Mapping[str, Sequence[Tensor]],
    labels: Mapping[str, str],
) -> list[Trained | Gap]:
    """Those of the objects of a config; nothing where a model holds some that it does not list.

    ``weights`` are given by their places, as `owners` has them, ``labels`` by their paths. Only its
    code knows which weights of a person's layer are trained, and in which order they come.
    """
    held: dict[str, list[Tensor]] = {}
    unsure: set[str] = set()
    for place, found in weights.items():
        holder = _holder(place, owners) if found else None
        if holder is None:
            continue
        if place != holder and owners[holder].layer.layers:
            return []
        if place != holder or not owners[holder].layer.is_own:
            unsure.add(holder)
        held.setdefault(holder, []).extend(found)
    return [
        one
        for place, owner in owners.items()
        if place in held and owner.trainable
        for one in _trained_in(held[place], {} if place in unsure else labels)
    ]


def _holder(place: str, owners: Mapping[str, Owner]) -> str | None:
    """The nearest object of the config, or the outermost of a person's class around it."""
    parts = place.split("/")
    starts = ("/".join(parts[:end]) for end in range(len(parts) + 1))
    owned = [start for start in starts if start in owners]
    layers = ((start, owners[start].layer) for start in owned)
    customs = [start for start, layer in layers if not layer.is_own and not layer.layers]
    return next(iter(customs + owned[::-1]), None)


def _trained_in(weights: Sequence[Tensor], labels: Mapping[str, str]) -> list[Trained | Gap]:
    if not all(weight.path in labels for weight in weights):
        most = sum("float" in weight.dtype for weight in weights)
        return [Gap(most)] if most else []
    named = ((labels[weight.path], weight) for weight in weights)
    return [Trained(n, w.shape) for n, w in named if is_trained(n.rpartition("/")[2], w)]
