"""Safety findings, on configs that Keras itself wrote and on those of its security advisories."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from explorer.analysis.finding import Finding, Severity
from explorer.analysis.keras_names import FUNCTIONS
from explorer.analysis.safety import scan
from explorer.analysis.unsafe_configs import config_findings
from explorer.analysis.unsafe_ops import op_findings
from explorer.formats.artifact import Artifact, Config, GraphOp, Node, NodeType
from explorer.formats.keras.own_classes import LAYERS, OPERATIONS
from explorer.formats.registry import open_artifact
from tests.analysis.scanning import findings


def rules(config: Any) -> set[tuple[str, str]]:
    found = config_findings([Config("config.json", config)])
    return {(finding.severity.value, finding.rule) for finding in found}


def keras_object(module: str, name: str, config: Any = None) -> dict[str, Any]:
    kind = {"class_name": "function", "config": name} if config is None else {"class_name": name}
    return {"module": module, "config": config, "registered_name": None, **kind}


def by_severity(found: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    dangers = [finding for finding in found if finding.severity is Severity.DANGER]
    return dangers, [finding for finding in found if finding.severity is Severity.WARNING]


def _lambda(keras: Any) -> Any:
    return keras.layers.Lambda(lambda x: x + 1, output_shape=(2,))


# What Keras itself writes


@pytest.fixture(scope="module")
def keras() -> Any:
    import keras

    return keras


@pytest.fixture(scope="module")
def tf_keras() -> Any:
    import tf_keras

    return tf_keras


def test_the_layers_of_both_keras_lines_are_known(keras: Any, tf_keras: Any) -> None:
    for library in (keras, tf_keras):
        there = {
            name
            for name, found in vars(library.layers).items()
            if isinstance(found, type) and issubclass(found, library.layers.Layer)
        }
        assert len(there) > 90
        assert there | {found.__name__ for found in map(vars(library.layers).get, there)} <= LAYERS


def test_the_operations_of_keras_are_known(keras: Any) -> None:
    from keras.src.ops.operation import Operation

    pending, there = [Operation], set[str]()
    while pending:
        found = [one for one in pending.pop().__subclasses__() if "keras" in one.__module__]
        pending += [one for one in found if not issubclass(one, keras.layers.Layer)]
        there |= {one.__name__ for one in pending}
    assert len(there) > 300
    assert there <= OPERATIONS


def test_an_operation_in_hdf5_is_no_custom_object(keras: Any, tmp_path: Path) -> None:
    inputs = keras.Input((6, 8))
    attended = keras.layers.GroupQueryAttention(4, 2, 2)(inputs, inputs)
    model = keras.Model(inputs, keras.ops.not_equal(keras.ops.reshape(attended, (-1, 48)), 0.0))
    found = {}
    for kind in ("h5", "keras"):
        model.save(tmp_path / f"model.{kind}")
        with closing(open_artifact(str(tmp_path / f"model.{kind}"))) as artifact:
            found[kind] = {
                (f.severity.value, f.rule, f.where.split(": ")[1]) for f in scan(artifact)
            }
    notes = {("note", "keras-operation", layer.name) for layer in model.operations[-2:]}
    assert found == {"h5": notes, "keras": set()}
    with pytest.raises(TypeError, match="Reshape"):
        keras.saving.load_model(tmp_path / "model.h5")


def test_the_activations_and_losses_of_both_keras_lines_are_known(
    keras: Any, tf_keras: Any
) -> None:
    for library in (keras, tf_keras):
        for module in (library.activations, library.losses):
            functions = {
                name
                for name, found in vars(module).items()
                if callable(found) and name == name.lower() and not name.startswith("_")
            }
            assert functions - {"get", "serialize", "deserialize"} <= FUNCTIONS


def ordinary(library: Any) -> Any:
    layers = library.layers
    words = layers.Input((4,), dtype="int32")
    numbers = layers.Input((8, 8, 3))
    read = layers.LSTM(4)(layers.Embedding(10, 3)(words))
    seen = layers.Flatten()(layers.BatchNormalization()(layers.Conv2D(2, 3)(numbers)))
    inner = library.Sequential([layers.Dense(4, activation="relu"), layers.Dropout(0.5)])
    joined = inner(layers.Concatenate()([read, seen]))
    model = library.Model([words, numbers], layers.Dense(2, activation="softmax")(joined))
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("line", ["keras", "tf_keras"])
def test_an_ordinary_model_has_no_findings(line: str, request: pytest.FixtureRequest) -> None:
    library = request.getfixturevalue(line)
    assert rules(json.loads(ordinary(library).to_json())) == set()


def test_compile_settings_of_keras_have_no_findings(keras: Any) -> None:
    assert rules(ordinary(keras).get_compile_config()) == set()


@pytest.mark.parametrize("line", ["keras", "tf_keras"])
def test_a_lambda_layer_with_code_is_a_danger(line: str, request: pytest.FixtureRequest) -> None:
    library = request.getfixturevalue(line)
    inputs = library.layers.Input((2,))
    model = library.Model(inputs, library.layers.Lambda(lambda x: x + 1, name="trap")(inputs))
    config = Config("config.json", json.loads(model.to_json()))
    found = [f for f in config_findings([config]) if f.severity.value == "danger"]
    assert [f.rule for f in found] == ["lambda-code"]
    assert {f.where for f in found} == {"config.json: trap"}


def test_a_class_of_ones_own_is_to_be_supplied(keras: Any) -> None:
    @keras.saving.register_keras_serializable("mine")
    class Doubled(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * 2

    inputs = keras.layers.Input((2,))
    model = keras.Model(inputs, Doubled()(inputs))
    assert rules(json.loads(model.to_json())) == {("warning", "custom-object")}


def test_a_class_used_in_many_places_is_told_once_and_code_in_each(
    keras: Any, tmp_path: Path
) -> None:
    @keras.saving.register_keras_serializable("mine")
    class Tripled(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * 3

    x = inputs = keras.layers.Input((2,))
    for layer in (*(Tripled(name=f"t{i}") for i in range(4)), *(_lambda(keras) for _ in range(2))):
        x = layer(x)
    keras.Model(inputs, x).save(tmp_path / "model.keras")
    dangers, warnings = by_severity(findings(tmp_path / "model.keras"))
    assert len(dangers) == 2
    assert len({finding.where for finding in dangers}) == 2
    assert [finding.rule for finding in warnings] == ["custom-object"]
    assert warnings[0].where == "config.json: t0 and 3 more places"


def test_a_function_of_ones_own_is_to_be_supplied(tf_keras: Any) -> None:
    def my_activation(x: Any) -> Any:
        return x

    inputs = tf_keras.layers.Input((2,))
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(1, activation=my_activation)(inputs))
    assert rules(json.loads(model.to_json())) == {("warning", "custom-object")}


# Configs of Keras's security advisories, written by hand


@pytest.mark.parametrize(
    ("config", "rule"),
    [
        (keras_object("os", "system"), "outside-keras"),
        (keras_object("builtins", "eval"), "outside-keras"),
        (keras_object("subprocess", "Popen", {"args": "id"}), "outside-keras"),
        (keras_object("keras.utils", "get_file"), "function-outside-modelling"),
        (keras_object("keras.src.utils.file_utils", "get_file"), "function-outside-modelling"),
        (
            keras_object("keras.config", "enable_unsafe_deserialization"),
            "function-outside-modelling",
        ),
        (keras_object("keras.models", "load_model"), "function-outside-modelling"),
        (keras_object("tf_keras.utils", "get_file"), "function-outside-modelling"),
        (keras_object("tensorflow.keras.utils", "get_file"), "function-outside-modelling"),
        (keras_object("keras.src.utils.file_utils", "rmtree"), "function-outside-modelling"),
        (keras_object("keras.src.utils.python_utils", "func_load"), "function-outside-modelling"),
        (keras_object("keras.datasets.mnist", "load_data"), "function-outside-modelling"),
        (keras_object("keras.callbacks", "CSVLogger", {}), "function-outside-modelling"),
        (keras_object("keras", "utils.get_file"), "function-outside-modelling"),
        (keras_object("tensorflow.keras", "utils.get_file"), "function-outside-modelling"),
        (keras_object("tf_keras", "src.utils.data_utils.get_file"), "function-outside-modelling"),
        (
            keras_object("keras", "config.enable_unsafe_deserialization", {}),
            "function-outside-modelling",
        ),
        (
            keras_object("keras.src.layers.core.lambda_layer", "python_utils.func_load"),
            "function-outside-modelling",
        ),
        (
            keras_object("tf_keras.src.layers.core.tf_op_layer", "get_symbol_from_name"),
            "function-outside-modelling",
        ),
        (keras_object("keras.applications", "ResNet50", {}), "function-outside-modelling"),
        (keras_object("keras", "layers.StringLookup", {"vocabulary": "/x"}), "reads-vocabulary"),
        (keras_object("keras", "layers.TFSMLayer", {"filepath": "evil"}), "loads-saved-model"),
        (keras_object("keras", "layers.TorchModuleWrapper", {"module": "AA=="}), "pickle"),
        (keras_object("tensorflow.io", "write_file"), "outside-keras"),
        (keras_object("builtins", "vars", {}), "outside-keras"),
        (keras_object("numpy", "load"), "outside-keras"),
        (keras_object("pandas", "read_pickle"), "outside-keras"),
        (
            {
                "class_name": "Lambda",
                "config": {"function": "4wEAAAAA", "function_type": "lambda"},
            },
            "lambda-code",
        ),
        (
            {
                "class_name": "Lambda",
                "config": {
                    "function": "named",
                    "output_shape": ["4wEAAA==", None, None],
                    "output_shape_type": "lambda",
                },
            },
            "lambda-code",
        ),
        (
            keras_object("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}),
            "reads-vocabulary",
        ),
        (keras_object("keras.layers", "TFSMLayer", {"filepath": "evil"}), "loads-saved-model"),
        (keras_object("keras.layers", "TorchModuleWrapper", {"module": "AA=="}), "pickle"),
        (
            {"class_name": "TFOpLambda", "config": {"function": "io.write_file"}},
            "writes-file",
        ),
        (
            {"class_name": "Lambda", "config": {"function": ["4wEAAA==", None, None]}},
            "lambda-code",
        ),
    ],
)
@pytest.mark.parametrize("around", [lambda c: c, lambda c: {"config": {"layers": [{"a": [c]}]}}])
def test_configs_that_reach_out_of_keras_are_a_danger(
    config: Any, rule: str, around: Callable[[Any], Any]
) -> None:
    assert ("danger", rule) in rules(around(config))


def test_a_name_with_dots_is_a_warning_of_its_own() -> None:
    assert rules(keras_object("keras", "layers.Dense", {})) == {("warning", "dotted-name")}


def test_preparing_images_for_a_known_model_is_none(keras: Any) -> None:
    prepare = keras.applications.mobilenet_v2.preprocess_input
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(prepare)])
    assert "danger" not in {severity for severity, _ in rules(json.loads(model.to_json()))}


def test_the_types_of_inputs_that_keras_2_writes_are_none(tf_keras: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    ragged = tf_keras.Input(type_spec=tf.RaggedTensorSpec([None, None], tf.float32))
    sparse = tf_keras.Input(type_spec=tf.SparseTensorSpec([None, 5], tf.float32))
    tf_keras.Model([ragged, sparse], [ragged, sparse]).save(tmp_path / "model.keras")
    with closing(open_artifact(str(tmp_path / "model.keras"))) as artifact:
        assert "__typespec__" in json.dumps([config.value for config in artifact.configs()])
        assert scan(artifact) == []


def test_files_that_columns_of_features_read_are_a_danger(tf_keras: Any) -> None:
    import tensorflow as tf

    columns = tf.feature_column
    named = columns.categorical_column_with_vocabulary_file("x", "/etc/passwd", vocabulary_size=3)
    restored = columns.embedding_column(
        columns.categorical_column_with_identity("y", 3),
        2,
        ckpt_to_load_from="/tmp/ck-1",
        tensor_name_in_ckpt="v",
    )
    for column in (columns.indicator_column(named), restored):
        layer = tf_keras.layers.DenseFeatures([column])
        config = {"class_name": "DenseFeatures", "config": layer.get_config()}
        assert ("danger", "reads-vocabulary") in rules(config)
    plain = columns.embedding_column(columns.categorical_column_with_identity("y", 3), 2)
    config = tf_keras.layers.DenseFeatures([plain]).get_config()
    found = rules({"class_name": "DenseFeatures", "config": config})
    assert "reads-vocabulary" not in {rule for _, rule in found}


def test_the_cell_of_a_convolutional_lstm_is_keras_own(tf_keras: Any) -> None:
    cell = tf_keras.layers.ConvLSTM2D(2, 3).cell
    assert type(cell).__name__ == "ConvLSTMCell"
    assert rules({"class_name": type(cell).__name__, "config": cell.get_config()}) == set()


def test_a_function_in_the_place_of_a_type_is_a_danger() -> None:
    spec = {"class_name": "__typespec__", "spec_name": "system", "module": "os", "config": ["id"]}
    assert rules({"type_spec": spec}) == {("danger", "outside-keras")}


def test_a_config_nested_without_end_is_gone_through() -> None:
    config: dict[str, Any] = keras_object("os", "system")
    for _ in range(50_000):
        config = {"config": config}
    assert ("danger", "outside-keras") in rules(config)


def test_more_objects_than_are_looked_at_are_a_danger_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("explorer.analysis.unsafe_configs._MOST", 1000)
    padded = [{}] * 2000 + [keras_object("os", "system")]
    assert rules({"config": padded}) == {("danger", "not-scanned")}


_PARTS = (
    "activations",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "regularizers",
)
_REACHING_OUT = {"FlaxLayer", "JaxLayer", "Reduction", "TFSMLayer", "TorchModuleWrapper"}
"""Four that run what is not in the file, and an enumeration that no config names as a class."""


@pytest.mark.parametrize("part", _PARTS)
@pytest.mark.parametrize("line", ["keras", "tf_keras"])
def test_the_classes_of_keras_are_no_danger(
    line: str, part: str, request: pytest.FixtureRequest
) -> None:
    classes = {
        name: found
        for name, found in vars(getattr(request.getfixturevalue(line), part)).items()
        if isinstance(found, type) and name not in _REACHING_OUT
    }
    for name, found in classes.items():
        for module in (f"{line}.{part}", found.__module__):
            assert "danger" not in {
                severity for severity, _ in rules(keras_object(module, name, {}))
            }


# Operations


@pytest.mark.parametrize(
    ("op", "severity", "rule"),
    [
        ("PyFunc", "danger", "calls-python"),
        ("EagerPyFunc", "danger", "calls-python"),
        ("ReadFile", "danger", "reads-file"),
        ("WriteFile", "danger", "writes-file"),
        ("FlexWriteFile", "danger", "writes-file"),
        ("RpcCall", "danger", "reaches-network"),
        ("TFRecordDatasetV2", "danger", "reads-records"),
        ("WholeFileReaderV2", "danger", "reads-records"),
        ("SaveV2", "danger", "writes-file"),
        ("RestoreV2", "danger", "reads-file"),
        ("MergeV2Checkpoints", "danger", "writes-file"),
        ("PrintV2", "warning", "prints"),
        ("XlaCustomCallV2", "warning", "native-code"),
        ("XlaCallModule", "note", "compiled-program"),
    ],
)
def test_operations_that_reach_out_are_found(op: str, severity: str, rule: str) -> None:
    where = "meta graph [serve], function f"
    (found,) = op_findings([GraphOp("MatMul", "a", where), GraphOp(op, "b", where)])
    assert (found.severity.value, found.rule, found.where) == (severity, rule, f"{where}: b")


@pytest.mark.parametrize("op", ["StaticRegexFullMatch", "MatMul", "IfReadFileX"])
def test_operations_of_every_model_are_none(op: str) -> None:
    assert list(op_findings([GraphOp(op, "x", "graph")])) == []


def test_one_kind_of_operation_in_one_place_is_one_finding() -> None:
    ops = [GraphOp("ReadFile", f"read_{number}", "graph") for number in range(1200)]
    assert [f.where for f in op_findings(ops)] == ["graph: read_0 and 1,199 more"]


def test_very_many_places_of_one_rule_are_counted() -> None:
    ops = [GraphOp("ReadFile", "x", f"graph, function {number}") for number in range(1000)]
    ops.append(GraphOp("WriteFile", "y", "graph"))
    found = scan(made_of(ops=lambda: ops))
    assert [(f.rule, f.where) for f in found[:2]] == [
        ("reads-file", "graph, function 0: x"),
        ("reads-file", "graph, function 1: x"),
    ]
    assert [(f.rule, f.where) for f in found[50:]] == [
        ("writes-file", "graph: y"),
        ("reads-file", "950 more places"),
    ]


def test_a_name_without_end_is_cut() -> None:
    (found,) = scan(made_of(ops=lambda: [GraphOp("ReadFile", "x" * 1_000_000, "graph")]))
    assert found.where.startswith("graph: xxx")
    assert len(found.where) < 300


def made_of(**parts: Any) -> Artifact:
    return Artifact("a", "a", "graph_def", "graph", 0, Node("a", NodeType.FILE), **parts)


def test_the_optimizers_that_keras_2_registers_are_its_own(tf_keras: Any) -> None:
    adam = tf_keras.optimizers.Adam()
    config = tf_keras.optimizers.serialize(adam, use_legacy_format=True)
    assert config["class_name"] == "Custom>Adam"
    assert rules(config) == set()
