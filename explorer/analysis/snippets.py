"""Python code that does what the program does, to copy."""

from __future__ import annotations

import keyword
from collections.abc import Sequence

from explorer.formats.artifact import Artifact, Signature, SignatureTensor


def is_callable(signature: Signature) -> bool:
    """Whether a program can call it; SavedModel also keeps its initialisation among signatures.

    ``INIT_OP_SIGNATURE_KEY`` and ``TRAIN_OP_SIGNATURE_KEY`` of tensorflow/python/saved_model.
    """
    return not signature.key.startswith("__saved_model_")


def in_order(signatures: Sequence[Signature]) -> list[Signature]:
    """As they are stored, those that nobody calls last."""
    return sorted(signatures, key=lambda signature: not is_callable(signature))


def signature_code(artifact: Artifact, signature: Signature) -> str:
    """A script that loads the artifact and calls one of its signatures with zeros.

    An unknown dimension is given the size 1.
    """
    if artifact.format == "tflite":
        return _tflite_code(artifact.path, signature)
    tags = {s.tag_set for s in artifact.signatures}
    tag_argument = f", tags={list(signature.tag_set)!r}" if len(tags) > 1 else ""
    return (
        "import tensorflow as tf\n\n"
        f"loaded = tf.saved_model.load({artifact.path!r}{tag_argument})\n"
        f"run = loaded.signatures[{signature.key!r}]\n"
        f"outputs = run({_arguments(signature.inputs, 'tf')})\n"
        f"{_printing(signature)}"
    )


def model_code(call: str, inputs: Sequence[SignatureTensor]) -> str:
    """A script that loads a Keras model by ``call`` and predicts from zeros.

    Where ``call`` loads into a model, that model is the reader's own to build first.
    """
    package = call.partition(".")[0]
    if package == "model" or call.startswith("tf."):
        imports = "import numpy as np\nimport tensorflow as tf\n\n"
        loading = f"# build the model first, by its own code: model = …\n{call}\n"
    else:
        imports = f"import numpy as np\nimport {package}\n\n"
        loading = f"model = {call}\n"
    values = [_zeros(tensor, "np") for tensor in inputs]
    given = values[0] if len(values) == 1 else f"[{', '.join(values)}]"
    return f"{imports}{loading}outputs = model.predict({given})\nprint(outputs)\n"


def _tflite_code(path: str, signature: Signature) -> str:
    return (
        "import numpy as np\n"
        "import tensorflow as tf\n\n"
        f"interpreter = tf.lite.Interpreter({path!r})\n"
        f"run = interpreter.get_signature_runner({signature.key!r})\n"
        f"outputs = run({_arguments(signature.inputs, 'np')})\n"
        f"{_printing(signature)}"
    )


def _printing(signature: Signature) -> str:
    lines = [f"print(outputs[{tensor.name!r}])" for tensor in signature.outputs]
    return "".join(f"{line}\n" for line in lines)


def _arguments(inputs: tuple[SignatureTensor, ...], module: str) -> str:
    """Keyword arguments; in a dictionary where a name is no Python name."""
    values = [(tensor.name, _zeros(tensor, module)) for tensor in inputs]
    if all(name.isidentifier() and not keyword.iskeyword(name) for name, _ in values):
        return ", ".join(f"{name}={value}" for name, value in values)
    return "**{" + ", ".join(f"{name!r}: {value}" for name, value in values) + "}"


def _zeros(tensor: SignatureTensor, module: str) -> str:
    shape = [1 if size is None else size for size in tensor.shape or ()]
    if tensor.dtype == "string" and module == "np":
        return f"np.full({shape}, b'', object)"
    dtype = "bool_" if tensor.dtype == "bool" and module == "np" else tensor.dtype
    return f"{module}.zeros({shape}, {module}.{dtype})"
