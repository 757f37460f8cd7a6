"""What Keras's own layers keep: their variables in the order of storing, and the objects in them.

Source: ``build`` and ``save_own_variables`` of each class below ``keras/src/layers``, and of Keras
2 below ``tf_keras/src/layers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

from explorer.formats.artifact import Tensor
from explorer.formats.keras.config import LayerConfig, read_config, snake_case, store_names
from explorer.formats.keras.quantized import FLOAT8, possible_names

_MOST_OWNERS = 20_000
_KERNEL = ("kernel", "bias")
_CELL = ("kernel", "recurrent_kernel", "bias")
_NORM = ("gamma", "beta")
_SEPARABLE = ("depthwise_kernel", "pointwise_kernel", "bias")
_RANKS = (1, 2, 3)

SUMMARIZING = "Discretization"
"""In Keras 2 it keeps a summary of values whose size changes, and counts as no parameters."""

_VARIABLES: dict[str, tuple[str, ...]] = {
    "AdditiveAttention": ("scale",),
    "Attention": ("scale", "concat_score_weight"),
    "BatchNormalization": (*_NORM, "moving_mean", "moving_variance"),
    "ConvLSTMCell": _CELL,
    "Dense": _KERNEL,
    SUMMARIZING: ("summary",),
    "EinsumDense": _KERNEL,
    "Embedding": ("embeddings",),
    "GRUCell": _CELL,
    "GroupNormalization": _NORM,
    "LSTMCell": _CELL,
    "LayerNormalization": _NORM,
    "LayerScale": ("gamma",),
    "Normalization": ("mean", "variance", "count"),
    "PReLU": ("alpha",),
    "RMSNormalization": ("scale",),
    "ReversibleEmbedding": ("embeddings", "reverse_embeddings"),
    "STFTSpectrogram": ("real_kernel", "imag_kernel"),
    "SimpleRNNCell": _CELL,
    "SpectralNormalization": ("kernel", "vector_u"),
    "SyncBatchNormalization": (*_NORM, "moving_mean", "moving_variance"),
    **{f"Conv{rank}D": _KERNEL for rank in _RANKS},
    **{f"Conv{rank}DTranspose": _KERNEL for rank in _RANKS},
    **{f"DepthwiseConv{rank}D": _KERNEL for rank in _RANKS[:2]},
    **{f"LocallyConnected{rank}D": _KERNEL for rank in _RANKS[:2]},
    **{f"SeparableConv{rank}D": _SEPARABLE for rank in _RANKS[:2]},
}
_VARIABLES_2 = {f"DepthwiseConv{rank}D": ("depthwise_kernel", "bias") for rank in _RANKS[:2]}
"""Where Keras 2 differs."""

_Said = tuple[str, Callable[[Any], bool]]
"""A key of a config, and whether a value of it means that the variable is there."""

_OPTIONAL: dict[str, _Said] = {
    "bias": ("use_bias", bool),
    "beta": ("center", bool),
    "gamma": ("scale", bool),
}
_OPTIONAL_OF: dict[tuple[str, str], _Said] = {
    ("AdditiveAttention", "scale"): ("use_scale", bool),
    ("Attention", "concat_score_weight"): ("score_mode", lambda mode: mode == "concat"),
    ("Attention", "scale"): ("use_scale", bool),
    ("EinsumDense", "bias"): ("bias_axes", bool),
    **{
        ("ReversibleEmbedding", f"reverse_embeddings{kept}"): ("tie_weights", lambda tied: not tied)
        for kept in ("", "_scale", "_zero")
    },
    ("STFTSpectrogram", "imag_kernel"): ("mode", lambda mode: mode != "real"),
    ("STFTSpectrogram", "real_kernel"): ("mode", lambda mode: mode != "imag"),
}
_NOT_TRAINED = {
    *("moving_mean", "moving_variance", "mean", "variance", "count", "vector_u"),
    *("kernel_zero", "embeddings_scale", "embeddings_zero", "awq_scales", "g_idx"),
    *("kernel_scale", "reverse_embeddings_scale", "reverse_embeddings_zero", *FLOAT8),
}
_RANKS_OF = {
    ("AdditiveAttention", "scale"): 1,
    ("Attention", "scale"): 0,
    ("Normalization", "count"): 0,
    **{(name, "kernel"): 2 for name in ("Dense", "GRUCell", "LSTMCell", "SimpleRNNCell")},
    **{(f"Conv{rank}D", "kernel"): rank + 2 for rank in _RANKS},
    **{(f"Conv{rank}DTranspose", "kernel"): rank + 2 for rank in _RANKS},
    ("Embedding", "embeddings"): 2,
    (SUMMARIZING, "summary"): 2,
}
"""Of how many dimensions a variable is, which tells other classes of the same name."""

_CELLS = {
    "ConvLSTM1D": "ConvLSTMCell",
    "ConvLSTM2D": "ConvLSTMCell",
    "ConvLSTM3D": "ConvLSTMCell",
    "GRU": "GRUCell",
    "LSTM": "LSTMCell",
    "SimpleRNN": "SimpleRNNCell",
}
_ATTENTION = {
    "query_dense": "query",
    "key_dense": "key",
    "value_dense": "value",
    "output_dense": "attention_output",
}
_ATTENTIONS = {"GroupQueryAttention", "GroupedQueryAttention", "MultiHeadAttention"}
_CLASSES = {snake_case(name): name for name in (*_VARIABLES, *_CELLS, *_ATTENTIONS)}


def class_of_group(name: str) -> str:
    """``Dense`` for ``dense`` and ``dense_1``; empty where no class here is stored so."""
    stem, _, number = name.rpartition("_")
    return _CLASSES.get(name) or (_CLASSES.get(stem, "") if number.isdecimal() else "")


def class_of_part(layer: str, place: str) -> str:
    """The class of what lies at ``place`` below a layer whose group is named ``layer``.

    Empty where that takes the layer's config.
    """
    below = dict(_parts(LayerConfig(layer, class_of_group(layer), {})))
    part = below.get(place)
    return "" if part is None else part.class_name


def variable_names(
    class_name: str, config: Mapping[str, Any], variables: Sequence[Tensor], keras: int | None
) -> tuple[str, ...]:
    """The names of the variables of a layer, empty where they do not follow for certain.

    ``keras`` is the major version of the writer, ``None`` where it is not known: a name that is not
    the same in all of them is empty then. What ``config`` does not say is taken from the number of
    the ``variables``, if that leaves only one answer.
    """
    if keras is None and class_name in _VARIABLES_2:
        lines = (variable_names(class_name, config, variables, line) for line in (2, 3))
        return tuple(one if one == other else "" for one, other in zip(*lines, strict=False))
    known = _VARIABLES_2 if keras == 2 and class_name in _VARIABLES_2 else _VARIABLES
    dtypes = {variable.dtype for variable in variables}
    kinds = possible_names(class_name, known.get(class_name, ()), config, dtypes)
    answers = {
        answer
        for names in kinds
        for answer in _choices({n: _said(class_name, n, config) for n in names}, len(variables))
    }
    answer = answers.pop() if len(answers) == 1 else ()
    return answer if all(map(partial(_can_be, class_name), answer, variables)) else ()


def _can_be(class_name: str, name: str, variable: Tensor) -> bool:
    """Whether a variable has as many dimensions as Keras's own of that name."""
    rank = _RANKS_OF.get((class_name, name))
    return rank is None or variable.shape is None or len(variable.shape) == rank


def _choices(said: Mapping[str, bool | None], count: int) -> Iterator[tuple[str, ...]]:
    """The ways to have ``count`` variables of those ``said`` to be there, or perhaps there."""
    unsure = [name for name, there in said.items() if there is None]
    more = count - sum(there is True for there in said.values())
    for chosen in combinations(unsure, more) if 0 <= more <= len(unsure) else ():
        yield tuple(name for name, there in said.items() if there or name in chosen)


def _said(class_name: str, name: str, config: Mapping[str, Any]) -> bool | None:
    """Whether a layer has a variable, ``None`` where its config does not say."""
    said = _OPTIONAL_OF.get((class_name, name)) or _OPTIONAL.get(name)
    if said is None:
        return True
    key, means = said
    return means(config[key]) if key in config else None


def is_trained(name: str, tensor: Tensor) -> bool:
    """Whether the optimizer keeps anything of a variable of this name.

    Quantized values are whole numbers; scales of 8-bit floating point are trained, but replaced.
    """
    return name not in _NOT_TRAINED and "int" not in tensor.dtype


# The objects in a layer


@dataclass(frozen=True, slots=True)
class Owner:
    """An object that keeps variables: the ``names`` that lead to it, and whether it is trained."""

    layer: LayerConfig
    names: tuple[str, ...]
    trainable: bool


def owners(model: LayerConfig) -> dict[str, Owner]:
    """Every layer and every object in one by its group, in the order of Keras's ``weights``.

    No ``_`` stands before the name of an attribute, which some versions write and others do not.
    """
    found: dict[str, Owner] = {}
    pending = [iter([("", Owner(model, (), True))])]
    while pending and len(found) < _MOST_OWNERS:
        for path, owner in pending[-1]:
            found.setdefault(path, owner)
            pending.append(_below(path, owner))
            break
        else:
            pending.pop()
    return found


def _below(path: str, owner: Owner) -> Iterator[tuple[str, Owner]]:
    above = f"{path}/" if path else ""
    for key, part in _parts(owner.layer):
        yield f"{above}{key}", _inside(owner, part)


def _inside(owner: Owner, part: LayerConfig) -> Owner:
    trainable = owner.trainable and part.config.get("trainable") is not False
    return Owner(part, (*owner.names, part.name), trainable)


def _parts(layer: LayerConfig) -> Iterator[tuple[str, LayerConfig]]:
    """What lies in a layer, by its group below the layer's own."""
    class_name = layer.own_class
    if layer.layers:
        names = store_names([below.class_name for below in layer.layers])
        yield from zip([f"layers/{name}" for name in names], layer.layers, strict=True)
    elif class_name in _CELLS:
        cell = _CELLS[class_name]
        yield "cell", LayerConfig(snake_case(cell), cell, layer.config)
    elif class_name in _ATTENTIONS:
        yield from _attention_parts(layer)
    elif class_name == "Bidirectional":
        yield from _both_directions(layer)
    elif class_name == "StackedRNNCells":
        cells = [cell for cell in _read_all(layer.config.get("cells")) if cell is not None]
        names = store_names([cell.class_name for cell in cells])
        yield from zip([f"cells/{name}" for name in names], cells, strict=True)
    else:
        for key in ("cell", "layer"):
            part = read_config(layer.config.get(key))
            if part is not None:
                yield key, part


def _read_all(values: Any) -> list[LayerConfig | None]:
    return [read_config(value) for value in values] if isinstance(values, list) else []


def _attention_parts(layer: LayerConfig) -> Iterator[tuple[str, LayerConfig]]:
    config = layer.config
    has_bias = {"bias_axes": config["use_bias"]} if "use_bias" in config else {}
    for attribute, name in _ATTENTION.items():
        yield attribute, LayerConfig(name, "EinsumDense", has_bias)


def _both_directions(layer: LayerConfig) -> Iterator[tuple[str, LayerConfig]]:
    """Keras names them after the layer that was given: ``forward_lstm``, ``backward_lstm``.

    Keras 3 stores both by these names, and leaves a backward layer of a person's its own. Keras 2
    stores those that were given, and puts the direction before either.
    """
    forward = read_config(layer.config.get("layer"))
    backward = read_config(layer.config.get("backward_layer"))
    has_names = forward and backward and forward.name.startswith("forward_")
    for direction, part in (("forward", forward), ("backward", backward or forward)):
        if part is not None:
            name = part.name if has_names else f"{direction}_{part.name}"
            yield (
                f"{direction}_layer",
                LayerConfig(name, part.class_name, part.config, layers=part.layers),
            )
