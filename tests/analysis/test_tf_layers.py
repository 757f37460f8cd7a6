"""Layers of Keras 2 that call TensorFlow: those that Keras makes, and those it makes for nobody."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from explorer.analysis.unsafe_configs import config_findings
from explorer.formats.artifact import Config


@pytest.fixture(scope="module")
def tf_keras() -> Any:
    import tf_keras

    return tf_keras


@pytest.fixture(scope="module")
def symbols(tf_keras: Any) -> dict[str, Any]:
    """What ``TFOpLambda`` finds by name: all that TensorFlow and Keras 2 make public."""
    from tensorflow.python.util import tf_export

    found: dict[str, Any] = tf_export._NAME_TO_SYMBOL_MAPPING
    assert len(found) > 8000
    return found


def rules(config: Any) -> set[tuple[str, str]]:
    found = config_findings([Config("config.json", config)])
    return {(finding.severity.value, finding.rule) for finding in found}


def severity(kind: str, **config: Any) -> str:
    """The worst that is said of a layer, empty where nothing is."""
    found = {severity for severity, _ in rules({"class_name": kind, "config": config})}
    return next((each for each in ("danger", "warning", "note") if each in found), "")


# What Keras makes


def test_layers_that_keras_makes_of_tensorflows_functions_are_none(tf: Any, tf_keras: Any) -> None:
    x = tf_keras.Input((4,))
    y = tf.nn.relu(tf.matmul(x * 2 + 1, tf.ones((4, 4))))[:, 1:3]
    y = tf.concat([y, tf.math.reduce_sum(y, axis=1, keepdims=True)], 1)
    y = tf.compat.v1.squeeze(tf.debugging.check_numerics(y, "bad"), axis=[])
    y = tf_keras.backend.mean(tf.strings.to_number(tf.strings.as_string(y)))
    ragged = tf_keras.Input((None,), ragged=True)
    made = tf.RaggedTensor.from_tensor(ragged.to_tensor())
    sparse = tf_keras.Input((3,), sparse=True)
    model = tf_keras.Model([x, ragged, sparse], [y, made.row_splits, sparse.values])
    config = json.loads(model.to_json())
    kinds = {layer["class_name"] for layer in config["config"]["layers"]}
    assert kinds >= {"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod"}
    assert rules(config) == set()


_NOT_OF_MODELS = re.compile(
    r"(xla|rpc|d_tensor|copy_to_mesh|relayout|conv2d_backprop|check_p)_?\w*|approx_top_k|"
    r"audio_microfrontend|configure_and_initialize_global_tpu|shutdown_tpu_system|conv|"
    r"delete_rpc_future_resource|\w*fftnd|random_index_shuffle|shape_n|train\.sdca_\w+|"
    r"keras\.activations\.((de)?serialize|get)"
)
_REACHING = re.compile(
    r"(io\.)?(matching_files|write_file|(de|en)code_proto)|py_func(tion)?|numpy_function|"
    r"(nn|random)\.fixed_unigram_candidate_sampler"
)


def test_functions_that_keras_can_make_layers_of_are_none(symbols: dict[str, Any]) -> None:
    from tensorflow.python.util import dispatch

    attributes = (dispatch.FALLBACK_DISPATCH_ATTR, dispatch.TYPE_BASED_DISPATCH_ATTR)
    names = [name for name in symbols if any(hasattr(symbols[name], a) for a in attributes)]
    assert len(names) > 2000
    found = {name for name in names if severity("TFOpLambda", function=name)}
    plain = {name.removeprefix("compat.v1.") for name in found if not name.startswith("raw_ops.")}
    assert not {n for n in plain if not (_NOT_OF_MODELS.fullmatch(n) or _REACHING.fullmatch(n))}
    assert {name for name in names if _REACHING.fullmatch(name)} <= found


# What it makes for nobody

_PLACE = re.compile(
    r"(?!top_paths|is_files)(.*_)?(file|path|dir|directory|logdir|address|url|uri|origin|library)"
    r"(s|name.*|_pattern)?"
)


def reaching(symbols: dict[str, Any]) -> Iterator[str]:
    """Symbols that take the place of a file or machine, as their parameters are called."""
    for name, symbol in symbols.items():
        try:
            parameters = inspect.signature(symbol).parameters
        except (TypeError, ValueError):
            continue
        if any(map(_PLACE.fullmatch, parameters)):
            yield name


def test_no_symbol_that_takes_a_place_is_harmless(symbols: dict[str, Any]) -> None:
    names = list(reaching(symbols))
    assert {"io.write_file", "keras.utils.get_file", "saved_model.load"} <= set(names)
    assert not [name for name in names if not severity("TFOpLambda", function=name)]


@pytest.mark.parametrize("kind", ["TFOpLambda", "SlicingOpLambda"])
@pytest.mark.parametrize(
    "symbol",
    [
        "compat.v1.gfile.Remove",
        "compat.v1.gfile.Copy",
        "io.gfile.rmtree",
        "io.write_file",
        "raw_ops.WriteFile",
        "raw_ops.ImmutableConst",
        "data.TextLineDataset",
        "keras.utils.get_file",
        "keras.models.load_model",
        "train.load_variable",
        "saved_model.load",
        "load_op_library",
        "py_function",
        "compat.v1.py_func",
        "debugging.experimental.enable_dump_debug_info",
        "keras.activations.deserialize",
        "experimental.register_filesystem_plugin",
        "experimental.dtensor.name_based_save",
        "distribute.Server",
        "compat.v1.distribute.Server",
        "config.experimental_connect_to_host",
    ],
)
def test_symbols_that_reach_out_are_a_danger(kind: str, symbol: str) -> None:
    assert severity(kind, function=symbol) == "danger"


def test_a_symbol_that_is_not_known_is_a_warning() -> None:
    assert severity("TFOpLambda", function="autodiff.ForwardAccumulator") == "warning"
    assert severity("InstanceMethod", attr_name="eval") == "warning"
    assert severity("ClassMethod", cls_symbol="RaggedTensor", method_name="__class__") == "warning"
    assert severity("ClassMethod", cls_symbol="math.add", method_name="__call__") == "warning"
    reached = severity("ClassMethod", cls_symbol="compat.v1.gfile.Remove", method_name="__call__")
    assert reached == "danger"


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ({}, set()),
        ({"output_stream": "stdout"}, set()),
        ({"output_stream": "file:///etc/cron.d/x"}, {("danger", "prints")}),
    ],
)
def test_printing_to_a_file_is_a_danger(call: dict[str, str], found: set[Any]) -> None:
    nodes = [["_CONSTANT_VALUE", -1, "* * * * * root id", call]]
    config = {"class_name": "TFOpLambda", "config": {"function": "print"}, "inbound_nodes": nodes}
    assert rules(config) == found


_SAMPLER = "nn.fixed_unigram_candidate_sampler"


@pytest.mark.parametrize(
    ("function", "call", "found"),
    [
        (_SAMPLER, {"num_true": 1}, set()),
        (_SAMPLER, {"vocab_file": ""}, set()),
        (_SAMPLER, {"vocab_file": "/etc/passwd"}, {("danger", "reads-file")}),
        (_SAMPLER, {"vocab_file": ["other", 0, 0]}, {("danger", "reads-file")}),
        ("io.decode_proto", {"descriptor_source": "local://"}, set()),
        ("io.decode_proto", {"descriptor_source": "/etc/passwd"}, {("danger", "reads-file")}),
    ],
)
def test_a_file_that_a_call_names_is_a_danger(
    function: str, call: dict[str, Any], found: set[Any]
) -> None:
    nodes = [["_CONSTANT_VALUE", -1, [[1]], call]]
    config = {"class_name": "TFOpLambda", "config": {"function": function}, "inbound_nodes": nodes}
    assert rules(config) == found


@pytest.mark.parametrize(
    ("op", "attributes", "expected"),
    [
        ("ReadFile", {}, "danger"),
        ("WriteFile", {}, "danger"),
        ("MatMul", {}, ""),
        ("FixedUnigramCandidateSampler", {}, ""),
        ("FixedUnigramCandidateSampler", {"vocab_file": {"s": "L2V0Yy9wYXNzd2Q="}}, "danger"),
    ],
)
def test_an_operation_is_judged_as_in_a_graph(
    tf: Any, op: str, attributes: dict[str, Any], expected: str
) -> None:
    from google.protobuf.json_format import ParseDict

    node = {"name": "x", "op": op, "input": ["y"], "attr": attributes}
    serialized = ParseDict(node, tf.compat.v1.NodeDef()).SerializeToString().decode()
    assert severity("TensorFlowOpLayer", node_def=node, constants={}) == expected
    assert severity("TensorFlowOpLayer", node_def=serialized, constants={}) == expected


@pytest.mark.parametrize("definition", [None, 3, "no message", "\ud800", {"input": 3}])
def test_an_operation_that_cannot_be_read_is_a_danger(definition: Any) -> None:
    config = {"class_name": "TensorFlowOpLayer", "config": {"node_def": definition}}
    assert rules(config) == {("danger", "not-scanned")}
