"""TensorFlow Lite models of many kinds: converted by TensorFlow, or packed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from tests.formats import keras_originals

Converter = tf.lite.TFLiteConverter


# Converted


def _dense() -> Any:
    model = keras_originals.functional(keras_originals.line("keras"))
    return Converter.from_keras_model(model)


def _plain() -> Any:
    converter = _dense()
    converter._experimental_disable_per_channel = True
    return converter


def _dynamic_range() -> Any:
    converter = _dense()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter


def _float16() -> Any:
    converter = _dynamic_range()
    converter.target_spec.supported_types = [tf.float16]
    return converter


def _samples() -> Iterator[list[np.ndarray]]:
    rng = np.random.default_rng(1)
    for _ in range(4):
        yield [rng.normal(size=(1, 8, 8, 3)).astype(np.float32)]


def _convolution() -> Any:
    keras = keras_originals.line("keras")
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)]
    )


def _full_integer() -> Any:
    converter = Converter.from_keras_model(_convolution())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter


def _sparse() -> Any:
    """Blocks of 1 × 4 zeros, which the converter stores as sparse tensors."""
    keras = keras_originals.line("keras")
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, use_bias=False)])
    kernel = np.zeros((64, 32), np.float32)
    kernel[:4, ::8] = 1.5
    model.layers[0].set_weights([kernel])
    converter = Converter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    return converter


def _loop() -> Any:
    """Keras 3 writes an LSTM as a loop, whose condition and body are graphs of their own."""
    keras = keras_originals.line("keras")
    model = keras.Sequential([keras.Input((6, 3), batch_size=1), keras.layers.LSTM(4)])
    return Converter.from_keras_model(model)


def _variables(folder: Path) -> Any:
    """Keras 2 has it converted to one operator, whose state is in variable tensors."""
    keras = keras_originals.line("tf_keras")
    model = keras.Sequential([keras.Input((6, 3), batch_size=1), keras.layers.LSTM(4)])
    tf.saved_model.save(model, str(folder))
    return Converter.from_saved_model(str(folder))


def _buffers_behind() -> Any:
    converter = _dense()
    converter._experimental_use_buffer_offset = True
    return converter


class _Functions(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = tf.Variable([[1.0, 2.0, 3.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def scale(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scaled": x * self.factor}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.float32)])
    def count(self, limit: tf.Tensor, start: tf.Tensor) -> dict[str, tf.Tensor]:
        index, value = tf.while_loop(
            lambda i, _: i < limit, lambda i, v: (i + 1, v * 2.0), [tf.constant(0), start]
        )
        return {"value": value, "steps": index}

    @tf.function(input_signature=[tf.TensorSpec([1, 3], tf.float32)])
    def low_bit(self, x: tf.Tensor) -> tf.Tensor:
        fake = tf.quantization.fake_quant_with_min_max_args
        kernel = tf.tile(tf.transpose(self.factor), [1, 5])
        weights = fake(kernel, -4.0, 4.0, num_bits=4, narrow_range=True)
        return fake(fake(x, -4.0, 4.0) @ weights, -8.0, 8.0)

    @tf.function(input_signature=[tf.TensorSpec([2, 3], tf.float32)])
    def flex(self, x: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.Asinh(x=x) + 1.0


def _functions(names: list[str], folder: Path) -> Any:
    module = _Functions()
    signatures = {name: getattr(module, name) for name in names}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return Converter.from_saved_model(str(folder), signature_keys=names)


def _two_signatures(folder: Path) -> Any:
    return _functions(["scale", "count"], folder)


def _flex(folder: Path) -> Any:
    converter = _functions(["flex"], folder)
    sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS, sets.SELECT_TF_OPS]
    converter.target_spec.experimental_select_user_tf_ops = ["Asinh"]
    return converter


def _low_bit(folder: Path) -> Any:
    converter = _functions(["low_bit"], folder)
    converter._experimental_low_bit_qat = True
    return converter


def _custom(folder: Path) -> Any:
    converter = _functions(["flex"], folder)
    converter.allow_custom_ops = True
    return converter


_MAKERS: dict[str, Callable[[], Any]] = {
    "plain": _plain,
    "quantized": _dynamic_range,
    "float16": _float16,
    "full_integer": _full_integer,
    "sparse": _sparse,
    "loop": _loop,
    "buffers_behind": _buffers_behind,
}
_FUNCTIONS: dict[str, Callable[[Path], Any]] = {
    "two_signatures": _two_signatures,
    "flex": _flex,
    "custom": _custom,
    "variables": _variables,
    "low_bit": _low_bit,
}
CONVERTED = (*_MAKERS, *_FUNCTIONS)


def convert(name: str, folder: Path) -> Path:
    """A model of ``CONVERTED`` in ``folder``; made once."""
    path = folder / f"{name}.tflite"
    if not path.exists():
        maker = _MAKERS.get(name)
        converter = maker() if maker else _FUNCTIONS[name](folder / name)
        path.write_bytes(converter.convert())
    return path


# Packed by hand


def tensor(name: str, kind: str, shape: list[int], buffer: int = 1, **more: Any) -> Any:
    """A tensor of the schema's own object API."""
    made = schema.TensorT()
    made.name, made.type = name, getattr(schema.TensorType, kind)
    made.shape, made.buffer = shape, buffer
    for field, value in more.items():
        setattr(made, field, value)
    return made


def graph(name: str | None, tensors: list[Any], operators: list[Any] | None = None) -> Any:
    """A graph without inputs and outputs."""
    made = schema.SubGraphT()
    made.name, made.tensors, made.operators = name, tensors, operators or []
    made.inputs, made.outputs = [], []
    return made


def operator(index: int, inputs: list[int], outputs: list[int], **more: Any) -> Any:
    """An operator of the kind at ``index`` of the operator codes."""
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = index, inputs, outputs
    for field, value in more.items():
        setattr(made, field, value)
    return made


def operator_code(builtin: int, custom: str | None = None, version: int = 1) -> Any:
    """An entry of the operator codes, with the older field filled in as converters do."""
    made = schema.OperatorCodeT()
    made.builtinCode, made.deprecatedBuiltinCode = builtin, min(builtin, 127)
    made.customCode, made.version = custom, version
    return made


def buffer(data: bytes) -> Any:
    """A buffer inside the FlatBuffer."""
    made = schema.BufferT()
    made.data = np.frombuffer(data, np.uint8)
    return made


def built(folder: Path, tensors: list[Any], buffers: list[Any], **more: Any) -> Path:
    """A model of these tensors, packed by TensorFlow's own object API; buffer 0 is empty."""
    model = schema.ModelT()
    model.version = 3
    filled = [buffer(each) if isinstance(each, bytes) else each for each in buffers]
    model.buffers = [schema.BufferT(), *filled]
    model.subgraphs = [graph(None, tensors)]
    for name, value in more.items():
        setattr(model, name, value)
    path = folder / "built.tflite"
    path.write_bytes(packed(model, b"TFL3"))
    return path


def packed(root: Any, identifier: bytes) -> bytes:
    """A FlatBuffer of an object."""
    builder = flatbuffers.Builder()
    builder.Finish(root.Pack(builder), file_identifier=identifier)
    return bytes(builder.Output())


def behind(path: Path, offset: int, data: bytes) -> None:
    """Write bytes behind the FlatBuffer, with a hole of the file system in between."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
