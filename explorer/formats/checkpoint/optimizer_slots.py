"""Which weight an optimizer's variable belongs to, and what the optimizer keeps in it.

Object graphs of TensorFlow's own and of Keras 2's older optimizers tell. Elsewhere the name does:
TensorFlow 1 writes ``dense/kernel/Adam_1``, Keras 2 ``Adam/dense/kernel/v`` and, since its version
2.11, ``Adam/v/dense/kernel``, Keras 3 ``adam/dense_kernel_velocity``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_TENSORFLOW_1 = {"Adam": "Adam/m", "Adam_1": "Adam/v"}
_LONGEST_NAME = 1000


@dataclass(frozen=True, slots=True)
class Slot:
    """``weight`` is the name that it was created with, ``text`` says what is kept: ``Adam/m``."""

    weight: str
    text: str

    def label(self, title: str) -> str:
        """What people call it, by the title of its weight: ``dense/kernel · Adam/m``."""
        return f"{title} · {self.text}"


class SlotNames:
    """Finds slots by name alone, among the ``weights`` that there are by name."""

    def __init__(self, weights: Iterable[str]) -> None:
        self._weights = {name for name in weights if name}
        self._flat = {name.replace("/", "_"): name for name in self._weights}

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
        )
        for weight, text in candidates:
            if weight in self._weights:
                return Slot(weight, text)
        return None if middle else self._of_keras_3(first, last)

    def _of_keras_3(self, optimizer: str, flat: str) -> Slot | None:
        """The longest weight that the name begins with, since ``_`` stands in names as well."""
        words = flat.split("_")
        for count in range(len(words) - 1, 0, -1):
            weight = self._flat.get("_".join(words[:count]))
            if weight is not None:
                return Slot(weight, f"{optimizer}/{'_'.join(words[count:])}")
        return None


def slot_text(name: str, weight: str, slot: str, optimizer: str) -> str:
    """What a slot of the object graph keeps, ``Adam/m``, by the name that its variable has.

    ``optimizer`` stands for the optimizer's name where ``name`` does not hold it.
    """
    before, found, after = name.partition(weight) if weight else (name, "", "")
    kept = (before or after).strip("/").partition("/")[0] if found else ""
    stem, _, number = kept.rpartition("_")
    called = stem if stem and number.isdecimal() and not before else kept
    return f"{called or optimizer}/{slot}"
