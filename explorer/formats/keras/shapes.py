"""Output shapes of Keras's own layers, worked out from their config and input shapes.

Only what follows for certain: a rule answers ``None`` where the config leaves something open, or
where Keras 2 and 3 differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from explorer.formats.artifact import Shape
from explorer.formats.keras.dims import (
    LINE,
    Config,
    Dims,
    Rule,
    axis_of,
    broadcast,
    concatenated,
    merged,
    product,
    reshaped,
)
from explorer.formats.keras.encoded_shapes import ENCODING_RULES
from explorer.formats.keras.keras1 import modern
from explorer.formats.keras.own_classes import is_own
from explorer.formats.keras.window_shapes import WINDOW_RULES

_SAME = frozenset(
    """
    Activation ActivityRegularization AlphaDropout AugMix AutoContrast BatchNormalization
    ContrastLimitedAdaptiveHistogramEqualization Dropout ELU Equalization GaussianDropout
    GaussianNoise GroupNormalization GroupQueryAttention GroupedQueryAttention Highway Identity
    LayerNormalization LeakyReLU Masking Normalization PReLU RMSNormalization RandAugment
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast
    RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue
    RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
    RandomSharpness RandomShear RandomTranslation RandomZoom ReLU Rescaling Softmax Solarization
    SpatialDropout1D SpatialDropout2D SpatialDropout3D StochasticDepth SyncBatchNormalization
    ThresholdedReLU UnitNormalization
    """.split()  # noqa: SIM905
)
_STATES = {
    "ConvLSTM1D": 2,
    "ConvLSTM2D": 2,
    "ConvLSTM3D": 2,
    "CuDNNGRU": 1,
    "CuDNNLSTM": 2,
    "GRU": 1,
    "LSTM": 2,
    "SimpleRNN": 1,
}
"""How many states a recurrent layer gives besides its output, where it returns them."""


def layer_outputs(class_name: str, config: Config, inputs: Sequence[Shape]) -> list[Shape]:
    """The shapes of a layer's outputs, as many as are known."""
    class_name, config = modern(class_name, config)
    first = next(iter(inputs), None)
    try:
        if class_name in _OF_SEVERAL:
            known = [shape for shape in inputs if shape is not None]
            return [_OF_SEVERAL[class_name](config, known)] if len(known) == len(inputs) else []
        rule = _RULES.get(class_name)
        if rule is None or first is None:
            return []
        return [rule(config, first), *_states(class_name, config, first)]
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return []  # the config lacks what its class needs, or holds something else


def bidirectional_outputs(
    config: Config, forward: Sequence[Shape], backward: Sequence[Shape]
) -> list[Shape]:
    """What two layers give that read a sequence from both ends, and their states behind it."""
    states = [*forward[1:], *backward[1:]]
    mode = config.get("merge_mode", "concat")
    if mode is None:
        return [*forward[:1], *backward[:1], *states]
    first = next(iter(forward), None)
    if first is None or list(forward) != list(backward):
        return []
    return [concatenated([first, first], -1) if mode == "concat" else first, *states]


# Several inputs


def _scaled_sum(config: Config, inputs: Sequence[Dims]) -> Shape:
    return broadcast(inputs)


def _merge(config: Config, inputs: Sequence[Dims]) -> Shape:
    return merged(config, inputs)


def _concatenate(config: Config, inputs: Sequence[Dims]) -> Shape:
    return concatenated(inputs, config.get("axis", -1))


def _dot(config: Config, inputs: Sequence[Dims]) -> Shape:
    axes = config["axes"]
    first, second = (axes, axes) if isinstance(axes, int) else axes
    left, right = list(inputs[0]), list(inputs[1])
    left.pop(axis_of(first, len(left)))
    right.pop(axis_of(second, len(right)))
    joined = (*left, *right[1:])
    return joined if len(joined) > 1 else (*joined, 1)


def _attention(config: Config, inputs: Sequence[Dims]) -> Shape:
    """Of query and value."""
    return (*inputs[0][:-1], inputs[1][-1])


def _same(config: Config, shape: Dims) -> Shape:
    return shape


def _scaled(config: Config, shape: Dims) -> Shape:
    return broadcast([shape, (int(config["projection_dim"]),)])


def _multi_head_attention(config: Config, shape: Dims) -> Shape:
    given = config.get("output_shape")
    if not given:
        return shape
    return (*shape[:-1], *([given] if isinstance(given, int) else map(int, given)))


def _dense(config: Config, shape: Dims) -> Shape:
    return (*shape[:-1], int(config["units"]))


def _embedding(config: Config, shape: Dims) -> Shape:
    return (*shape, int(config["output_dim"]))


def _flatten(config: Config, shape: Dims) -> Shape:
    return (shape[0], product(shape[1:]))


def _reshape(config: Config, shape: Dims) -> Shape:
    return (shape[0], *reshaped(shape[1:], config["target_shape"]))


def _permute(config: Config, shape: Dims) -> Shape:
    return (shape[0], *(shape[int(d)] for d in config["dims"]))


def _repeat(config: Config, shape: Dims) -> Shape:
    return (shape[0], int(config["n"]), shape[1])


def _maxout(config: Config, shape: Dims) -> Shape:
    return (shape[0], int(config["units"]))


def _lambda(config: Config, shape: Dims) -> Shape:
    """Keras 3 believes a shape that is given without the batch; Keras 2 runs the function."""
    given = config.get("output_shape")
    if config.get(LINE) != 3 or not isinstance(given, list):
        return None
    return (shape[0], *map(int, given))


def _einsum(config: Config, shape: Dims) -> Shape:
    """``output_shape`` leaves out the batch, and may leave open sizes that are those of the input.

    An ellipsis stands for the dimensions that come first. Keras 3 leaves open what is left open,
    and turns the order of the dimensions of an ellipsis.
    """
    inputs, _, outputs = str(config["equation"]).replace(" ", "").partition("->")
    letters = inputs.partition(",")[0]
    first = "..." if letters.startswith("...") else letters[0]
    names, made = letters.removeprefix(first), outputs.removeprefix(first)
    before = shape[: len(shape) - len(names)]
    declared = config["output_shape"]
    given = declared if isinstance(declared, list) else [declared]
    if config.get(LINE) == 3:
        return (*before[:1], *before[:0:-1], *given)
    sizes = {
        **dict(zip(made, given, strict=True)),
        **dict(zip(names, shape[len(before) :], strict=True)),
    }
    found = (*before, *(sizes[name] for name in made))
    return found if config.get(LINE) == 2 or (None not in given and len(before) < 3) else None


# Recurrent


def _recurrent(config: Config, shape: Dims) -> Shape:
    units = int(config["units"])
    batch = shape[1] if config.get("time_major") else shape[0]
    return (*shape[:2], units) if config.get("return_sequences") else (batch, units)


def _cells(config: Config, shape: Dims) -> Shape:
    """``RNN`` over a cell of its own, or over several, of which the last one gives the output."""
    cell = config["cell"]
    last = cell["config"]["cells"][-1] if "cells" in cell["config"] else cell
    return _recurrent({**config, "units": last["config"]["units"]}, shape) if is_own(last) else None


def _states(class_name: str, config: Config, shape: Dims) -> list[Shape]:
    """The states that a recurrent layer gives besides its output."""
    count = _STATES.get(class_name, 0) if config.get("return_state") else 0
    return [_RULES[class_name]({**config, "return_sequences": False}, shape)] * count


_OF_SEVERAL: dict[str, Callable[[Config, Sequence[Dims]], Shape]] = {
    "Add": _merge,
    "AdditiveAttention": _attention,
    "Attention": _attention,
    "Average": _merge,
    "Concatenate": _concatenate,
    "CustomScaleLayer": _scaled_sum,
    "Dot": _dot,
    "Maximum": _merge,
    "Minimum": _merge,
    "Multiply": _merge,
    "Subtract": _merge,
}

_RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME, _same),
    **ENCODING_RULES,
    **WINDOW_RULES,
    "CuDNNGRU": _recurrent,
    "CuDNNLSTM": _recurrent,
    "Dense": _dense,
    "EinsumDense": _einsum,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "Lambda": _lambda,
    "LayerScale": _scaled,
    "MaxoutDense": _maxout,
    "MultiHeadAttention": _multi_head_attention,
    "Permute": _permute,
    "RNN": _cells,
    "RepeatVector": _repeat,
    "Reshape": _reshape,
    "SimpleRNN": _recurrent,
}
