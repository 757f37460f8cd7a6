"""The calls of the layers of a functional model: what each takes from which others.

Source: ``get_config`` in ``keras/src/models/functional.py`` and ``serialize_keras_tensor`` in
``keras/src/ops/node.py``; for Keras 2 ``Node.serialize`` in ``tf_keras/src/engine/node.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from explorer.formats.artifact import Shape
from explorer.formats.json_tree import as_mapping

_CONSTANT = "_CONSTANT_VALUE"
"""Of Keras 2: stands in a call where a layer's name would, with the value for the tensor."""

_FIRST = ("inputs", "query", "sequences", "sequence", "x", "x1")
"""What layers call their first argument, where it is given by its name."""

_DEEPEST = 30
"""How deep the arguments of a call may be nested."""


@dataclass(frozen=True, slots=True)
class Source:
    """An output of one call of a layer. ``shape`` is the one recorded with it."""

    layer: str
    node: int = 0
    number: int = 0
    shape: Shape = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of a call as in JSON, with a `Source` for each tensor."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def sources(self) -> tuple[Source, ...]:
        """The tensors that it takes, the main one first."""
        named = sorted(self.kwargs, key=lambda name: name not in _FIRST)
        return tuple(tensors_in([*self.args, *(self.kwargs[name] for name in named)]))

    def filled(self, shapes: Mapping[Source, Shape]) -> Call | None:
        """The call with a tuple for each tensor, its shape; nothing where one is not known."""
        if any(shapes.get(source) is None for source in self.sources):
            return None
        named = {name: _filled(value, shapes) for name, value in self.kwargs.items()}
        return Call(tuple(_filled(value, shapes) for value in self.args), named)


def _filled(value: Any, shapes: Mapping[Source, Shape]) -> Any:
    if isinstance(value, Source):
        return shapes[value]
    if isinstance(value, dict):
        return {key: _filled(item, shapes) for key, item in value.items()}
    return [_filled(item, shapes) for item in value] if isinstance(value, list) else value


def read_calls(nodes: Any) -> tuple[Call, ...]:
    """The calls of a layer by its ``inbound_nodes``, as Keras 1, 2 or 3 writes them."""
    calls = nodes if isinstance(nodes, list) else []
    return tuple(_new_call(call) if isinstance(call, dict) else _old_call(call) for call in calls)


def read_sources(value: Any) -> tuple[Source, ...]:
    """The tensors of ``output_layers``: ``[name, 0, 0]``, several of it, or some with keys."""
    return tuple(tensors_in(_replaced(value, _DEEPEST)))


def tensors_in(value: Any) -> Iterator[Source]:
    """The tensors in a replaced value; those with keys in the order of these, as Keras has them."""
    if isinstance(value, Source):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from tensors_in(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from tensors_in(item)


def _new_call(call: dict[str, Any]) -> Call:
    args = call.get("args")
    args = args if isinstance(args, list) else []
    kwargs = as_mapping(call.get("kwargs"))
    replaced = {name: _unpacked(value, _DEEPEST) for name, value in kwargs.items()}
    return Call(tuple(_unpacked(value, _DEEPEST) for value in args), replaced)


def _unpacked(value: Any, deepest: int) -> Any:
    """Keras 3 says of each value of its own what it is."""
    if deepest <= 0:
        return None
    if isinstance(value, list):
        return [_unpacked(item, deepest - 1) for item in value]
    if not isinstance(value, dict):
        return value
    config = as_mapping(value.get("config"))
    match value.get("class_name"):
        case "__keras_tensor__":
            return _keras_tensor(config)
        case "__tensor__" | "__numpy__":
            return config.get("value")
        case "__tuple__":
            return _unpacked(value.get("items"), deepest - 1)
        case "__slice__":
            return config
    return {key: _unpacked(item, deepest - 1) for key, item in value.items()}


def _keras_tensor(config: Mapping[str, Any]) -> Source | None:
    history = config.get("keras_history")
    if not isinstance(history, list) or not _is_tensor(history[:3]):
        return None
    layer, node, number = history[:3]
    return Source(layer, node, number, as_shape(config.get("shape")))


def _old_call(call: Any) -> Call:
    """``[[layer, node, tensor, arguments], …]``, where operations write a single one alone.

    The arguments are those of the call, with further tensors among them.
    """
    listed = call if isinstance(call, list) and not _is_tensor(call) else [call]
    tensors = [tensor for tensor in listed if _is_tensor(tensor)]
    named = (as_mapping(tensor[3]) for tensor in tensors if len(tensor) > 3)
    kwargs = {name: value for arguments in named for name, value in arguments.items()}
    first = [_replaced(tensor, _DEEPEST) for tensor in tensors]
    return Call(
        tuple(first) if listed is not call else (first,),
        {name: _replaced(value, _DEEPEST) for name, value in kwargs.items()},
    )


def _replaced(value: Any, deepest: int) -> Any:
    """A value of Keras 1 or 2 with its tensors as sources."""
    if deepest <= 0:
        return None
    if _is_constant(value):
        return value[2]
    if _is_tensor(value):
        return Source(*value[:3])
    if isinstance(value, list):
        return [_replaced(item, deepest - 1) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, deepest - 1) for key, item in value.items()}
    return value


def _is_constant(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and value[:2] == [_CONSTANT, -1]


def _is_tensor(value: Any) -> TypeGuard[list[Any]]:
    """``[layer, node, tensor]``, with or without arguments behind."""
    return _is_constant(value) or (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:3])
    )


def as_shape(value: Any) -> Shape:
    """A JSON list of numbers and nulls as a shape, anything else as unknown."""
    if not isinstance(value, list):
        return None
    if all(d is None or (isinstance(d, int) and not isinstance(d, bool)) for d in value):
        return tuple(value)
    return None
