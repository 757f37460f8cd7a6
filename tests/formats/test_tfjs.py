"""TensorFlow.js models written as its documentation says, compared with NumPy and Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import (
    HazardKind,
    NodeType,
    Role,
    TensorUnreadable,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.registry import open_artifact
from tests.formats import keras_originals
from tests.formats.walking import below, flat

_RNG = np.random.default_rng(0)
WEIGHTS = {
    "dense/kernel": _RNG.normal(size=(4, 8)).astype(np.float32),
    "dense/bias": np.zeros(8, np.float32),
    "steps": np.array([3, -4], np.int32),
    "mask": np.array([True, False, True]),
    "wave": np.array([1 + 2j, 3], np.complex64),
    "empty": np.zeros((0, 4), np.float32),
}


def shards_of(data: bytes, count: int) -> list[bytes]:
    """Cut into so many files, wherever that is, the last with the rest."""
    size = max(1, len(data) // count)
    return [data[i * size : None if i == count - 1 else (i + 1) * size] for i in range(count)]


def write_model(
    folder: Path, specs: list[dict[str, Any]], data: bytes, shards: int = 1, **more: Any
) -> Path:
    """``model.json`` and its shards, of one group."""
    folder.mkdir(exist_ok=True)
    names = [f"group1-shard{i + 1}of{shards}.bin" for i in range(shards)]
    for name, part in zip(names, shards_of(data, shards), strict=True):
        (folder / name).write_bytes(part)
    value = {
        "format": "layers-model",
        "generatedBy": "keras v2.4.0",
        "convertedBy": "TensorFlow.js Converter v3.2.0",
        "modelTopology": {},
        "weightsManifest": [{"paths": names, "weights": specs}],
        **more,
    }
    (folder / "model.json").write_text(json.dumps(value))
    return folder / "model.json"


def spec_of(name: str, array: np.ndarray) -> dict[str, Any]:
    return {"name": name, "shape": list(array.shape), "dtype": array.dtype.name}


@pytest.mark.parametrize("shards", [1, 2, 7])
@pytest.mark.parametrize("named", ["", "model.json"])
def test_every_weight_over_any_number_of_files(
    tmp_path: Path, opened: Any, shards: int, named: str
) -> None:
    specs = [spec_of(name, array) for name, array in WEIGHTS.items()]
    data = b"".join(array.tobytes() for array in WEIGHTS.values())
    write_model(tmp_path / "web", specs, data, shards)
    artifact = opened(tmp_path / "web" / named)
    assert (artifact.format, artifact.format_name) == ("tfjs", "TensorFlow.js layers model")
    assert [t.path for t in artifact.tensors()] == list(WEIGHTS)
    for tensor in artifact.tensors():
        expected = WEIGHTS[tensor.path]
        assert (tensor.dtype, tensor.shape) == (expected.dtype.name, expected.shape)
        np.testing.assert_array_equal(tensor.read(), expected)
        np.testing.assert_array_equal(tensor.read((slice(1, 2),)), expected[1:2])
        if tensor.location.offset is not None:
            file = (tmp_path / "web" / tensor.location.file).read_bytes()
            assert file[tensor.location.offset :][: tensor.nbytes] == expected.tobytes()
    assert not any(check.problem for check in artifact.checks())
    assert artifact.size == len(data) + (tmp_path / "web" / "model.json").stat().st_size
    assert artifact.producer.keras == "2.4.0"
    assert artifact.producer.program == "TensorFlow.js Converter v3.2.0"
    assert artifact.notes == ()


def test_a_model_that_tensorflow_js_itself_saved_names_it(tmp_path: Path, opened: Any) -> None:
    written = {"generatedBy": "TensorFlow.js tfjs-layers v4.22.0", "convertedBy": None}
    assert opened(write_model(tmp_path, [], b"", **written)).producer.program == (
        "TensorFlow.js tfjs-layers v4.22.0"
    )


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float16"])
def test_quantized_weights_stand_for_other_numbers(tmp_path: Path, opened: Any, kind: str) -> None:
    kernel = WEIGHTS["dense/kernel"]
    counts = np.array([-5, 0, 300, 77], np.int32)
    specs, stored = [], []
    for name, array in (("kernel", kernel), ("counts", counts)):
        if kind == "float16":
            specs.append({**spec_of(name, array), "quantization": {"dtype": kind}})
            stored.append(array.astype(np.float16))
            continue
        low, high = float(array.min()), float(array.max())
        scale = (high - low) / np.iinfo(kind).max
        how = {"dtype": kind, "scale": scale, "min": low, "original_dtype": array.dtype.name}
        specs.append({**spec_of(name, array), "quantization": how})
        stored.append(np.round((array - low) / scale).astype(kind))
    write_model(tmp_path / "web", specs, b"".join(a.tobytes() for a in stored))
    read = {t.path: t for t in opened(tmp_path / "web").tensors()}
    assert (read["kernel"].dtype, read["counts"].dtype) == ("float32", "int32")
    assert read["kernel"].nbytes == stored[0].nbytes
    step = 1e-3 if kind == "float16" else (kernel.max() - kernel.min()) / np.iinfo(kind).max
    np.testing.assert_allclose(read["kernel"].read(), kernel, atol=step)
    np.testing.assert_array_equal(read["kernel"].read((1,)), read["kernel"].read()[1])
    np.testing.assert_allclose(read["counts"].read(), counts, atol=1)
    groups = opened(tmp_path / "web").root.children()[1]
    shown = dict(groups.children()[0].attributes())["stored as"]
    assert shown.startswith(kind)


def test_texts(tmp_path: Path, opened: Any) -> None:
    words = ["one", "", "zwölf"]
    packed = b"".join(len(w.encode()).to_bytes(4, "little") + w.encode() for w in words)
    after = np.arange(3, dtype=np.int32)
    specs = [{"name": "words", "shape": [3], "dtype": "string"}, spec_of("after", after)]
    write_model(tmp_path / "web", specs, packed + after.tobytes(), 2)
    texts, numbers = opened(tmp_path / "web").tensors()
    assert texts.read().tolist() == [word.encode() for word in words]
    assert texts.nbytes == len(packed)
    np.testing.assert_array_equal(numbers.read(), after)


@pytest.mark.parametrize("line", keras_originals.LINES)
@pytest.mark.parametrize("make", keras_originals.LAYERED)
def test_layers_have_kerass_names_shapes_and_counts(
    tmp_path: Path, opened: Any, line: str, make: Any
) -> None:
    model = make(keras_originals.line(line))
    pairs = [
        (f"{layer.name}/{number}", np.asarray(weight, np.float32))
        for layer in _layers(model)
        for number, weight in enumerate(layer.get_weights())
    ]
    topology = {"keras_version": "9.9", "backend": "tensorflow"}
    topology["model_config"] = json.loads(model.to_json())
    specs = [spec_of(name, array) for name, array in pairs]
    data = b"".join(array.tobytes() for _, array in pairs)
    write_model(tmp_path / "web", specs, data, modelTopology=topology)
    artifact = opened(tmp_path / "web")
    assert artifact.producer.keras == "9.9"
    assert artifact.contents.architecture is artifact.contents.weights is Tri.YES
    read = {layer.name: layer for layer in flat(artifact.layers())}
    for name, class_name, shape, parameters in keras_originals.layer_facts(model):
        assert (read[name].class_name, read[name].output_shape) == (class_name, shape)
        assert read[name].parameters == parameters, name
    (config,) = artifact.configs()
    assert (config.where, config.value) == ("model.json", topology["model_config"])


def _layers(model: Any) -> list[Any]:
    """The layers that hold weights themselves, those of nested models among them."""
    found = []
    for layer in model.layers:
        found += _layers(layer) if hasattr(layer, "layers") else [layer]
    return found


GRAPH = {
    "node": [
        {"name": "x", "op": "Placeholder"},
        {"name": "w", "op": "Const"},
        {"name": "product", "op": "MatMul", "input": ["x", "w"]},
    ],
    "library": {
        "function": [{"signature": {"name": "f"}, "nodeDef": [{"name": "r", "op": "Relu"}]}]
    },
    "versions": {"producer": 440},
}
SIGNATURE = {
    "inputs": {
        "x": {
            "name": "x:0",
            "dtype": "DT_FLOAT",
            "tensorShape": {"dim": [{"size": "-1"}, {"size": "4"}]},
        }
    },
    "outputs": {
        "y": {"name": "product:0", "dtype": "DT_INT32", "tensorShape": {"unknownRank": True}}
    },
}


@pytest.mark.parametrize(
    "described",
    [{"signature": SIGNATURE}, {"userDefinedMetadata": {"signature": SIGNATURE}}],
)
def test_a_graph_model(tmp_path: Path, opened: Any, described: dict[str, Any]) -> None:
    array = WEIGHTS["dense/kernel"]
    more = {"format": "graph-model", "generatedBy": "2.3.0", "modelTopology": GRAPH, **described}
    write_model(tmp_path / "web", [spec_of("w", array)], array.tobytes(), **more)
    artifact = opened(tmp_path / "web")
    assert artifact.format_name == "TensorFlow.js graph model"
    assert artifact.producer.tensorflow == "2.3.0"
    assert [(op.op, op.name, op.where) for op in artifact.ops()] == [
        ("Placeholder", "x", "graph"),
        ("Const", "w", "graph"),
        ("MatMul", "product", "graph"),
        ("Relu", "r", "graph, function f"),
    ]
    (signature,) = artifact.signatures
    (given,), (result,) = signature.inputs, signature.outputs
    assert (given.name, given.dtype, given.shape, given.graph_tensor) == (
        "x",
        "float32",
        (None, 4),
        "x:0",
    )
    assert (result.dtype, result.shape) == ("int32", None)
    assert artifact.root.children()[0].type is NodeType.SIGNATURE
    assert below(artifact.root, "modelTopology", "node").summary == "3 items"
    assert list(artifact.configs()) == list(artifact.layers()) == []
    assert artifact.contents.architecture is artifact.contents.signatures is Tri.YES


def test_optimizer_state_is_told_apart(tmp_path: Path, opened: Any) -> None:
    array = WEIGHTS["dense/bias"]
    specs = [spec_of("w", array), {**spec_of("momentum", array), "group": "optimizer"}]
    write_model(tmp_path / "web", specs, array.tobytes() * 2)
    roles = [t.role for t in opened(tmp_path / "web").tensors()]
    assert roles == [Role.WEIGHT, Role.OPTIMIZER]


# Damage


def test_a_missing_shard_is_named(tmp_path: Path, opened: Any) -> None:
    array = WEIGHTS["dense/kernel"]
    write_model(tmp_path / "web", [spec_of("w", array)], array.tobytes(), 2)
    (tmp_path / "web" / "group1-shard2of2.bin").unlink()
    artifact = opened(tmp_path / "web")
    assert "group1-shard2of2.bin, which holds weights, is not there" in artifact.notes[0]
    with pytest.raises(TensorUnreadable, match=r"group1-shard2of2\.bin is not there"):
        artifact.tensors()[0].read()
    problems = [(c.rule, c.where) for c in artifact.checks() if c.problem]
    assert problems == [("shard present", "group1-shard2of2.bin"), ("byte count", "w")]
    assert artifact.contents.weights is Tri.PARTLY


def test_a_shard_cut_short(tmp_path: Path, opened: Any) -> None:
    array = WEIGHTS["dense/kernel"]
    specs = [spec_of("a", array), spec_of("b", array)]
    write_model(tmp_path / "web", specs, array.tobytes() * 2)
    shard = tmp_path / "web" / "group1-shard1of1.bin"
    shard.write_bytes(shard.read_bytes()[:-20])
    artifact = opened(tmp_path / "web")
    np.testing.assert_array_equal(artifact.tensors()[0].read(), array)
    assert artifact.contents.weights is Tri.PARTLY
    with pytest.raises(TensorUnreadable, match="ends at byte 256 of its group, whose 1 file hold"):
        artifact.tensors()[1].read()
    assert [c.problem for c in artifact.checks() if c.where == shard.name and c.problem] == [
        "The weights of this group take 256 bytes, but its files hold 236."
    ]


@pytest.mark.parametrize("name", ["../secret.bin", "/etc/passwd", "https://example.org/w.bin"])
def test_shards_elsewhere_are_not_read(tmp_path: Path, opened: Any, name: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(128))
    specs = [spec_of("w", WEIGHTS["dense/kernel"])]
    manifest = [{"paths": [name], "weights": specs}]
    write_model(tmp_path / "web", [], b"", weightsManifest=manifest)
    artifact = opened(tmp_path / "web")
    with pytest.raises(TensorUnreadable, match="is not there"):
        artifact.tensors()[0].read()
    (hazard,) = artifact.hazards()
    assert (hazard.kind, hazard.target) == (HazardKind.EXTERNAL_STORAGE, name)


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "w", "shape": [-1], "dtype": "float32"},
        {"name": "w", "shape": "no", "dtype": "float32"},
        {"name": "w", "shape": [1], "dtype": "float99"},
        {"name": "w", "shape": [1 << 60], "dtype": "float32"},
        {"name": "w", "shape": [1 << 60], "dtype": "string"},
        {"name": "w", "shape": [2], "dtype": "string"},
        {"name": "w", "shape": [1], "dtype": "float32", "quantization": {"dtype": "what"}},
    ],
)
def test_a_manifest_that_is_wrong(tmp_path: Path, opened: Any, spec: dict[str, Any]) -> None:
    write_model(tmp_path / "web", [spec], b"\xff" * 7)
    artifact = opened(tmp_path / "web")
    (tensor,) = artifact.tensors()
    with pytest.raises(TensorUnreadable):
        tensor.read()
    assert "w cannot be read" in artifact.notes[0]


@pytest.mark.parametrize("value", [[], {}, 3, None, "x"])
def test_json_of_other_kinds_in_every_place(tmp_path: Path, opened: Any, value: Any) -> None:
    for key in ("modelTopology", "weightsManifest", "signature", "format", "generatedBy"):
        path = write_model(tmp_path / "web", [], b"", **{key: value})
        artifact = opened(path)
        assert artifact.tensors() == ()
        assert list(artifact.ops()) == []


def test_a_model_json_cut_short(tmp_path: Path) -> None:
    path = write_model(tmp_path / "web", [], b"")
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UnreadableArtifact, match="is no complete JSON"):
        open_artifact(str(path))
