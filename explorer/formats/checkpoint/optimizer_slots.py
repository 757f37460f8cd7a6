"""Which weight an optimizer's variable belongs to, and what the optimizer keeps in it.

Object graphs of TensorFlow's own and of Keras 2's older optimizers tell. Elsewhere the name does:
TensorFlow 1 writes ``dense/kernel/Adam_1``, Keras 2 ``Adam/dense/kernel/v`` and, since its version
2.11, ``Adam/v/dense/kernel``, Keras 3 ``adam/dense_kernel_velocity``. In a ``LossScaleOptimizer``
these are ``v/dense/kernel`` and ``loss_scale_optimizer/adam_1/dense_kernel_velocity``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TENSORFLOW_1 = {"Adam": "Adam/m", "Adam_1": "Adam/v"}
_LONGEST_NAME = 1000
_STEP = "iteration"


@dataclass(frozen=True, slots=True)
class Slot:
    """``weight`` is the name that it was created with, ``text`` says what is kept: ``Adam/m``."""

    weight: str
    text: str

    def label(self, title: str) -> str:
        """What people call it, by the title of its weight: ``dense/kernel · Adam/m``."""
        return f"{title} · {self.text}"


class SlotNames:
    """Finds slots by name alone: of the ``weights`` that there are, in the ``state`` of optimizers.

    ``state`` are the names of all that the optimizers keep, in the order in which it is stored.
    """

    def __init__(self, weights: Iterable[str], state: Iterable[str] = ()) -> None:
        self._weights = {name for name in weights if name}
        self._flat = {name.replace("/", "_"): name for name in self._weights}
        self._state = tuple(state)
        steps = (name.split("/") for name in self._state)
        self._optimizers = {names[-2] for names in steps if len(names) > 1 and names[-1] == _STEP}

    def find_all(self) -> list[Slot | None]:
        """What each of the state is, ``None`` for what belongs to no weight."""
        found = [self.find(name) for name in self._state]
        for at, slot in enumerate(found):
            if slot is not None and at > 1 and found[at - 2 : at] == [None, None]:
                found[at - 2 : at] = self._factors(slot, self._state[at - 2 : at]) or [None, None]
        return found

    def find(self, name: str) -> Slot | None:
        """The slot that a variable of this name is, if it is one."""
        parts = name.split("/")
        if len(name) > _LONGEST_NAME or len(parts) < 2:
            return None
        first, *middle, last = parts
        candidates = (
            ("/".join([*middle[1:], last]), "/".join([first, *middle[:1]])),
            ("/".join(middle), f"{first}/{last}"),
            ("/".join([first, *middle]), _TENSORFLOW_1.get(last, last)),
            ("/".join([*middle, last]), first),
        )
        for weight, text in candidates:
            if weight in self._weights:
                return Slot(weight, text)
        return self._of_keras_3(*parts[-2:])

    def _of_keras_3(self, optimizer: str, flat: str) -> Slot | None:
        """The longest weight that the name begins with, since ``_`` stands in names as well."""
        words = flat.split("_")
        for count in range(len(words) - 1, 0, -1):
            weight = self._flat.get("_".join(words[:count]))
            if weight is not None:
                return Slot(weight, f"{self._optimizer(optimizer)}/{'_'.join(words[count:])}")
        return None

    def _optimizer(self, scope: str) -> str:
        """The optimizer of a scope, which has a number behind it inside of another scope."""
        stem, _, number = scope.rpartition("_")
        is_numbered = scope not in self._optimizers and number.isdecimal()
        return stem if is_numbered and stem in self._optimizers else scope

    def _factors(self, velocity: Slot, names: Sequence[str]) -> list[Slot | None]:
        """Those of Keras 3's Adafactor, which are stored before it, called like the weight alone.

        Source: ``build`` in ``keras/src/optimizers/adafactor.py``.
        """
        optimizer, _, kept = velocity.text.rpartition("/")
        called = {self._called(name) for name in names}
        if kept != "velocity" or called != {(optimizer, velocity.weight.rpartition("/")[2])}:
            return []
        return [Slot(velocity.weight, f"{optimizer}/{factor}") for factor in ("r", "c")]

    def _called(self, name: str) -> tuple[str, str]:
        """The optimizer of a variable, and its own name."""
        scope, _, own = name.rpartition("/")
        return self._optimizer(scope.rpartition("/")[2]), own


def slot_text(name: str, weight: str, slot: str, optimizer: str) -> str:
    """What a slot of the object graph keeps, ``Adam/m``, by the name that its variable has.

    ``optimizer`` stands for the optimizer's name where ``name`` does not hold it.
    """
    before, found, after = name.partition(weight) if weight else (name, "", "")
    kept = (before or after).strip("/").partition("/")[0] if found else ""
    stem, _, number = kept.rpartition("_")
    called = stem if stem and number.isdecimal() and not before else kept
    return f"{called or optimizer}/{slot}"
