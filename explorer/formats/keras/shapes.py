"""Output shapes of Keras's own layers, worked out from their config and input shapes.

Only what follows for certain: a rule answers ``None`` where the config leaves something open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from explorer.formats.artifact import Shape
from explorer.formats.keras.keras1 import modern

Config = Mapping[str, Any]
Dims = tuple[int | None, ...]
Rule = Callable[[Config, Dims], Shape]

_SAME = {
    "Activation",
    "ActivityRegularization",
    "AlphaDropout",
    "BatchNormalization",
    "Dropout",
    "ELU",
    "GaussianDropout",
    "GaussianNoise",
    "GroupNormalization",
    "GroupQueryAttention",
    "Highway",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MultiHeadAttention",
    "Normalization",
    "PReLU",
    "RMSNormalization",
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SyncBatchNormalization",
    "ThresholdedReLU",
    "UnitNormalization",
}
_BY_VALUE = {
    *("abs", "add", "cast", "clip_by_value", "cos", "divide", "exp", "gelu", "leaky_relu", "log"),
    *("maximum", "minimum", "multiply", "negative", "pow", "relu", "relu6", "round", "rsqrt"),
    *("sigmoid", "sin", "softmax", "softplus", "sqrt", "square", "subtract", "swish", "tanh"),
    *("truediv", "floordiv", "neg", "sub", "mul", "mod", "stop_gradient", "identity"),
}
_ELEMENTWISE = {"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"}


def output_shape(class_name: str, config: Config, inputs: Sequence[Shape]) -> Shape:
    """The shape of a layer's first output, or ``None`` where it does not follow."""
    known = [shape for shape in inputs if shape is not None]
    if not known or len(known) < len(inputs):
        return None
    try:
        return _apply(*modern(class_name, config), known)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return None  # the config lacks what its class needs, or holds something else


def _apply(class_name: str, config: Config, inputs: list[Dims]) -> Shape:
    if class_name in _SAME:
        return inputs[0]
    if class_name in _ELEMENTWISE:
        return inputs[0] if all(shape == inputs[0] for shape in inputs) else None
    if class_name == "Concatenate":
        return _concatenate(config, inputs)
    if class_name == "Dot":
        return _dot(config, inputs)
    if class_name in ("Attention", "AdditiveAttention"):
        return (*inputs[0][:-1], inputs[1][-1])
    if class_name in ("TFOpLambda", "TensorFlowOpLayer"):
        return _operation(config, inputs)
    rule = _RULES.get(class_name)
    return rule(config, inputs[0]) if rule else None


def _concatenate(config: Config, inputs: list[Dims]) -> Shape:
    axis = config.get("axis", -1) % len(inputs[0])
    sizes = [shape[axis] for shape in inputs]
    joined = None if None in sizes else sum(size or 0 for size in sizes)
    return (*inputs[0][:axis], joined, *inputs[0][axis + 1 :])


def _dot(config: Config, inputs: list[Dims]) -> Shape:
    axes = config["axes"]
    first, second = (axes, axes) if isinstance(axes, int) else axes
    left, right = list(inputs[0]), list(inputs[1])
    left.pop(first)
    right.pop(second)
    joined = (*left, *right[1:])
    return joined if len(joined) > 1 else (*joined, 1)


def _operation(config: Config, inputs: list[Dims]) -> Shape:
    """A TensorFlow operation as a layer, of the kinds that work on each value by itself."""
    function = str(config.get("function", "")).rpartition(".")[2]
    if function not in _BY_VALUE:
        return None
    rank = max(len(shape) for shape in inputs)
    padded = [(1,) * (rank - len(shape)) + shape for shape in inputs]
    return tuple(_broadcast(sizes) for sizes in zip(*padded, strict=True))


def _broadcast(sizes: Sequence[int | None]) -> int | None:
    """The size that several of one dimension have together; 1 goes with any."""
    known = {size for size in sizes if size not in (1, None)}
    if len(known) > 1:
        raise ValueError("sizes that do not go together")
    return known.pop() if known else None if None in sizes else 1


def _dense(config: Config, shape: Dims) -> Shape:
    return (*shape[:-1], int(config["units"]))


def _embedding(config: Config, shape: Dims) -> Shape:
    return (*shape, int(config["output_dim"]))


def _flatten(config: Config, shape: Dims) -> Shape:
    return (shape[0], _product(shape[1:]))


def _product(dims: Dims) -> int | None:
    return None if None in dims else math.prod(d or 0 for d in dims)


def _reshape(config: Config, shape: Dims) -> Shape:
    target: list[int | None] = [int(d) for d in config["target_shape"]]
    if -1 in target:
        size = _product(shape[1:])
        rest = math.prod(d for d in target if d is not None and d != -1)
        target[target.index(-1)] = None if size is None else size // rest
    return (shape[0], *target)


def _permute(config: Config, shape: Dims) -> Shape:
    return (shape[0], *(shape[int(d)] for d in config["dims"]))


def _repeat(config: Config, shape: Dims) -> Shape:
    return (shape[0], int(config["n"]), shape[1])


def _recurrent(config: Config, shape: Dims) -> Shape:
    units = int(config["units"])
    return (shape[0], shape[1], units) if config.get("return_sequences") else (shape[0], units)


def _cells(config: Config, shape: Dims) -> Shape:
    """``RNN`` over a cell of its own, or over several, of which the last one gives the output."""
    cell = config["cell"]["config"]
    last = cell["cells"][-1]["config"] if "cells" in cell else cell
    return _recurrent({**config, "units": last["units"]}, shape)


def _maxout(config: Config, shape: Dims) -> Shape:
    return (shape[0], int(config["units"]))


def _resizing(config: Config, shape: Dims) -> Shape:
    _, channels = _split(config, shape)
    return _join(config, shape, [int(config["height"]), int(config["width"])], channels)


def _declared(config: Config, shape: Dims) -> Shape:
    """Keras 1 lets the caller work out what a ``Deconvolution2D`` gives."""
    return (shape[0], *(None if d is None else int(d) for d in config["output_shape"][1:]))


def _bidirectional(config: Config, shape: Dims) -> Shape:
    inner = _inner(config, shape)
    mode = config.get("merge_mode", "concat")
    if inner is None or mode is None or mode != "concat":
        return inner
    last = inner[-1]
    return (*inner[:-1], None if last is None else 2 * last)


def _time_distributed(config: Config, shape: Dims) -> Shape:
    inner = _inner(config, (shape[0], *shape[2:]))
    return None if inner is None else (shape[0], shape[1], *inner[1:])


def _lookup(config: Config, shape: Dims) -> Shape:
    """Lookup tables give a number for each word, or vectors of a length that the config hides."""
    return shape if config.get("output_mode", "int") == "int" else None


def _einsum(config: Config, shape: Dims) -> Shape:
    """``output_shape`` leaves out the batch, and the sizes that are those of the input."""
    inputs, _, outputs = str(config["equation"]).partition("->")
    sizes = dict(zip(inputs.partition(",")[0], shape, strict=True))
    declared = config["output_shape"]
    given = declared if isinstance(declared, list) else [declared]
    pairs = zip(outputs[1:], given, strict=True)
    return (shape[0], *(sizes[name] if size is None else int(size) for name, size in pairs))


def _inner(config: Config, shape: Dims) -> Shape:
    layer = config["layer"]
    return output_shape(layer["class_name"], layer["config"], [shape])


# Convolution and pooling


def _spread(value: Any, rank: int) -> list[int]:
    """A size per dimension: Keras writes one number for all or a list."""
    return [int(value)] * rank if isinstance(value, int) else [int(v) for v in value]


def _split(config: Config, shape: Dims) -> tuple[Dims, int | None]:
    """The spatial dimensions and the number of channels."""
    if config.get("data_format") == "channels_first":
        return shape[2:], shape[1]
    return shape[1:-1], shape[-1]


def _join(config: Config, shape: Dims, spatial: Sequence[int | None], channels: Any) -> Shape:
    if config.get("data_format") == "channels_first":
        return (shape[0], channels, *spatial)
    return (shape[0], *spatial, channels)


def _windows(
    config: Config, spatial: Dims, window: Any, strides: Any, dilation: Any = 1
) -> list[int | None]:
    rank = len(spatial)
    sizes, steps, holes = (_spread(value, rank) for value in (window, strides, dilation))
    padding = config.get("padding", "valid")
    return [
        _window_count(length, (size - 1) * hole + 1, step, padding)
        for length, size, step, hole in zip(spatial, sizes, steps, holes, strict=True)
    ]


def _window_count(length: int | None, size: int, step: int, padding: str) -> int | None:
    if length is None:
        return None
    if padding in ("same", "causal"):
        return -(-length // step)
    return (length - size) // step + 1


def _convolution(config: Config, shape: Dims) -> Shape:
    spatial, _ = _split(config, shape)
    windows = _convolution_windows(config, spatial)
    return _join(config, shape, windows, int(config["filters"]))


def _depthwise(config: Config, shape: Dims) -> Shape:
    spatial, channels = _split(config, shape)
    windows = _convolution_windows(config, spatial)
    made = None if channels is None else channels * int(config.get("depth_multiplier", 1))
    return _join(config, shape, windows, made)


def _recurrent_convolution(config: Config, shape: Dims) -> Shape:
    made = _convolution(config, (shape[0], *shape[2:]))
    if made is None or not config.get("return_sequences"):
        return made
    return (shape[0], shape[1], *made[1:])


def _convolution_windows(config: Config, spatial: Dims) -> list[int | None]:
    return _windows(
        config,
        spatial,
        config["kernel_size"],
        config.get("strides", 1),
        config.get("dilation_rate", 1),
    )


def _transposed(config: Config, shape: Dims) -> Shape:
    spatial, _ = _split(config, shape)
    rank = len(spatial)
    padding = config.get("output_padding")
    extra = [None] * rank if padding is None else _spread(padding, rank)
    sizes, steps, holes = (
        _spread(config.get(key, 1), rank) for key in ("kernel_size", "strides", "dilation_rate")
    )
    same = config.get("padding") == "same"
    grown = [
        None if length is None else _grown(length, (size - 1) * hole + 1, step, more, same)
        for length, size, step, hole, more in zip(spatial, sizes, steps, holes, extra, strict=True)
    ]
    return _join(config, shape, grown, int(config["filters"]))


def _grown(length: int, size: int, step: int, more: int | None, same: bool) -> int:
    """A length after a transposed convolution, with ``more`` added where that is given."""
    if more is not None:
        return (length - 1) * step + size - (2 * (size // 2) if same else 0) + more
    return length * step + (0 if same else max(size - step, 0))


def _pooling(config: Config, shape: Dims) -> Shape:
    spatial, channels = _split(config, shape)
    window = config.get("pool_size", config.get("pool_length"))
    windows = _windows(config, spatial, window, config.get("strides") or window)
    return _join(config, shape, windows, channels)


def _global_pooling(config: Config, shape: Dims) -> Shape:
    spatial, channels = _split(config, shape)
    if config.get("keepdims"):
        return _join(config, shape, [1] * len(spatial), channels)
    return (shape[0], channels)


def _padded(sign: int, key: str) -> Rule:
    """Zero padding and cropping: one number, one per dimension, or a pair per dimension."""

    def rule(config: Config, shape: Dims) -> Shape:
        spatial, channels = _split(config, shape)
        given = config[key]
        pairs = [given] * len(spatial) if isinstance(given, int) else given
        if len(spatial) == 1 and not isinstance(given, int) and isinstance(given[0], int):
            pairs = [given]
        sums = [2 * pair if isinstance(pair, int) else sum(pair) for pair in pairs]
        grown = [
            None if length is None else length + sign * more
            for length, more in zip(spatial, sums, strict=True)
        ]
        return _join(config, shape, grown, channels)

    return rule


def _upsampling(config: Config, shape: Dims) -> Shape:
    spatial, channels = _split(config, shape)
    factors = _spread(config["size"], len(spatial))
    grown = [None if n is None else n * by for n, by in zip(spatial, factors, strict=True)]
    return _join(config, shape, grown, channels)


def _for_ranks(pattern: str, rule: Rule) -> dict[str, Rule]:
    return {pattern.format(rank): rule for rank in (1, 2, 3)}


_RULES: dict[str, Rule] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeat,
    "EinsumDense": _einsum,
    "IntegerLookup": _lookup,
    "StringLookup": _lookup,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _cells,
    "MaxoutDense": _maxout,
    "Resizing": _resizing,
    "Deconvolution2D": _declared,
    "SimpleRNN": _recurrent,
    "CuDNNLSTM": _recurrent,
    "CuDNNGRU": _recurrent,
    "Bidirectional": _bidirectional,
    "SpectralNormalization": _inner,
    "TimeDistributed": _time_distributed,
    **_for_ranks("Conv{}D", _convolution),
    **_for_ranks("SeparableConv{}D", _convolution),
    **_for_ranks("LocallyConnected{}D", _convolution),
    **_for_ranks("ConvLSTM{}D", _recurrent_convolution),
    **_for_ranks("DepthwiseConv{}D", _depthwise),
    **_for_ranks("Conv{}DTranspose", _transposed),
    **_for_ranks("MaxPooling{}D", _pooling),
    **_for_ranks("AveragePooling{}D", _pooling),
    **_for_ranks("GlobalMaxPooling{}D", _global_pooling),
    **_for_ranks("GlobalAveragePooling{}D", _global_pooling),
    **_for_ranks("ZeroPadding{}D", _padded(1, "padding")),
    **_for_ranks("Cropping{}D", _padded(-1, "cropping")),
    **_for_ranks("UpSampling{}D", _upsampling),
}
