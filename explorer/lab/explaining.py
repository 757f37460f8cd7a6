"""Why something went wrong, in plain words: for the libraries' errors, and as errors of our own."""

from __future__ import annotations

import re


class PlainError(Exception):
    """An error whose text says already what happened, why, and what to do next."""


class SettingsError(PlainError):
    """Settings that contradict each other or the data."""


class InputError(PlainError):
    """Inputs that the model cannot take."""


class ArtifactError(PlainError):
    """A path that does not hold what the loader needs."""


class TargetError(PlainError):
    """A place where nothing can be saved."""


_REASONS: tuple[tuple[str, str, str], ...] = (
    (
        "ValueError",
        r"must end in `\.weights\.h5`",
        "Keras 3 writes weights only to files that end in .weights.h5. Choose such a name, or use "
        "the Keras 2 line.",
    ),
    (
        "ValueError",
        r"`save_format` argument is deprecated",
        "Keras 3 chooses the format by the file's ending. Use export for a SavedModel folder, or a "
        "name that ends in .keras.",
    ),
    (
        "InvalidArgumentError",
        r"ParseExample|Could not parse example",
        "This input takes serialized tf.train.Example messages that hold the named features, not "
        "plain text. Give it such bytes, or choose another signature.",
    ),
    (
        "NotImplementedError",
        r"HDF5 format requires the model to be a Functional",
        "A whole-model HDF5 file describes the layers as data; a subclassed model has its "
        "structure in Python code. Use tf.saved_model.save, or save the weights alone.",
    ),
    (
        "ValueError",
        r"No gradients provided for any variable",
        "With @tf.function on call, Keras 3 finds the variables only if the model is built before "
        "it is called. Have it built first, or take the ported form, whose call is plain.",
    ),
    (
        "",
        r"[Cc]ould not locate class|Unknown (layer|object)|cannot locate class",
        "The file names a class of the author's own code and does not hold that code. For the "
        "notes' class MyModel choose the way to load that names it in custom_objects; any other "
        "class is not known here: load the file in Python, beside its code.",
    ),
    (
        "",
        r"Unknown (loss|metric|activation|optimizer)",
        "The file names a function of the author's own code. It was compiled in; load with "
        "compile=False where only predictions are wanted.",
    ),
    (
        "ValueError",
        r"Argument\(s\) not recognized: \{'lr'|`?lr`? is not|unrecognized.*\blr\b",
        "The optimizer was stored by an older Keras, which called its learning rate lr. Load with "
        "compile=False, or with Keras 2.",
    ),
    (
        "",
        r"keras\.metrics\.mse|keras\.losses\.mse|Could not deserialize '?mse|Could not locate "
        r"function '(mse|mae|mean_)",
        "The model was compiled with a loss or metric by its short name, which today's Keras does "
        "not find. Load with compile=False.",
    ),
    (
        "ValueError",
        r"File format not supported.*`\.weights\.h5` files",
        "TensorFlow checkpoint: Keras 3's load_weights reads only .weights.h5; choose a Keras 2 "
        "model.",
    ),
    (
        "ValueError",
        r"File format not supported",
        "Keras 3 reads .keras and .h5 files with load_model. A SavedModel folder is run with "
        "tf.saved_model.load, or read with Keras 2.",
    ),
    (
        "TypeError",
        r"batch_shape|batch_input_shape|unrecognized keyword|Unrecognized keyword",
        "The layers' settings were written by another Keras line. Try the loader of the other "
        "line: keras for Keras 3, tf_keras for Keras 2.",
    ),
    (
        "TypeError",
        r"Error encountered during deserialization: .*unexpected keyword argument",
        "The class given does not take the settings that Keras stored for it. Let its __init__ "
        "take **kwargs, or define from_config.",
    ),
    (
        "TypeError",
        r"missing (a )?required argument|got (an )?unexpected keyword|missing required "
        r"positional|Binding inputs to tf\.function",
        "The signature's inputs have other names. Pass each input by the name that the signature "
        "shows.",
    ),
    (
        "ValueError",
        r"Layer count mismatch|objects could not be loaded|has \d+ variables? whereas|"
        r"axes don't match|expected \d+ variables|You are trying to load a weight file|"
        r"number of layers|Shape mismatch|shapes? .*incompatible|does not match the shape",
        "The weights were saved from a model with other layers. Build the model with the layers "
        "and sizes it had when it was saved.",
    ),
    (
        "",
        r"bad marshal data|safe_mode|Lambda.*(disallowed|arbitrary)",
        "The file holds Python code in a Lambda layer, which is not run here and often only runs "
        "on the Python that wrote it.",
    ),
    (
        "RuntimeError",
        r"more than one meta ?graph|MetaGraphDef.*could not be found",
        "The SavedModel does not hold exactly one meta graph with the tag serve.",
    ),
    (
        "",
        r"Unable to (synchronously )?open file|file signature not found|truncated file|"
        r"not a zip file|accessible `\.keras` zip file|Bad magic|should be 'TFL3'|"
        r"Cannot parse file|Can't parse .* as binary proto|not a valid (TensorFlow Lite|"
        r"flatbuffer)|Unable to restore.*checkpoint|DATA_?LOSS|not an sstable",
        "The file is damaged, cut short, or of another format than this loader reads.",
    ),
    (
        "NotFoundError",
        r"not found in checkpoint|Key .* not found",
        "The checkpoint does not hold a variable that the model has: it was saved from a model "
        "with other layers.",
    ),
    (
        "",
        r"No such file or directory|Unsuccessful TensorSliceReader|does not exist",
        "Nothing is at the path any more, or part of the artifact is missing. Check that it was "
        "not moved, and open it again.",
    ),
    ("", r"No space left on device|disk full", "The disk is full. Make room and save again."),
    (
        "",
        r"Permission denied|Operation not permitted|Read-only file system|Access is denied",
        "This place cannot be written or read by you. Choose another folder.",
    ),
    (
        "MemoryError|ResourceExhaustedError",
        r"",
        "The memory does not suffice. Use fewer rows, smaller layers or a smaller batch.",
    ),
    (
        "ModuleNotFoundError|ImportError",
        r"tensorflow|keras|DLL load failed|cannot open shared object",
        "TensorFlow is missing or broken in this Python. Install the program again in a fresh "
        "virtual environment.",
    ),
)


def explain(exception: str, message: str) -> str:
    """Why an exception of this type and text happened and what to do next; empty if not known."""
    for types, pattern, reason in _REASONS:
        fits = not types or exception in types.split("|")
        if fits and re.search(pattern, message):
            return reason
    return ""
