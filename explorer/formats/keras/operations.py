"""Output shapes of operations as layers: Keras 3's own, and TensorFlow's in Keras 2.

Both are known here by names such as ``not_equal``. Source: ``compute_output_spec`` of the classes
below ``keras/src/ops``, and TensorFlow's shape functions.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from explorer.formats.artifact import Shape
from explorer.formats.keras.calls import Call
from explorer.formats.keras.config import LayerConfig, snake_case
from explorer.formats.keras.dims import (
    Dims,
    axes_of,
    axis_of,
    broadcast,
    concatenated,
    product,
    reshaped,
)

Options = Mapping[str, Any]
Rule = Callable[[list[Dims], Options], Shape]

_FUNCTION = re.compile(r"(?:compat\.v1\.)?(?:(?:math|nn|linalg|__operators__)\.)?(\w+)")
"""The parts of TensorFlow's interface in which a name means what it means here."""

_OPERANDS = {
    *("a", "b", "clip_value_max", "clip_value_min", "condition", "indices", "input", "inputs"),
    *("key", "logits", "tensor", "values", "x", "x1", "x2", "x_max", "x_min", "y"),
}
"""Arguments that are tensors or arrays."""

_BY_VALUE = frozenset(
    """
    abs absolute arccos arccosh arcsin arcsinh arctan arctanh bias_add cast cbrt ceil celu clip
    conj copy cos cosh dropout elu erf erfc erfinv exp exp2 expm1 flip floor gelu hard_shrink
    hard_sigmoid hard_silu hard_swish hard_tanh identity inv isfinite isinf isnan
    l2_normalize leaky_relu lgamma log log10 log1p log2 log_sigmoid log_softmax logical_not
    mish nan_to_num neg negative normalize ones_like real reciprocal relu relu6 reverse roll round
    rsqrt selu sigmoid sign silu sin sinh soft_shrink softmax softplus softsign sparsemax sqrt
    square squareplus stop_gradient swish tan tanh tanh_shrink tril triu trunc zeros_like
    """.split()  # noqa: SIM905
)
_BROADCASTING = frozenset(
    """
    add arctan2 atan2 bitwise_and bitwise_or bitwise_xor clip_by_value divide
    divide_no_nan eq equal floor_divide floordiv floormod fmod greater greater_equal hypot less
    less_equal logaddexp logical_and logical_or logical_xor maximum minimum mod multiply
    multiply_no_nan ne not_equal pow power squared_difference sub subtract true_divide truediv
    xdivy xlogy
    """.split()  # noqa: SIM905
)
_REDUCING = frozenset(
    """
    all amax amin any count_nonzero logsumexp max mean median min nanmax nanmean nanmin nansum norm
    prod reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod
    reduce_std reduce_sum reduce_variance std sum var
    """.split()  # noqa: SIM905
)


def operation_outputs(layer: LayerConfig, call: Call) -> list[Shape]:
    """The shapes of an operation's outputs, as many as are known.

    ``call`` has the shape of each tensor in its place.
    """
    name = _name(layer)
    named = dict(zip(_PARAMETERS.get(name, ()), call.args, strict=False))
    options = {**layer.config, **named, **call.kwargs}
    kwargs = [value for key, value in call.kwargs.items() if key in _OPERANDS]
    try:
        operands = [shape for value in (*call.args, *kwargs) for shape in _operands(value)]
        if name in _OF_SEVERAL:
            return _OF_SEVERAL[name](operands[0], options)
        rule = _RULES.get(name)
        return [rule(operands, options)] if rule and operands else []
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return []  # an argument is missing, or follows only when the model runs


def _name(layer: LayerConfig) -> str:
    function = layer.config.get("function")
    if not isinstance(function, str):
        return snake_case(layer.own_class)
    found = _FUNCTION.fullmatch(function)
    return found[1] if found else ""


def _operands(value: Any) -> Iterator[Dims]:
    """The shapes of a tensor, of a number, of an array, or of the tensors in a list."""
    if isinstance(value, tuple):
        yield value
    elif isinstance(value, int | float):
        yield ()
    elif isinstance(value, list) and any(isinstance(item, tuple) for item in value):
        for item in value:
            yield from _operands(item)
    elif isinstance(value, list):
        yield tuple(_array_shape(value))


def _array_shape(value: Any) -> Iterator[int]:
    while isinstance(value, list):
        yield len(value)
        value = value[0] if value else None


def _first(operands: list[Dims], options: Options) -> Shape:
    return operands[0]


def _together(operands: list[Dims], options: Options) -> Shape:
    return broadcast(operands)


def _where(operands: list[Dims], options: Options) -> Shape:
    """A condition alone gives the places where it holds."""
    return broadcast(operands) if len(operands) == 3 else None


def _cumulative(operands: list[Dims], options: Options) -> Shape:
    """Keras 3 makes one dimension of all where no axis is given."""
    is_flat = "axis" in options and options["axis"] is None
    return (product(operands[0]),) if is_flat else operands[0]


def _reduced(operands: list[Dims], options: Options) -> Shape:
    """Along some axes, or all; other names of the arguments are TensorFlow 1's."""
    if options.get("reduction_indices") is not None:
        return None
    shape = operands[0]
    gone = axes_of(options.get("axis"), len(shape))
    if options.get("keepdims") or options.get("keep_dims"):
        return tuple(1 if n in gone else size for n, size in enumerate(shape))
    return tuple(size for n, size in enumerate(shape) if n not in gone)


def _best(operands: list[Dims], options: Options) -> Shape:
    """Without an axis it is the best of all in Keras 3, and along the first in TensorFlow."""
    if options.get("dimension") is not None:
        return None
    is_first = options.get("axis") is None and "function" in options
    return _reduced(operands, {**options, "axis": 0} if is_first else options)


def _reshape(operands: list[Dims], options: Options) -> Shape:
    target = options["newshape"] if "newshape" in options else options["shape"]
    return reshaped(operands[0], target)


def _transpose(operands: list[Dims], options: Options) -> Shape:
    shape = operands[0]
    axes = options.get("axes", options.get("perm"))
    return shape[::-1] if axes is None else tuple(shape[axis_of(a, len(shape))] for a in axes)


def _expanded(operands: list[Dims], options: Options) -> Shape:
    shape, axis = operands[0], axis_of(options["axis"], len(operands[0]) + 1)
    return (*shape[:axis], 1, *shape[axis:])


def _squeezed(operands: list[Dims], options: Options) -> Shape:
    shape, axis = operands[0], options.get("axis")
    if not axis and axis != 0:
        return None if None in shape else tuple(size for size in shape if size != 1)
    gone = axes_of(axis, len(shape))
    return tuple(size for n, size in enumerate(shape) if n not in gone)


def _concatenated(operands: list[Dims], options: Options) -> Shape:
    return concatenated(operands, options["axis"])


def _stacked(operands: list[Dims], options: Options) -> Shape:
    if len(set(operands)) > 1:
        return None
    shape, axis = operands[0], axis_of(options.get("axis", 0), len(operands[0]) + 1)
    return (*shape[:axis], len(operands), *shape[axis:])


def _matmul(operands: list[Dims], options: Options) -> Shape:
    left, right = operands
    if len(left) < 2 or len(right) < 2:
        return None
    rows = left[-1 if options.get("transpose_a") or options.get("adjoint_a") else -2]
    columns = right[-2 if options.get("transpose_b") or options.get("adjoint_b") else -1]
    return (*broadcast([left[:-2], right[:-2]]), rows, columns)


def _taken(operands: list[Dims], options: Options) -> Shape:
    """``gather`` and ``take``: the axis gives way to those of the indices."""
    if options.get("batch_dims") or ("axis" in options and options["axis"] is None):
        return None
    shape, indices = operands
    axis = axis_of(options.get("axis", 0), len(shape))
    return (*shape[:axis], *indices, *shape[axis + 1 :])


def _one_hot(operands: list[Dims], options: Options) -> Shape:
    depth = options["num_classes"] if "num_classes" in options else options["depth"]
    axis = axis_of(options.get("axis") or -1, len(operands[0]) + 1)
    return (*operands[0][:axis], int(depth), *operands[0][axis:])


def _tiled(operands: list[Dims], options: Options) -> Shape:
    repeats = options["repeats"] if "repeats" in options else options["multiples"]
    pairs = zip(operands[0], repeats, strict=True)
    return tuple(None if size is None else size * int(by) for size, by in pairs)


def _padded(operands: list[Dims], options: Options) -> Shape:
    widths = options["pad_width"] if "pad_width" in options else options["paddings"]
    pairs = zip(operands[0], widths, strict=True)
    return tuple(
        None if n is None else n + int(before) + int(after) for n, (before, after) in pairs
    )


def _item(operands: list[Dims], options: Options) -> Shape:
    """``x[1:, ..., None, 0]``: the index has an entry for each axis, or one alone."""
    index = options["slice_spec"] if "slice_spec" in options else options["key"]
    entries = index if isinstance(index, list) else [index]
    rest = list(operands[0])
    found: list[int | None] = []
    for number, entry in enumerate(entries):
        if entry is None:
            found.append(1)
        elif _is_ellipsis(entry):
            later = [e for e in entries[number + 1 :] if e is not None]
            kept = len(rest) - len(later)
            found, rest = [*found, *rest[:kept]], rest[kept:]
        elif isinstance(entry, dict):
            found.append(_slice_length(rest.pop(0), entry))
        elif isinstance(entry, int):
            rest.pop(0)
        else:
            return None
    return (*found, *rest)


def _is_ellipsis(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("class_name") == "__ellipsis__"


def _slice_length(size: int | None, entry: Mapping[str, Any]) -> int | None:
    """Of a dimension of unknown size all is taken, or it is not known how much."""
    bounds = slice(*(None if v is None else operator.index(v) for v in map(entry.get, _SLICE)))
    return None if size is None else len(range(*bounds.indices(size)))


def _shape(operands: list[Dims], options: Options) -> Shape:
    return (len(operands[0]),)


# Several outputs


def _split(shape: Dims, options: Options) -> list[Shape]:
    """TensorFlow takes the sizes of the parts, Keras the places where they begin."""
    axis = axis_of(options.get("axis", 0), len(shape))
    parts = _part_sizes(shape[axis], options)
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]


def _part_sizes(size: int | None, options: Options) -> Sequence[int | None]:
    given = options.get("num_or_size_splits", options.get("indices_or_sections"))
    if isinstance(given, int):
        return [None if size is None else size // given] * min(given, _MOST_PARTS)
    if not isinstance(given, list) or "num_or_size_splits" in options:
        return [int(part) for part in given or ()]
    if size is None:
        return []
    ends = [0, *map(int, given), size]
    return [end - start for start, end in pairwise(ends)]


def _unstacked(shape: Dims, options: Options) -> list[Shape]:
    axis = axis_of(options.get("axis", 0), len(shape))
    count = min(shape[axis] or 0, _MOST_PARTS)
    return [(*shape[:axis], *shape[axis + 1 :])] * count


def _top(shape: Dims, options: Options) -> list[Shape]:
    return [(*shape[:-1], int(options.get("k", 1)))] * 2


_SLICE = ("start", "stop", "step")
_MOST_PARTS = 1000
_PARAMETERS = {"get_item": ("x", "key")}
"""Names of arguments that Keras 3 gives by their place."""

_RULES: dict[str, Rule] = {
    **dict.fromkeys(_BY_VALUE, _first),
    **dict.fromkeys(_BROADCASTING, _together),
    **dict.fromkeys(_REDUCING, _reduced),
    "argmax": _best,
    "argmin": _best,
    "cumprod": _cumulative,
    "cumsum": _cumulative,
    "concat": _concatenated,
    "concatenate": _concatenated,
    "expand_dims": _expanded,
    "gather": _taken,
    "get_item": _item,
    "getitem": _item,
    "matmul": _matmul,
    "one_hot": _one_hot,
    "pad": _padded,
    "reshape": _reshape,
    "shape": _shape,
    "squeeze": _squeezed,
    "stack": _stacked,
    "take": _taken,
    "tile": _tiled,
    "transpose": _transpose,
    "where": _where,
}
_OF_SEVERAL: dict[str, Callable[[Dims, Options], list[Shape]]] = {
    "split": _split,
    "top_k": _top,
    "unstack": _unstacked,
}
