"""Loading and running: the notes' artifacts, real ones, and inputs that do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from explorer.engine.messages import (
    CallTensor,
    Load,
    LoadRef,
    ModelRef,
    Predict,
    Save,
)
from explorer.engine.transport import named_headers
from explorer.lab.catalog import DEMOS, Line
from tests.engine.bench import Bench, working

FUNCTIONAL = DEMOS["functional"].settings(Line.KERAS3)
X = np.random.default_rng(1).random((5, 32), dtype=np.float32)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with working(tmp_path_factory.mktemp("scratch")) as bench:
        yield bench


@pytest.fixture(scope="module")
def model(bench: Bench) -> ModelRef:
    return bench.train(FUNCTIONAL)


@pytest.fixture(scope="module")
def saved(bench: Bench, model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model by method 4."""
    path = tmp_path_factory.mktemp("artifacts") / "4_keras_model"
    bench.save(model, "saved_model", path)
    return path


# The artifacts that TensorFlow 2.0 wrote ---------------------------------------------------------


@pytest.mark.parametrize(
    ("demo", "name", "loader"),
    [
        ("functional", "1_weight.h5", "load_weights"),
        ("functional", "2_model", "keras2"),
        ("functional", "3_model.h5", "keras2"),
        ("functional", "4_model", "saved_model"),
        ("functional", "checkpoints", "load_weights"),
        ("subclass", "1_weight.h5", "load_weights"),
        ("subclass", "4_model", "saved_model"),
        ("subclass", "checkpoints", "load_weights"),
    ],
)
def test_the_notes_artifacts_predict_what_was_recorded(
    bench: Bench, corpus: Path, demo: str, name: str, loader: str
) -> None:
    folder = corpus / "notes_tf20"
    settings = DEMOS[demo].settings(Line.KERAS2) if loader == "load_weights" else None
    loaded = bench.load(folder / demo / name, loader, settings)
    (signature,) = loaded.signatures
    assert [tensor.name for tensor in signature.inputs] == ["digits"]
    source = LoadRef(str(folder / demo / name), loader, settings)
    x = np.load(folder / "x_test.npy")
    (found,) = bench.predict(source, signature.key, {"digits": x}).values()
    # Recorded on one processor: another sums the products of a layer in another order.
    np.testing.assert_allclose(found, np.load(folder / f"{demo}_expected.npy"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("demo", ["functional", "subclass"])
def test_a_saved_model_predicts_what_tensorflow_computes_on_this_machine(
    bench: Bench, corpus: Path, demo: str
) -> None:
    import tensorflow as tf

    path = corpus / "notes_tf20" / demo / "4_model"
    x = np.load(corpus / "notes_tf20/x_test.npy")
    bare = tf.saved_model.load(str(path)).signatures["serving_default"]
    (expected,) = bare(digits=tf.constant(x)).values()
    source = LoadRef(str(path), "saved_model", None)
    (found,) = bench.predict(source, "serving_default", {"digits": x}).values()
    np.testing.assert_array_equal(found, expected.numpy())


# Real artifacts ----------------------------------------------------------------------------------


def test_a_saved_model_of_others_tells_its_signature(bench: Bench, corpus: Path) -> None:
    loaded = bench.load(corpus / "basic_pitch_nmp", "saved_model")
    (signature,) = loaded.signatures
    assert signature.key == "serving_default"
    assert signature.inputs == (CallTensor("input_2", "float32", (None, 43844, 1)),)
    assert {tensor.name for tensor in signature.outputs} == {"contour", "note", "onset"}
    assert loaded.call == f'tf.saved_model.load("{(corpus / "basic_pitch_nmp").as_posix()}")'


def test_a_tensorflow_1_model_lists_its_signatures_and_runs(bench: Bench, corpus: Path) -> None:
    path = corpus / "half_plus_two_tf1"
    assert [signature.key for signature in bench.load(path, "saved_model").signatures] == [
        "serving_default",
        "classify_x_to_y",
        "regress_x2_to_y3",
        "regress_x_to_y",
        "regress_x_to_y2",
    ]
    source = LoadRef(str(path), "saved_model")
    x = np.array([[1.0], [2.0]], dtype=np.float32)
    found = bench.predict(source, "serving_default", {"x": x})
    np.testing.assert_allclose(found["y"], x / 2 + 2)


def test_strings_go_into_a_signature(bench: Bench, corpus: Path) -> None:
    source = LoadRef(str(corpus / "half_plus_two_tf1"), "saved_model")
    examples = np.array([feature_x(3.0), feature_x(4.0)], dtype=object)
    found = bench.predict(source, "regress_x_to_y", {"inputs": examples})
    assert found["outputs"].tolist() == [[3.5], [4.0]]


WORDS = np.array(["größer".encode(), b"", b"\xff\x00"], dtype=object)


def test_strings_come_out_of_a_signature(bench: Bench, tmp_path: Path) -> None:
    import tensorflow as tf

    class Doubled(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def double(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"twice": tf.strings.join([text, text]), "bytes": tf.strings.length(text)}

    module = Doubled()
    tf.saved_model.save(module, str(tmp_path), signatures=module.double)
    (signature,) = bench.load(tmp_path, "saved_model").signatures
    assert signature.inputs == (CallTensor("text", "string", (None,)),)
    found = bench.predict(LoadRef(str(tmp_path), "saved_model"), signature.key, {"text": WORDS})
    expected = module.double(tf.constant(WORDS))
    assert found["twice"].tolist() == expected["twice"].numpy().tolist()
    assert found["bytes"].tolist() == expected["bytes"].numpy().tolist()


@pytest.mark.parametrize(("line", "name"), [("keras3", "words.keras"), ("keras2", "words")])
def test_strings_go_into_a_keras_model(bench: Bench, tmp_path: Path, line: str, name: str) -> None:
    import keras
    import tensorflow as tf
    import tf_keras

    library = keras if line == "keras3" else tf_keras
    words = library.layers.TextVectorization(output_sequence_length=4)
    words.adapt(["one two three"])
    text = library.Input((1,), dtype="string", name="text")
    model = library.Model(text, words(text))
    model.save(tmp_path / name)
    given = np.array([[b"one two"], [b"three four"]], dtype=object)
    (found,) = bench.predict(
        LoadRef(str(tmp_path / name), line), "predict", {"text": given}
    ).values()
    np.testing.assert_array_equal(found, model.predict(tf.constant(given), verbose=0))


def feature_x(value: float) -> bytes:
    """A serialized `tf.train.Example` with the feature ``x``."""
    number = np.array(value, dtype="<f4").tobytes()
    feature = b"\x12\x06\x0a\x04" + number
    entry = b"\x0a\x01x\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    return b"\x0a" + bytes([len(features)]) + features


def test_tensorflow_lite_files_run(bench: Bench, corpus: Path) -> None:
    path = corpus / "face_detection_short_range.tflite"
    (signature,) = bench.load(path, "tflite").signatures
    (tensor,) = signature.inputs
    assert (tensor.dtype, tensor.shape) == ("float32", (1, 128, 128, 3))
    image = np.zeros((1, 128, 128, 3), dtype=np.float32)
    found = bench.predict(LoadRef(str(path), "tflite"), signature.key, {tensor.name: image})
    assert {array.shape for array in found.values()} == {(1, 896, 16), (1, 896, 1)}


@pytest.mark.parametrize(
    ("name", "loader", "error"),
    [
        ("emotion_model.hdf5", "keras3", "ValueError: Argument(s) not recognized: {'lr'"),
        ("basic_pitch_nmp", "keras3", "ValueError: File format not supported"),
        ("basic_pitch_nmp", "keras2", "ValueError: Unknown loss function: '<lambda>'"),
        ("sleep_stages.keras", "keras2", "TypeError:"),
        ("half_plus_two_tf1", "keras3", "ValueError:"),
    ],
)
def test_loaders_that_refuse_real_artifacts_say_why(
    bench: Bench, corpus: Path, name: str, loader: str, error: str
) -> None:
    failed = bench.failure(Load(LoadRef(str(corpus / name), loader)))
    assert f"{failed.exception}: {failed.message}".startswith(error)
    assert failed.reason
    assert failed.traceback


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("emotion_model.hdf5", "keras3_no_compile"),
        ("emotion_model.hdf5", "keras2"),
        ("basic_pitch_nmp", "keras2_no_compile"),
        ("sleep_stages.keras", "keras3"),
    ],
)
def test_loaders_that_take_real_artifacts(
    bench: Bench, corpus: Path, name: str, loader: str
) -> None:
    (signature,) = bench.load(corpus / name, loader).signatures
    shapes = {tensor.name: tensor.shape or () for tensor in signature.inputs}
    inputs = {
        name: np.zeros([size or 1 for size in shape], np.float32) for name, shape in shapes.items()
    }
    source = LoadRef(str(corpus / name), loader)
    found = bench.predict(source, "predict", inputs)
    assert set(found) == {tensor.name for tensor in signature.outputs}


# Inputs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": X}, "takes inputs; given: x"),
        ({}, "takes inputs; given: nothing"),
        ({"inputs": X, "more": X}, "takes inputs; given: inputs, more"),
        ({"inputs": X[:, :31]}, "expects the shape (?, 32); found (5, 31)"),
        ({"inputs": X[0]}, "expects the shape (?, 32); found (32,)"),
        ({"inputs": X.astype(np.int64)}, "expects float32; found int64"),
        ({"inputs": X.astype(str)}, "expects float32; found string"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_plain_words(
    bench: Bench, saved: Path, inputs: dict[str, np.ndarray], message: str
) -> None:
    request = Predict(LoadRef(str(saved), "saved_model"), "serving_default", named_headers(inputs))
    failed = bench.failure(request, *inputs.values())
    assert failed.exception == "InputError"
    assert message in failed.message
    assert failed.traceback == ""


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_floating_inputs_are_converted(bench: Bench, saved: Path, dtype: type) -> None:
    source = LoadRef(str(saved), "saved_model")
    given = X.astype(dtype)
    found = bench.predict(source, "serving_default", {"inputs": given})
    expected = bench.predict(source, "serving_default", {"inputs": given.astype(np.float32)})
    np.testing.assert_array_equal(found["output_0"], expected["output_0"])


def test_an_unknown_signature_names_those_there_are(bench: Bench, saved: Path) -> None:
    request = Predict(LoadRef(str(saved), "saved_model"), "serve", named_headers({"inputs": X}))
    assert "Those here: serving_default." in bench.failure(request, X).message


# What is at a path -------------------------------------------------------------------------------


def test_a_model_in_memory_tells_its_signature(bench: Bench, model: ModelRef) -> None:
    loaded = bench.answer(Load(model))
    (signature,) = loaded.signatures
    assert signature.key == "predict"
    assert signature.inputs == (CallTensor("digits", "float32", (None, 32)),)
    assert signature.outputs == (CallTensor("predictions", "float32", (None, 10)),)


def test_an_artifact_is_loaded_once_until_it_changes(
    bench: Bench, model: ModelRef, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    bench.save(model, "export", path)
    source = LoadRef(str(path), "saved_model")
    first = bench.load(path, "saved_model")
    assert bench.load(path, "saved_model") == first
    (before,) = bench.predict(source, "serving_default", {"digits": X}).values()
    other = bench.train(msgspec.structs.replace(FUNCTIONAL, seed=7))
    bench.save(other, "export", path, replace=True)
    (after,) = bench.predict(source, "serving_default", {"digits": X}).values()
    (expected,) = bench.predict(other, "predict", {"digits": X}).values()
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, expected)


def test_a_vanished_path_is_said_so(bench: Bench, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "moved"
    shutil.copytree(saved, path)
    bench.load(path, "saved_model")
    shutil.rmtree(path)
    failed = bench.failure(Load(LoadRef(str(path), "saved_model")))
    assert failed.exception == "ArtifactError"
    assert failed.message.startswith(f"Nothing is at {path} any more.")


def test_a_folder_without_a_checkpoint_is_said_so(bench: Bench, tmp_path: Path) -> None:
    failed = bench.failure(Load(LoadRef(str(tmp_path), "load_weights", FUNCTIONAL)))
    assert "holds no checkpoint" in failed.message


def test_weights_alone_need_to_be_told_their_model(bench: Bench, saved: Path) -> None:
    failed = bench.failure(Load(LoadRef(str(saved), "load_weights")))
    assert "Choose which demo model" in failed.message


def test_weights_of_another_model_are_refused_with_a_reason(
    bench: Bench, model: ModelRef, tmp_path: Path
) -> None:
    path = tmp_path / "1_model.weights.h5"
    bench.save(model, "weights_today", path)
    other = msgspec.structs.replace(FUNCTIONAL, features=16)
    failed = bench.failure(Load(LoadRef(str(path), "load_weights", other)))
    assert failed.reason.startswith("The weights were saved from a model with other layers.")


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("model.h5", "keras3"),
        ("model.keras", "keras3"),
        ("model.h5", "keras2"),
        ("model.tflite", "tflite"),
        ("saved_model.pb", "saved_model"),
    ],
)
def test_a_damaged_file_fails_with_a_reason(
    bench: Bench, tmp_path: Path, name: str, loader: str
) -> None:
    (tmp_path / name).write_bytes(b"this is no model" * 100)
    failed = bench.failure(Load(LoadRef(str(tmp_path / name), loader)))
    assert failed.reason.startswith("The file is damaged"), f"{failed.exception} {failed.message}"


# Saving ------------------------------------------------------------------------------------------


def test_an_existing_target_is_replaced_only_when_asked(
    bench: Bench, model: ModelRef, tmp_path: Path
) -> None:
    path = tmp_path / "model.keras"
    bench.save(model, "whole_h5", tmp_path / "model.h5")
    (tmp_path / "model.h5").rename(path)
    old = path.read_bytes()
    failed = bench.failure(Save(model, "keras_archive", str(path)))
    assert failed.exception == "TargetError"
    assert path.read_bytes() == old
    saved = bench.save(model, "keras_archive", path, replace=True)
    assert saved.size == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]


def test_a_refused_save_keeps_the_old_artifact_and_names_the_target(
    bench: Bench, model: ModelRef, tmp_path: Path
) -> None:
    path = tmp_path / "1_weight.h5"
    path.write_text("old")
    failed = bench.failure(Save(model, "weights_h5", str(path)))
    assert failed.message.endswith(f"filepath={path}")
    assert failed.reason
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
