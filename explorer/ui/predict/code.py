"""Python that loads an artifact and runs a signature, as this program just did."""

from __future__ import annotations

from explorer.engine.messages import CallSignature, Loaded, LoadRef, ModelRef


def code_for(loaded: Loaded, source: LoadRef | ModelRef, signature: CallSignature) -> str:
    """A short script; the inputs are placeholders of the right name, dtype and shape."""
    lines = ["import numpy as np", "import tensorflow as tf", ""]
    lines += [_input_line(position, signature) for position in range(len(signature.inputs))]
    if isinstance(source, ModelRef):
        lines += ["", "# model: trained in memory; save it first to run this elsewhere"]
        return "\n".join([*lines, f"outputs = model.predict({_first(signature)})", ""])
    if source.loader == "saved_model":
        return "\n".join([*lines, "", *_saved_model(source, signature), ""])
    if source.loader == "tflite":
        return "\n".join([*lines, "", *_tflite(source, signature), ""])
    return "\n".join([*lines, "", loaded.call, f"outputs = model.predict({_first(signature)})", ""])


def _variable(position: int) -> str:
    return f"input_{position}"


def _input_line(position: int, signature: CallSignature) -> str:
    tensor = signature.inputs[position]
    dims = [str(8 if d is None else d) for d in tensor.shape or ()]
    shape = f"({', '.join(dims)}{',' if len(dims) == 1 else ''})"
    dtype = "object" if tensor.dtype == "string" else f'"{tensor.dtype}"'
    return f"{_variable(position)} = np.zeros({shape}, dtype={dtype})  # {tensor.name}"


def _first(signature: CallSignature) -> str:
    names = [_variable(position) for position in range(len(signature.inputs))]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _saved_model(source: LoadRef, signature: CallSignature) -> list[str]:
    arguments = ", ".join(
        f"{tensor.name!r}: tf.constant({_variable(position)})"
        for position, tensor in enumerate(signature.inputs)
    )
    return [
        f"restored = tf.saved_model.load({source.path!r})",
        f"f = restored.signatures[{signature.key!r}]",
        f"outputs = f(**{{{arguments}}})",
    ]


def _tflite(source: LoadRef, signature: CallSignature) -> list[str]:
    arguments = ", ".join(
        f"{tensor.name!r}: {_variable(position)}"
        for position, tensor in enumerate(signature.inputs)
    )
    return [
        f"interpreter = tf.lite.Interpreter({source.path!r})",
        "runner = interpreter.get_signature_runner()",
        f"outputs = runner(**{{{arguments}}})",
    ]
