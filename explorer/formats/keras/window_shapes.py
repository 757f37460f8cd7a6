"""Output shapes of the layers that slide over space or time, and of those that resize it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explorer.formats.artifact import Shape
from explorer.formats.keras.dims import Config, Dims, Rule, axis_of


def _resizing(config: Config, shape: Dims) -> Shape:
    first = len(shape) - (2 if config.get("data_format") == "channels_first" else 3)
    if first < 0:
        return None
    return (*shape[:first], int(config["height"]), int(config["width"]), *shape[first + 2 :])


def _open(axis: int) -> Rule:
    """A picture of which one side is as long as chance will have it."""

    def rule(config: Config, shape: Dims) -> Shape:
        open_axis = axis_of(axis, len(shape))
        return tuple(None if n == open_axis else size for n, size in enumerate(shape))

    return rule


def _declared(config: Config, shape: Dims) -> Shape:
    """Keras 1 lets the caller work out what a ``Deconvolution2D`` gives."""
    return (shape[0], *(None if d is None else int(d) for d in config["output_shape"][1:]))


def _mel_spectrogram(config: Config, shape: Dims) -> Shape:
    stride, length = int(config["sequence_stride"]), shape[-1]
    count = None if length is None else (length + stride + 1) // stride
    return (*shape[:-1], int(config["num_mel_bins"]), count)


def _spectrogram(config: Config, shape: Dims) -> Shape:
    spatial, channels = _split(config, shape)
    size = int(config["frame_length"])
    frames = _windows(config, spatial, size, config.get("frame_step") or size // 2)
    length = config.get("fft_length") or 2 ** (size - 1).bit_length()
    values = (length // 2 + 1) * (2 if config.get("mode") == "stft" else 1)
    if config.get("expand_dims"):
        return _join(config, shape, [*frames, values], channels)
    return _join(config, shape, frames, None if channels is None else values * channels)


def _adaptive_pooling(config: Config, shape: Dims) -> Shape:
    spatial, channels = _split(config, shape)
    return _join(config, shape, _spread(config["output_size"], len(spatial)), channels)


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


WINDOW_RULES: dict[str, Rule] = {
    "Resizing": _resizing,
    "CenterCrop": _resizing,
    "RandomCrop": _resizing,
    "RandomHeight": _open(-3),
    "RandomWidth": _open(-2),
    "Deconvolution2D": _declared,
    "MelSpectrogram": _mel_spectrogram,
    "STFTSpectrogram": _spectrogram,
    **_for_ranks("Conv{}D", _convolution),
    **_for_ranks("SeparableConv{}D", _convolution),
    **_for_ranks("LocallyConnected{}D", _convolution),
    **_for_ranks("ConvLSTM{}D", _recurrent_convolution),
    **_for_ranks("DepthwiseConv{}D", _depthwise),
    **_for_ranks("Conv{}DTranspose", _transposed),
    **_for_ranks("AdaptiveMaxPooling{}D", _adaptive_pooling),
    **_for_ranks("AdaptiveAveragePooling{}D", _adaptive_pooling),
    **_for_ranks("MaxPooling{}D", _pooling),
    **_for_ranks("AveragePooling{}D", _pooling),
    **_for_ranks("GlobalMaxPooling{}D", _global_pooling),
    **_for_ranks("GlobalAveragePooling{}D", _global_pooling),
    **_for_ranks("ZeroPadding{}D", _padded(1, "padding")),
    **_for_ranks("Cropping{}D", _padded(-1, "cropping")),
    **_for_ranks("UpSampling{}D", _upsampling),
}
