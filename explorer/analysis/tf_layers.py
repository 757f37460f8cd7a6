"""Layers by which Keras 2 calls TensorFlow, each naming what it calls: a symbol or an operation.

A model is built by calling them, so a call that a config asks for runs when the model is loaded.
Source: ``tf_keras/src/layers/core/tf_op_layer.py``, and ``TensorFlowOpLayer`` in
``tf_keras/src/engine/base_layer.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from explorer.analysis.finding import Judgement, Severity, shortened
from explorer.analysis.unsafe_ops import op_rule
from explorer.formats.artifact import GraphOp
from explorer.formats.graph.stored_graph import text_attributes
from explorer.formats.json_tree import as_mapping, as_text
from explorer.formats.protobuf.wire import WireError, parsed
from explorer.formats.schema.saved_model_pb2 import NodeDef

_OLDER = re.compile(r"compat\.v[12]\.")
_HARMLESS_PARTS = re.compile(
    r"(__operators__|audio|bitwise|dtypes|image|linalg|linalg\.experimental|losses|manip|math|"
    r"math\.special|nn|nn\.experimental|quantization|ragged|random|random\.experimental|sets|"
    r"signal|sparse|spectral|strings)\.\w+|"
    r"debugging\.(Assert|assert_\w+|check_numerics|is_\w+)|"
    r"io\.((de|en)code_\w+|(de)?serialize_\w+|parse_\w+|extract_jpeg_shape)|"
    r"keras\.(activations|backend|losses|metrics)\.(?!get$|(de)?serialize$)[a-zKM]\w*|"
    r"raw_ops\.\w+"
)
"""Symbols below these parts compute with what they are given: operations of ``raw_ops`` too, but
those that `op_rule` knows.
"""
_HARMLESS = frozenset(
    """
    abs accumulate_n acos acosh add add_n angle arg_max arg_min argmax argmin argsort as_string
    asin asinh Assert assert_equal assert_greater assert_greater_equal assert_integer assert_less
    assert_less_equal assert_near assert_negative assert_non_negative assert_non_positive
    assert_none_equal assert_positive assert_proper_iterable assert_rank assert_rank_at_least
    assert_rank_in assert_same_float_dtype assert_scalar assert_type atan atan2 atanh batch_gather
    batch_to_space batch_to_space_nd betainc bitcast boolean_mask broadcast_dynamic_shape
    broadcast_static_shape broadcast_to case cast ceil check_numerics cholesky cholesky_solve
    clip_by_average_norm clip_by_global_norm clip_by_norm clip_by_value complex concat cond
    confusion_matrix conj constant convert_to_tensor cos cosh count_nonzero cross cumprod cumsum
    decode_base64 decode_compressed decode_csv decode_raw depth_to_space dequantize
    deserialize_many_sparse diag diag_part digamma div div_no_nan divide dynamic_partition
    dynamic_stitch edit_distance eig eigvals einsum encode_base64 ensure_shape equal erf erfc exp
    expand_dims expm1 extract_image_patches extract_volume_patches eye fake_quant_with_min_max_args
    fake_quant_with_min_max_args_gradient fake_quant_with_min_max_vars
    fake_quant_with_min_max_vars_gradient fake_quant_with_min_max_vars_per_channel
    fake_quant_with_min_max_vars_per_channel_gradient fft fft2d fft3d fill fingerprint floor
    floor_div floordiv floormod foldl foldr gather gather_nd global_norm greater greater_equal
    group guarantee_const histogram_fixed_width histogram_fixed_width_bins identity identity_n ifft
    ifft2d ifft3d igamma igammac imag invert_permutation is_finite is_inf is_nan is_non_decreasing
    is_strictly_increasing is_tensor lbeta less less_equal lgamma lin_space linspace log log1p
    log_sigmoid logical_and logical_not logical_or logical_xor map_fn matmul matrix_band_part
    matrix_determinant matrix_diag matrix_diag_part matrix_inverse matrix_set_diag matrix_solve
    matrix_solve_ls matrix_square_root matrix_transpose matrix_triangular_solve maximum meshgrid
    minimum mod multinomial multiply negative no_op norm not_equal one_hot ones ones_like pad
    parallel_stack parse_example parse_single_example parse_single_sequence_example parse_tensor
    polygamma pow Print qr quantize quantize_v2 quantized_concat ragged_fill_empty_rows
    ragged_fill_empty_rows_grad random_crop random_gamma random_normal random_poisson
    random_shuffle random_uniform range rank real realdiv reciprocal reduce_all reduce_any
    reduce_join reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum
    regex_replace repeat reshape reverse reverse_sequence reverse_v2 rint roll round rsqrt
    saturate_cast scalar_mul scan scatter_nd searchsorted segment_max segment_mean segment_min
    segment_prod segment_sum self_adjoint_eig self_adjoint_eigvals sequence_mask
    serialize_many_sparse serialize_sparse setdiff1d shape sigmoid sign sin sinh size slice sort
    space_to_batch space_to_batch_nd space_to_depth sparse_reshape sparse_to_dense split sqrt
    square squared_difference squeeze stack stop_gradient strided_slice string_join string_split
    string_strip string_to_hash_bucket string_to_hash_bucket_fast string_to_hash_bucket_strong
    string_to_number substr subtract svd switch_case tan tanh tensor_scatter_add
    tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub
    tensor_scatter_nd_update tensor_scatter_sub tensor_scatter_update tensordot tile timestamp
    to_bfloat16 to_complex128 to_complex64 to_double to_float to_int32 to_int64 trace transpose
    truediv truncated_normal truncatediv truncatemod tuple unique unique_with_counts unravel_index
    unsorted_segment_max unsorted_segment_mean unsorted_segment_min unsorted_segment_prod
    unsorted_segment_sqrt_n unsorted_segment_sum unstack vectorized_map verify_tensor_all_finite
    where where_v2 while_loop zeros zeros_like zeta
    """.split()  # noqa: SIM905
)
"""Symbols at the top, of TensorFlow 2 and of ``compat.v1``."""
_REACHING = re.compile(
    r"(data|debugging\.experimental|distribute|estimator|experimental|feature_column|gfile|"
    r"graph_util|io|keras|lite|lookup|mlir|profiler|python_io|quantization\.experimental|"
    r"resource_loader|saved_model|summary|sysconfig|test|tpu|train|__internal__)\..+|"
    r"config\.experimental_connect_to_\w+|load_\w+|import_graph_def|py_func(tion)?|numpy_function"
)
_MADE_RAGGED = re.compile(r"from_\w+")
_COMPOSITE = ("RaggedTensor", "SparseTensor", "sparse.SparseTensor")
_OF_TENSORS = frozenset(
    """
    bounding_shape dense_shape flat_values indices merge_dims nested_row_lengths nested_row_splits
    nested_value_rowids nrows row_lengths row_limits row_splits row_starts shape to_sparse to_tensor
    value_rowids values with_flat_values with_row_splits_dtype with_values
    """.split()  # noqa: SIM905
)
"""Attributes and methods of ragged and sparse tensors that have layers of their own."""
_CALLED = {
    "TFOpLambda": "function",
    "SlicingOpLambda": "function",
    "ClassMethod": "cls_symbol",
    "InstanceMethod": "attr_name",
    "InstanceProperty": "attr_name",
}
_PRINT = "print"
_RULE = "calls-tensorflow"
_DANGER, _WARNING = Severity.DANGER, Severity.WARNING


def tensorflow_layer(
    class_name: str, config: Mapping[str, Any], value: Mapping[str, Any]
) -> Iterator[Judgement]:
    """What is said of a layer of Keras 2 by what it calls; nothing of any other layer."""
    if class_name == "TensorFlowOpLayer":
        yield from _operation(config)
    elif class_name in _CALLED:
        called = config.get(_CALLED[class_name])
        if isinstance(called, str):
            yield from _call(class_name, called, config, value)


def _call(
    class_name: str, called: str, config: Mapping[str, Any], value: Mapping[str, Any]
) -> Iterator[Judgement]:
    if class_name.startswith("Instance"):
        if called not in _OF_TENSORS:
            yield _unknown(f"{shortened(called)} of a tensor")
    elif class_name == "ClassMethod" and called in _COMPOSITE:
        method = as_text(config.get("method_name"))
        if not _MADE_RAGGED.fullmatch(method):
            yield _unknown(f"tf.{called}.{shortened(method)}")
    else:
        yield from _symbol(called, class_name == "ClassMethod", value)


def _symbol(symbol: str, is_class: bool, value: Mapping[str, Any]) -> Iterator[Judgement]:
    """What calling a symbol of TensorFlow's interface does; ``value`` has the calls."""
    plain = _OLDER.sub("", symbol)
    op = _operation_called(plain, value)
    rule = op_rule(op.op)
    severity = rule.severity_of(op) if rule else None
    if rule:
        if severity:
            yield severity, rule.key, f"The layer calls tf.{shortened(symbol)}. {rule.message}"
    elif _HARMLESS_PARTS.fullmatch(plain) or plain in _HARMLESS:
        if is_class:
            yield _unknown(f"a method of tf.{shortened(symbol)}")
    elif _REACHING.fullmatch(plain):
        yield (
            _DANGER,
            _RULE,
            f"The layer calls tf.{shortened(symbol)}, which reaches files, Python, libraries or "
            "other machines.",
        )
    else:
        yield _unknown(f"tf.{shortened(symbol)}")


def _unknown(called: str) -> Judgement:
    return (
        _WARNING,
        _RULE,
        f"The layer calls {called}, for which Keras makes no layers: what it does is not known.",
    )


def _operation_called(symbol: str, value: Mapping[str, Any]) -> GraphOp:
    """The operation that a symbol is named after: ``ReadFile`` of ``io.read_file``."""
    name = symbol.rpartition(".")[2]
    kind = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    calls = value.get("inbound_nodes")
    given = _given(calls) if calls or symbol == _PRINT else None
    return GraphOp("PrintV2" if symbol == _PRINT else kind, name, "", attributes=lambda: given)


def _given(calls: Any) -> dict[str, list[str | None]]:
    """What the calls give by the names of parameters, ``None`` for what is no text.

    Keras gives but the first argument without its name.
    """
    found: dict[str, list[str | None]] = {}
    pending = [calls]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            pending += item.values()
            for key, value in item.items():
                found.setdefault(key, []).append(value if isinstance(value, str) else None)
    return found


def _operation(config: Mapping[str, Any]) -> Iterator[Judgement]:
    """``TensorFlowOpLayer`` makes an operation from its definition."""
    node = _node(config.get("node_def"))
    if node is None:
        yield (
            _DANGER,
            "not-scanned",
            "The definition of the operation that it runs cannot be read.",
        )
        return
    constants = as_mapping(config.get("constants"))
    texts = [constants.get(str(index)) for index in range(len(node.input))]
    op = GraphOp(
        node.op,
        node.name,
        "",
        texts=lambda: [text if isinstance(text, str) else None for text in texts],
        attributes=partial(text_attributes, node),
    )
    rule = op_rule(node.op)
    severity = rule.severity_of(op) if rule else None
    if rule and severity:
        yield severity, rule.key, f"The layer runs {shortened(node.op)}. {rule.message}"


def _node(definition: Any) -> NodeDef | None:
    """The definition as an object, or as the text of a serialized message; ``None`` where bad."""
    try:
        if isinstance(definition, str):
            return parsed(definition.encode(), NodeDef)
        if isinstance(definition, dict):
            return ParseDict(definition, NodeDef(), ignore_unknown_fields=True)
    except (WireError, ParseError, ValueError, TypeError):
        pass
    return None
