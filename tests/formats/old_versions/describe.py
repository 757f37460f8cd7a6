"""What an old library says of what it saves.

The scripts of this folder import it in an old interpreter, from Python 3.6 on, so it takes the
library as an argument and keeps to what they all have. `expected.py` reads what it writes.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

_SHOWN = 2


class Expected:
    """What was said of each file below a folder, for a JSON file beside the folder.

    ``writer`` is the versions by library name.
    """

    def __init__(self, folder: Path, **writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._files = {}  # type: Any

    def add(self, path: Path, **about: Any) -> None:
        """Keep what is said of a file, or of a checkpoint by its prefix."""
        self._files[path.relative_to(self._folder).as_posix()] = about

    def write(self) -> None:
        """Write it all, a line for each file."""
        files = dict(self._files, writer=self._writer)
        lines = [
            json.dumps(name) + ": " + json.dumps(about, sort_keys=True, separators=(",", ":"))
            for name, about in sorted(files.items())
        ]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        self._folder.with_name(self._folder.name + ".json").write_text(text)


def array(value: Any, name: str = "", dtype: str = "") -> Any:
    """Name, type, shape, SHA-256 of the little-endian bytes in C order, and the first values.

    Strings have their bytes in hexadecimal in place of a digest. ``dtype`` is the library's name
    for it where NumPy has none.
    """
    values = np.asarray(value)
    about = {"name": name, "shape": list(values.shape)}  # type: Any
    if values.dtype.kind in "OSU":
        values = np.asarray(value, object)  # NumPy's own strings lose zeros at their end
        texts = [t.encode() if isinstance(t, str) else bytes(t) for t in values.reshape(-1)]
        return dict(about, dtype="string", strings=[text.hex() for text in texts])
    data = np.ascontiguousarray(values).tobytes()
    first = [round(float(np.real(number)), 6) for number in values.reshape(-1)[:_SHOWN]]
    digest = hashlib.sha256(data).hexdigest()
    return dict(about, dtype=dtype or values.dtype.name, sha256=digest, first=first)


# Keras


def model(made: Any, optimizer: Any = None) -> Any:
    """Layers, ``get_weights()`` in order and the optimizer's state of a Keras model."""
    about = {
        "layers": [layer(one) for one in made.layers],
        "parameters": int(made.count_params()),
        "weights": weights(made),
    }
    if optimizer is not None:
        about["optimizer_weights"] = weights(optimizer)
    return about


def layer(one: Any) -> Any:
    """Name, class, shape and size of a layer; Keras 1 keeps layers inside of ``Merge``, too."""
    return {
        "name": one.name,
        "class_name": type(one).__name__,
        "output_shape": _output_shape(one),
        "parameters": int(one.count_params()),
        "weights": [weight.name for weight in one.weights],
        "layers": [layer(below) for below in getattr(one, "layers", None) or []],
    }


def _output_shape(one: Any) -> Any:
    """Of the first call, since a layer that is used twice has no single shape."""
    try:
        shape = one.output_shape
    except (AttributeError, RuntimeError):
        try:
            shape = one.get_output_shape_at(0)
        except (AttributeError, RuntimeError):
            return None
    if isinstance(shape, list) and shape and isinstance(shape[0], (tuple, list)):
        shape = shape[0]
    return None if shape is None or isinstance(shape, dict) else list(shape)


def weights(holder: Any) -> Any:
    """The weights of a model, layer or optimizer, in the order of ``get_weights()``."""
    variables = holder.weights
    variables = variables() if callable(variables) else variables
    return [
        array(value, variable.name)
        for variable, value in zip(variables, holder.get_weights())  # noqa: B905 - Python 3.6
    ]


# TensorFlow


def checkpoint(tf: Any, reader: Any) -> Any:
    """Every tensor of a checkpoint, as TensorFlow's own reader of it gives them."""
    dtypes = reader.get_variable_to_dtype_map()
    return [
        array(reader.get_tensor(name), name, tf.as_dtype(dtypes[name]).name)
        for name in sorted(dtypes)
    ]


def meta_graphs(tf: Any, message: Any) -> Any:
    """Tags, versions, signatures and operations of every meta graph of a SavedModel message."""
    return [meta_graph(tf, graph) for graph in message.meta_graphs]


def meta_graph(tf: Any, graph: Any) -> Any:
    """One meta graph."""
    return {
        "tags": list(graph.meta_info_def.tags),
        "tensorflow": graph.meta_info_def.tensorflow_version,
        "signatures": {
            key: _signature(tf, signature) for key, signature in graph.signature_def.items()
        },
        "collections": sorted(graph.collection_def),
        "assets": [asset.filename for asset in graph.asset_file_def],
        "graph": graph_def(graph.graph_def),
    }


def graph_def(graph: Any) -> Any:
    """How often each operation stands in a graph and in its functions, and its constants."""
    return {
        "nodes": len(graph.node),
        "ops": dict(Counter(node.op for node in graph.node)),
        "functions": {
            function.signature.name: dict(Counter(node.op for node in function.node_def))
            for function in graph.library.function
        },
    }


def constants(tf: Any, graph: Any) -> Any:
    """The values of a graph's constants."""
    return [
        array(tf.make_ndarray(node.attr["value"].tensor), node.name)
        for node in graph.node
        if node.op == "Const"
    ]


def _signature(tf: Any, signature: Any) -> Any:
    return {
        "method": signature.method_name,
        "inputs": {key: _tensor_info(tf, info) for key, info in signature.inputs.items()},
        "outputs": {key: _tensor_info(tf, info) for key, info in signature.outputs.items()},
    }


def _tensor_info(tf: Any, info: Any) -> Any:
    shape = info.tensor_shape
    return {
        "dtype": tf.as_dtype(info.dtype).name if info.dtype else "invalid",
        "shape": None if shape.unknown_rank else [dim.size for dim in shape.dim],
        "name": info.name,
    }


def tflite(interpreter: Any) -> Any:
    """The tensors, inputs, outputs and signatures of a TensorFlow Lite interpreter."""
    listed = getattr(interpreter, "get_signature_list", dict)
    return {
        "tensors": [
            {
                "name": about["name"],
                "shape": [int(size) for size in about["shape"]],
                "dtype": np.dtype(about["dtype"]).name,
                "index": int(about["index"]),
            }
            for about in interpreter.get_tensor_details()
        ],
        "inputs": [int(about["index"]) for about in interpreter.get_input_details()],
        "outputs": [int(about["index"]) for about in interpreter.get_output_details()],
        "signatures": listed(),
    }
