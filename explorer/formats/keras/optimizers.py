"""What Keras's optimizers keep of each weight, in the order of storing.

Source: ``build`` of each class in ``keras/src/optimizers`` and ``tf_keras/src/optimizers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from explorer.formats.artifact import Shape

Slots = tuple[str, ...]
"""What is kept of one weight after the other: all of the first weight, then all of the second."""

_SLOTS: dict[str, Slots] = {
    "Adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "Adagrad": ("accumulator",),
    "Adam": ("momentum", "velocity"),
    "AdamW": ("momentum", "velocity"),
    "Adamax": ("momentum", "norm"),
    "Ftrl": ("accumulator", "linear"),
    "Lamb": ("momentum", "velocity"),
    "Lion": ("momentum",),
    "Nadam": ("momentum", "velocity"),
    "RMSprop": ("velocity",),
    "SGD": ("momentum",),
    "ScheduleFreeAdamW": ("momentum", "velocity"),
}
_SLOTS_2: dict[str, Slots] = {
    "Adam": ("m", "v"),
    "AdamW": ("m", "v"),
    "Adamax": ("m", "u"),
    "Lion": ("m",),
    "Nadam": ("m", "v"),
    "SGD": ("m",),
}
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
    name = (config or {}).get("name")
    default = class_name if keras == 2 else class_name.lower()
    return Optimizer(name if isinstance(name, str) else default, class_name, keras, config or {})


def inner_optimizer(value: Any) -> Any:
    """The optimizer in a ``LossScaleOptimizer``, which mixed precision puts around it."""
    config = value.get("config") if isinstance(value, dict) else None
    return config.get("inner_optimizer") if isinstance(config, dict) else None


def slot_labels(
    optimizer: Optimizer, weights: Sequence[tuple[str, Shape]], stored: Sequence[Shape]
) -> list[str]:
    """A label for each variable of an optimizer: ``adam/iteration``, ``dense/kernel · Adam/m``.

    ``weights`` are the labels and shapes of the trained weights in Keras's order, ``stored`` the
    shapes of the optimizer's variables. Empty where these are not those that Keras keeps.
    """
    labels: list[str] = []
    shapes: list[Shape] = []
    for slots in _all_slots(optimizer):
        labels += [f"{title} · {optimizer.name}/{slot}" for title, _ in weights for slot in slots]
        shapes += [shape for _, shape in weights for _ in slots]
    if optimizer.class_name == "Nadam" and optimizer.keras != 2:
        labels.append(f"{optimizer.name}/u_product")
        shapes.append(())
    head = [f"{optimizer.name}/{name}" for name in ("iteration", "learning_rate")]
    head = head[: max(len(stored) - len(labels), 0)]
    fits = [*[()] * len(head), *shapes] == list(stored)
    return [*head, *labels] if head and fits else []


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
