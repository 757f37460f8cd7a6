"""Anything that can be run: a Keras model, a SavedModel's signatures, a TensorFlow Lite file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from explorer.formats.text import dtype_text, tuple_text
from explorer.lab.explaining import InputError
from explorer.lab.models import INPUT, DemoModel
from explorer.lab.records import CallSignature, CallTensor

Arrays = Mapping[str, np.ndarray]
Output = tuple[dict[str, np.ndarray], float]
"""Outputs by name, and the seconds of the run alone."""

_FLOATS = ("float16", "bfloat16", "float32", "float64")


class Runner(Protocol):
    """A loaded artifact or a model in memory."""

    @property
    def signatures(self) -> tuple[CallSignature, ...]:
        """What can be run."""
        ...

    def run(self, key: str, inputs: Arrays, passed_as: Mapping[str, str]) -> Output:
        """Run a signature on inputs that fit it; ``passed_as`` renames them in the call."""
        ...


def run(runner: Runner, key: str, inputs: Arrays, passed_as: Mapping[str, str]) -> Output:
    """Run a signature. Raises `InputError` where the inputs do not fit it."""
    signature = next((s for s in runner.signatures if s.key == key), None)
    if signature is None:
        known = ", ".join(s.key for s in runner.signatures) or "none"
        raise InputError(f"There is no signature called {key}. Those here: {known}.")
    for keyword in passed_as.values():
        _check_keyword(keyword)
    return runner.run(key, _checked(signature, inputs), passed_as)


def _check_keyword(keyword: str) -> None:
    """TensorFlow puts ``_`` for what it does not like, and then speaks of a name nobody gave."""
    if not (keyword.isascii() and keyword.isidentifier()):
        raise InputError(
            f"“{keyword}” cannot be the keyword of an input. Use letters A to Z, digits and "
            "underscores, and start with a letter."
        )


def _checked(signature: CallSignature, inputs: Arrays) -> dict[str, np.ndarray]:
    expected = {tensor.name: tensor for tensor in signature.inputs}
    if expected.keys() != inputs.keys():
        raise InputError(
            f"The signature {signature.key} takes {_listed(expected)}; given: {_listed(inputs)}."
        )
    return {name: _fitted(tensor, inputs[name]) for name, tensor in expected.items()}


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "nothing"


def _fitted(tensor: CallTensor, array: np.ndarray) -> np.ndarray:
    """The array in the dtype that is expected: floating numbers are converted, others must fit."""
    found = dtype_text(array.dtype)
    if not _shape_fits(tensor.shape, array.shape):
        raise InputError(
            f"Input {tensor.name} expects the shape {tuple_text(tensor.shape)}; found "
            f"{tuple_text(array.shape)}."
        )
    if found == tensor.dtype:
        return array
    if found in _FLOATS and tensor.dtype in _FLOATS:
        return array.astype(tf.as_dtype(tensor.dtype).as_numpy_dtype)
    raise InputError(f"Input {tensor.name} expects {tensor.dtype}; found {found}.")


def _shape_fits(expected: tuple[int | None, ...] | None, found: tuple[int, ...]) -> bool:
    if expected is None:
        return True
    return len(expected) == len(found) and all(
        size in (None, here) for size, here in zip(expected, found, strict=True)
    )


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def _spec(name: str, tensor: Any) -> CallTensor:
    """From anything with a dtype and a shape."""
    shape = tf.TensorShape(tensor.shape)
    sizes = None if shape.rank is None else tuple(shape.as_list())
    return CallTensor(name, tf.as_dtype(tensor.dtype).name, sizes)


class KerasRunner:
    """A Keras model, run by ``predict``; its one signature has that name.

    ``demo`` is given where it is one of the demo models, whose subclass does not tell its input.
    """

    def __init__(self, model: Any, demo: DemoModel | None = None) -> None:
        self._model = model
        self.signatures = (CallSignature("predict", _inputs(model, demo), _outputs(model, demo)),)

    def run(self, key: str, inputs: Arrays, passed_as: Mapping[str, str]) -> Output:
        """One call of ``predict`` with all rows in one batch, as a signature runs them."""
        arrays = [_for_keras(inputs[tensor.name]) for tensor in self.signatures[0].inputs]
        rows = max([1, *(array.shape[0] for array in arrays if array.ndim)])
        given = arrays[0] if len(arrays) == 1 else arrays
        found, seconds = _timed(lambda: self._model.predict(given, batch_size=rows, verbose=0))
        values = [np.asarray(value) for value in tf.nest.flatten(found)]
        return dict(zip(self._output_names(len(values)), values, strict=True)), seconds

    def _output_names(self, count: int) -> Sequence[str]:
        names = [tensor.name for tensor in self.signatures[0].outputs]
        return names if len(names) == count else [f"output_{n + 1}" for n in range(count)]


def _for_keras(array: np.ndarray) -> Any:
    """Keras 3 takes no NumPy array of strings."""
    return tf.constant(array) if dtype_text(array.dtype) == "string" else array


def _inputs(model: Any, demo: DemoModel | None) -> tuple[CallTensor, ...]:
    if demo is not None:
        return (CallTensor(INPUT, "float32", (None, demo.settings.features)),)
    tensors = getattr(model, "inputs", None)
    if not tensors:
        return (CallTensor("inputs", "float32", None),)
    return tuple(_spec(tensor.name, tensor) for tensor in tensors)


def _outputs(model: Any, demo: DemoModel | None) -> tuple[CallTensor, ...]:
    tensors = getattr(model, "outputs", None)
    if tensors:
        names = getattr(model, "output_names", None) or _names_in_order(model, len(tensors))
        return tuple(_spec(name, t) for name, t in zip(names, tensors, strict=True))
    shape = None if demo is None else (None, demo.settings.classes)
    return (CallTensor("output_1", "float32", shape),)


def _names_in_order(model: Any, count: int) -> Sequence[str]:
    """For a model that does not name its outputs, as a Sequential one of Keras 3."""
    if count == 1:
        return [model.layers[-1].name]
    return [f"output_{number + 1}" for number in range(count)]


class SavedModelRunner:
    """The signatures of a SavedModel: the one that serves by default first, then by name."""

    def __init__(self, loaded: Any) -> None:
        self._loaded = loaded  # the signatures' variables live only as long as it does
        self.signatures = tuple(
            CallSignature(
                key,
                _specs(function.structured_input_signature[1]),
                _specs(function.structured_outputs),
            )
            for key, function in sorted(loaded.signatures.items(), key=_serving_first)
        )

    def run(self, key: str, inputs: Arrays, passed_as: Mapping[str, str]) -> Output:
        """Call the signature with tensors by name."""
        tensors = {passed_as.get(n, n): tf.constant(array) for n, array in inputs.items()}
        found, seconds = _timed(lambda: self._loaded.signatures[key](**tensors))
        return {name: tensor.numpy() for name, tensor in sorted(found.items())}, seconds


def _specs(tensors: Mapping[str, Any]) -> tuple[CallTensor, ...]:
    """By name: TensorFlow gives them in another order in every process."""
    return tuple(_spec(name, tensor) for name, tensor in sorted(tensors.items()))


def _serving_first(item: tuple[str, Any]) -> tuple[bool, str]:
    """TensorFlow gives the signatures in another order in every process."""
    return item[0] != "serving_default", item[0]


class TFLiteRunner:
    """A TensorFlow Lite file; one without signatures has the single key ``invoke``."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        keys = list(interpreter.get_signature_list())
        self.signatures = tuple(self._described(key) for key in keys) or (self._bare(),)

    def _described(self, key: str) -> CallSignature:
        runner = self._interpreter.get_signature_runner(key)
        return CallSignature(
            key,
            tuple(_lite_spec(n, d) for n, d in runner.get_input_details().items()),
            tuple(_lite_spec(n, d) for n, d in runner.get_output_details().items()),
        )

    def _bare(self) -> CallSignature:
        return CallSignature(
            "invoke",
            tuple(_lite_spec(d["name"], d) for d in self._interpreter.get_input_details()),
            tuple(_lite_spec(d["name"], d) for d in self._interpreter.get_output_details()),
        )

    def run(self, key: str, inputs: Arrays, passed_as: Mapping[str, str]) -> Output:
        """Run a signature by its runner, or the whole graph."""
        if not self._interpreter.get_signature_list():
            return self._invoke(inputs)
        runner = self._interpreter.get_signature_runner(key)
        arrays = {passed_as.get(n, n): array for n, array in inputs.items()}
        return _timed(lambda: runner(**arrays))

    def _invoke(self, inputs: Arrays) -> Output:
        interpreter = self._interpreter
        details = interpreter.get_input_details()
        for detail in details:
            interpreter.resize_tensor_input(detail["index"], inputs[detail["name"]].shape)
        interpreter.allocate_tensors()
        for detail in details:
            interpreter.set_tensor(detail["index"], inputs[detail["name"]])
        _, seconds = _timed(interpreter.invoke)
        found = interpreter.get_output_details()
        return {d["name"]: interpreter.get_tensor(d["index"]) for d in found}, seconds


def _lite_spec(name: str, detail: Mapping[str, Any]) -> CallTensor:
    sizes = tuple(None if size < 0 else int(size) for size in detail["shape_signature"])
    return CallTensor(name, tf.as_dtype(detail["dtype"]).name, sizes)
