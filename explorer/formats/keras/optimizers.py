"""What Keras's optimizers keep of each weight, in the order of storing.

Source: ``build`` of each class in ``keras/src/optimizers`` and ``tf_keras/src/optimizers``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from explorer.formats.artifact import Shape, Tensor

Slots = tuple[str, ...]
"""What is kept of one weight after the other: all of the first weight, then all of the second."""

_SLOTS: dict[str, Slots] = {
    "Adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "Adafactor": ("r", "c", "velocity"),
    "Adagrad": ("accumulator",),
    "Adam": ("momentum", "velocity"),
    "AdamW": ("momentum", "velocity"),
    "Adamax": ("momentum", "norm"),
    "Ftrl": ("accumulator", "linear"),
    "Lamb": ("momentum", "velocity"),
    "Lion": ("momentum",),
    "Muon": ("momentum", "velocity"),
    "Nadam": ("momentum", "velocity"),
    "RMSprop": ("velocity",),
    "SGD": ("momentum",),
    "ScheduleFreeAdamW": ("momentum", "velocity"),
}
_SLOTS_2: dict[str, Slots] = {
    "Adafactor": ("r", "c", "v"),
    "Adam": ("m", "v"),
    "AdamW": ("m", "v"),
    "Adamax": ("m", "u"),
    "Lion": ("m",),
    "Nadam": ("m", "v"),
    "SGD": ("m",),
}
_FACTORS = ("r", "c")
"""Of Adafactor: means over the columns and over the rows of a weight."""

_UNEVEN = {"Adafactor", "Muon"}
"""What these keep of a weight depends on its shape."""

_SCALE = ("iteration", "learning_rate", "step_counter", "dynamic_scale")
"""What Keras 3 stores of a ``LossScaleOptimizer`` before the variables of the one inside."""

_CLASSES = {name.lower(): name for name in _SLOTS}


@dataclass(frozen=True, slots=True)
class Optimizer:
    """The optimizer of a compile config; ``keras`` is the major version that wrote it."""

    name: str
    class_name: str
    keras: int
    config: Mapping[str, Any] = field(default_factory=dict)


def read_optimizer(value: Any, keras: int | None) -> Optimizer | None:
    """The ``optimizer`` of a compile config: a serialized object, or the text given to compile.

    ``None`` where it is none that is known here.
    """
    if isinstance(value, str):
        value = {"class_name": _CLASSES.get(value.lower(), value)}
    if not isinstance(value, dict) or keras is None or "legacy" in str(value.get("module")):
        return None
    config = value.get("config")
    class_name = value.get("class_name")
    if not isinstance(config, dict | None) or class_name not in _SLOTS:
        return None
    if (config or {}).get("exclude_layers"):
        return None  # patterns of a file are not matched: that may take forever
    name = (config or {}).get("name")
    default = class_name if keras == 2 else class_name.lower()
    return Optimizer(name if isinstance(name, str) else default, class_name, keras, config or {})


def inner_optimizer(value: Any) -> Any:
    """The optimizer in a ``LossScaleOptimizer``, which mixed precision puts around it.

    One that was put around by itself is not in the config.
    """
    config = value.get("config") if isinstance(value, dict) else None
    return (config.get("inner_optimizer") if isinstance(config, dict) else None) or value


def scale_labels(keras: int | None) -> list[str]:
    """The labels of what a ``LossScaleOptimizer`` keeps itself."""
    return [] if keras == 2 else [f"loss_scale_optimizer/{name}" for name in _SCALE]


def is_state(variables: Sequence[Tensor], weights: Container[Shape]) -> bool:
    """Whether an object's variables, in the order of storing, are an optimizer's for certain.

    ``weights`` are the shapes of the weights in the file. First comes the number of steps, then in
    Keras 3 the learning rate, if it is no schedule; without it only what comes in pairs is certain.
    A layer stores first what is trained, and keeps no copies of kernels behind a number of steps.
    Source: ``save_own_variables`` of optimizers and layers.
    """
    others = variables[1:]
    shapes = [other.shape for other in others if other.shape != ()]
    has_rate = bool(others) and _is_number(others[0], "float")
    return (
        counts_steps(variables)
        and (has_rate or shapes[::2] == shapes[1::2])
        and all("float" in other.dtype for other in others if other.shape != ())
        and all(shape in weights for shape in shapes)
        and any(shape is not None and len(shape) > 1 for shape in shapes)
    )


def counts_steps(variables: Sequence[Tensor]) -> bool:
    """Whether the first variable of an object is a whole number, as that of an optimizer is."""
    return _is_number(variables[0], "int")


def _is_number(variable: Tensor, kind: str) -> bool:
    return variable.shape == () and variable.dtype.startswith(kind)


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained weight: its label, empty where that is not known, and its shape."""

    label: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Gap:
    """Between trained weights so many at the ``most``, in an order that is not known."""

    most: int


def slot_labels(
    optimizer: Optimizer, weights: Sequence[Trained | Gap], stored: Sequence[Shape]
) -> list[str]:
    """A label for each variable of an optimizer: ``adam/iteration``, ``dense/kernel · Adam/m``.

    ``weights`` are the trained ones in Keras's order, ``stored`` the shapes of the optimizer's
    variables. No labels where these are not those that Keras keeps; empty ones for those of
    weights that are not known.
    """
    head, tail = _head(optimizer), _tail(optimizer)
    groups = _all_slots(optimizer)
    room = len(stored) - len(head) - len(tail)
    filled = _without_gaps(optimizer, weights, room, sum(map(len, groups)))
    kept = [
        (weight.label and f"{weight.label} · {optimizer.name}/{slot}", shape)
        for slots in groups
        for weight in filled
        for slot in slots
        for shape in _shapes(optimizer, slot, weight)
    ]
    shapes = [*[()] * len(head), *(shape for _, shape in kept), *[()] * len(tail)]
    pairs = zip(shapes, stored, strict=False)
    fits = len(shapes) == len(stored) and all(a in (None, b) for a, b in pairs)
    return [*head, *(label for label, _ in kept), *tail] if fits else []


def _head(optimizer: Optimizer) -> list[str]:
    """A schedule is no variable, and Keras 2 keeps the learning rate in the config alone."""
    is_stored = optimizer.keras != 2 and not isinstance(optimizer.config.get("learning_rate"), dict)
    names = ("iteration", "learning_rate") if is_stored else ("iteration",)
    return [f"{optimizer.name}/{name}" for name in names]


def _tail(optimizer: Optimizer) -> list[str]:
    has_product = optimizer.class_name == "Nadam" and optimizer.keras != 2
    return [f"{optimizer.name}/u_product"] if has_product else []


def _without_gaps(
    optimizer: Optimizer, weights: Sequence[Trained | Gap], room: int, each: int
) -> list[Trained]:
    """The weights with unknown ones in the gaps, so many as there is ``room`` for.

    Of every weight ``each`` variables are kept. Where it is not certain how many weights lie in
    which gap, none between the first and the last is known. None is where the count cannot be.
    """
    gaps = [number for number, weight in enumerate(weights) if isinstance(weight, Gap)]
    known = [weight for weight in weights if isinstance(weight, Trained)]
    if not gaps or not each:
        return known
    count = room // each
    most = len(known) + sum(weight.most for weight in weights if isinstance(weight, Gap))
    if optimizer.class_name in _UNEVEN or not len(known) <= count <= most:
        return []
    if count == most:
        return [one for weight in weights for one in _filled(weight)]
    before, after = known[: gaps[0]], known[len(known) - (len(weights) - 1 - gaps[-1]) :]
    return [*before, *_unknown(count - len(before) - len(after)), *after]


def _filled(weight: Trained | Gap) -> list[Trained]:
    return [weight] if isinstance(weight, Trained) else _unknown(weight.most)


def _unknown(count: int) -> list[Trained]:
    return [Trained("", None)] * count


def _shapes(optimizer: Optimizer, slot: str, weight: Trained) -> list[Shape]:
    """The shape of what is kept of a weight under a name; none where nothing is."""
    shape = weight.shape
    if shape is None:
        return [None]
    if slot in _FACTORS:
        nothing: list[Shape] = [] if optimizer.keras == 2 else [()]
        factor = shape[:-1] if slot == "r" else (*shape[:-2], *shape[-1:])
        return [factor] if len(shape) > 1 else nothing
    is_plain = len(shape) == 2 and not _is_embedding(optimizer, weight)
    return [] if (optimizer.class_name, slot) == ("Muon", "velocity") and is_plain else [shape]


def _is_embedding(optimizer: Optimizer, weight: Trained) -> bool:
    """Whether Muon leaves a weight to Adam, which keeps more of it, for its name."""
    is_excluded: bool = optimizer.config.get("exclude_embeddings", True)
    return is_excluded and "embedding" in weight.label.lower()


def _all_slots(optimizer: Optimizer) -> list[Slots]:
    config = optimizer.config
    is_2 = optimizer.keras == 2
    own = (_SLOTS_2 if is_2 else {}).get(optimizer.class_name, _SLOTS[optimizer.class_name])
    is_bare = optimizer.class_name == "SGD" and not is_2 and not config.get("momentum")
    found = [
        (config.get("use_ema"), ("average",)),
        (config.get("gradient_accumulation_steps"), ("gradient_accumulator",)),
        (not is_bare, own),
        (config.get("amsgrad"), ("vhat" if is_2 else "velocity_hat",)),
        (optimizer.class_name == "RMSprop" and config.get("momentum"), ("momentum",)),
        (config.get("centered"), ("average_gradient",)),
    ]
    return [slots for is_there, slots in found if is_there]
