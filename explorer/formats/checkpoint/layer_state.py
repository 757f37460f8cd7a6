"""Which variables in an object graph Keras's own layers keep without counting them as parameters.

Source: ``rnn.py``, ``index_lookup.py`` and ``discretization.py`` below ``tf_keras/src/layers`` and
``keras/src/layers``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

_STATES = "states"
_KERAS_2 = ("keras_api", "layer_with_weights-")
"""How edges begin that only Keras 2 writes."""


class _Graph(Protocol):
    @property
    def parents(self) -> dict[int, tuple[int, str]]: ...

    def children(self, node: int) -> list[tuple[str, int]]: ...


def layer_state(graph: _Graph) -> set[int]:
    """The objects that are such variables, or lists of them.

    They are what a recurrent layer remembers from batch to batch, how rare the words of a
    vocabulary are, and the summary of values that a ``Discretization`` of Keras 2 has seen.
    """
    is_keras_2 = any(edge.startswith(_KERAS_2) for _, edge in graph.parents.values())
    return {
        child
        for node, (_, edge) in graph.parents.items()
        for child in _kept(dict(graph.children(node)), edge, is_keras_2)
    }


def _kept(held: dict[str, int], edge: str, is_keras_2: bool) -> Iterator[int]:
    """What an object holds of that kind; its attributes tell what it is.

    Keras 2 counts the number of documents that a vocabulary was made from as one parameter.
    """
    if _STATES in held and (edge == "keras_api" or "cell" in held):
        yield held[_STATES]
    if {"idf_weights", "num_documents"} <= held.keys():
        yield held["idf_weights"]
        if not is_keras_2:
            yield held["num_documents"]
    if {"bin_boundaries", "summary"} <= held.keys():
        yield held["summary"]
