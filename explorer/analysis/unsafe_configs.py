"""What a Keras configuration would make Keras run, import or read when the model is built.

Read as data: nothing that a config names is imported or called. The cases are those of Keras's
security advisories: Lambda layers (CVE-2024-3660, CVE-2025-9905), names of any function
(CVE-2025-1550, -8747, -9906) and vocabularies read from a path (CVE-2025-12058).
"""

from __future__ import annotations

import base64
import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from explorer.analysis.finding import Finding, Judgement, Severity, shortened
from explorer.analysis.keras_names import (
    ACTIVATIONS,
    FUNCTIONS,
    OPTIMIZERS,
    TENSORFLOW_FUNCTIONS,
)
from explorer.analysis.tf_layers import tensorflow_layer
from explorer.analysis.vocabulary_paths import vocabulary_path
from explorer.formats.artifact import Config
from explorer.formats.json_tree import as_mapping, as_text
from explorer.formats.keras.own_classes import (
    APPLICATION_LAYERS,
    is_application_layer,
    is_operation,
    is_own,
)

_MOST = 1_000_000
"""How many objects of one config are looked at; more is a finding of its own."""

_KERAS_LIBRARIES = {"keras_hub", "keras_cv", "keras_nlp"}
_KERAS_PACKAGES = {"keras", "tf_keras"} | _KERAS_LIBRARIES
_KERAS_IN_TENSORFLOW = re.compile(r"tensorflow(\.python)?\.keras")
_MODELLING = re.compile(
    r"(src\.)?(activations|constraints|dtype_policies|engine|initializers|layers|"
    r"legacy\.(backend|layers|losses)|losses|metrics|mixed_precision|models|ops|optimizers|"
    r"premade_models|quantizers|random|regularizers|feature_column)(\..+)?"
)
"""The parts of Keras that a model is made of, below ``keras.``."""
_NO_MODELLING = re.compile(
    r"(load|save|warmstart)_\w+|model_from_\w+|(de)?serialize\w*|get|get_file|"
    r"get_symbol_from_name|func_load"
)
"""Functions in those parts that are none of a model's."""
_APPLICATIONS = re.compile(r"(src\.)?applications(?:\.(\w+))?")
"""Whole models, whose makers read weights from a path, with layers and what prepares images."""
_FEATURE_SPACES = {"FeatureSpace", "Feature", "Cross"}
_LIBRARIES = frozenset(
    """
    cloudpickle dill jax joblib numpy pandas pip pkg_resources requests scipy setuptools sklearn
    torch urllib3 yaml
    """.split()  # noqa: SIM905
)
"""General libraries that are often installed beside Keras."""
_TYPE_SPECS = re.compile(
    r"tensorflow\.python\.(data\.ops|framework|ops|ops\.ragged)\.\w+\."
    r"(Dataset|IndexedSlices|None|Optional|RaggedTensor|SparseTensor|Tensor|TensorArray)Spec"
)
"""The types of inputs, which ``tf_keras`` names by their modules in TensorFlow."""
_LAMBDA_KEYS = ("function", "output_shape", "mask")
_ACTIVATION_KEYS = ("activation", "recurrent_activation")

_UNREAD = "It cannot be read, so nothing in it was looked at; Keras may still read and follow it."

_DANGER, _WARNING = Severity.DANGER, Severity.WARNING


def config_findings(configs: Iterable[Config]) -> Iterator[Finding]:
    """The findings of every object in every config."""
    for config in configs:
        if config.value is None:
            yield Finding(_DANGER, "not-scanned", config.where, _UNREAD)
        objects = _objects(config.value)
        for value, layer in islice(objects, _MOST):
            where = f"{config.where}: {layer}" if layer else config.where
            for severity, rule, message in _judged(value):
                yield Finding(severity, rule, where, message)
        if next(objects, None) is not None:
            yield Finding(
                _DANGER,
                "not-scanned",
                config.where,
                f"It holds more than {_MOST:,} objects, as no model does; what comes after them "
                "was not looked at.",
            )


def _objects(value: Any) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every JSON object with the name of the nearest one around it that has a name."""
    pending: list[tuple[Any, str]] = [(value, "")]
    while pending:
        item, name = pending.pop()
        if isinstance(item, dict):
            name = _name(item) or name
            yield item, name
            pending += [(below, name) for below in reversed(item.values())]
        elif isinstance(item, list):
            pending += [(below, name) for below in reversed(item)]


def _name(value: Mapping[str, Any]) -> str:
    config = value.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    found = value.get("name") or inner
    return found if isinstance(found, str) and "class_name" in value else ""


@dataclass(frozen=True, slots=True)
class _Named:
    """What an object's config names: a class, a function or a type, and the module it is from.

    Keras joins ``module`` and name and looks them up as one, so a name with dots in it goes on
    from the module (``_retrieve_class_or_fn`` in ``keras/src/saving/serialization_lib.py``).
    """

    module: str
    name: str
    is_function: bool
    has_dots: bool

    @classmethod
    def by(cls, value: Mapping[str, Any]) -> _Named | None:
        """That of an object, ``None`` where it is no object of Keras."""
        class_name, config = value.get("class_name"), value.get("config")
        if not isinstance(class_name, str):
            return None
        is_function = class_name == "function" and isinstance(config, str)
        written = config if isinstance(config, str) and is_function else class_name
        if class_name == "__typespec__":
            written = as_text(value.get("spec_name"))
        plain = written.rpartition(">")[2]
        path = _KERAS_IN_TENSORFLOW.sub("tf_keras", f"{as_text(value.get('module'))}.{plain}")
        module, _, name = path.rpartition(".")
        return cls(module.lstrip("."), name, is_function, "." in plain)

    @property
    def package(self) -> str:
        """The first part of the module."""
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return shortened(f"{self.module}.{self.name}")


def _judged(value: Mapping[str, Any]) -> Iterator[Judgement]:
    named = _Named.by(value)
    if named is not None:
        settings = as_mapping(value.get("config"))
        yield from _lambda(named.name, settings)
        yield from tensorflow_layer(named.name, settings, value)
        yield from vocabulary_path(named.name, settings)
        yield from _saved_model_layer(named.name, settings)
        yield from _activations(settings)
        yield from _operation(value)
        yield from _application_layer(named, value)
        yield from _origin(named, value)


def _lambda(class_name: str, config: Mapping[str, Any]) -> Iterator[Judgement]:
    """Keras 3 marks marshalled code by a class of its own; Keras 2 keeps it in a list or a text."""
    is_layer = class_name == "Lambda"
    settings = {key: config.get(key) for key in _LAMBDA_KEYS} if is_layer else {}
    if class_name == "__lambda__" or any(
        _is_code(value, config.get(f"{key}_type")) for key, value in settings.items()
    ):
        yield (
            _DANGER,
            "lambda-code",
            "It holds marshalled Python bytecode: Keras 2 runs it on loading, as does Keras 3 for "
            ".h5 files or with safe_mode=False.",
        )
    elif isinstance(settings.get("function"), str):
        yield (
            _WARNING,
            "lambda-layer",
            f"It calls the function {shortened(settings['function'])}, which must be supplied and "
            "runs with every call of the model.",
        )


def _is_code(value: Any, kind: Any) -> bool:
    """Marshalled code in base64: a text, or a list of it with defaults and closure.

    A code object is marshalled with the type ``c``, and the topmost bit where it is referred to.
    """
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, str):
        return False
    if kind == "lambda":
        return True
    try:
        start = base64.b64decode(first[:4].encode())
    except ValueError:
        return isinstance(value, list)
    return isinstance(value, list) or (len(first) > 40 and start[:1] in (b"c", b"\xe3"))


def _saved_model_layer(class_name: str, config: Mapping[str, Any]) -> Iterator[Judgement]:
    if class_name == "TFSMLayer":
        yield (
            _DANGER,
            "loads-saved-model",
            f"The layer loads and runs the SavedModel at {shortened(config.get('filepath'))}, "
            "whatever is in it.",
        )
    if class_name == "TorchModuleWrapper":
        yield (
            _DANGER,
            "pickle",
            "The layer holds a pickled PyTorch module, and unpickling runs code of its author.",
        )


def _activations(config: Mapping[str, Any]) -> Iterator[Judgement]:
    for key in _ACTIVATION_KEYS:
        name = config.get(key)
        if isinstance(name, str) and name not in ACTIVATIONS:
            yield _of_tensorflow(name) or (
                _WARNING,
                "custom-object",
                f"The activation {shortened(name)} is not Keras's own: it must be supplied.",
            )


def _of_tensorflow(name: str) -> Judgement | None:
    if name not in TENSORFLOW_FUNCTIONS:
        return None
    return (
        Severity.NOTE,
        "tensorflow-function",
        f"{name} is what TensorFlow calls {TENSORFLOW_FUNCTIONS[name]}, which Keras does not find "
        "by that name: it must be supplied to load the model.",
    )


def _operation(value: Mapping[str, Any]) -> Iterator[Judgement]:
    """Keras 3 writes operations without their module to ``.h5``, and looks for layers there."""
    if "module" not in value and is_operation(value):
        yield (
            Severity.NOTE,
            "keras-operation",
            f"{shortened(value['class_name'])} is an operation of Keras itself, which Keras does "
            "not find when it loads a .h5 file: save the model as .keras, or pass its class in "
            "custom_objects, if no layer of the model has a class of the same name.",
        )


def _application_layer(named: _Named, value: Mapping[str, Any]) -> Iterator[Judgement]:
    """Keras 3 finds by its module what it does not export, Keras 2 only what it has registered."""
    names = (as_text(value.get(key)) for key in ("class_name", "registered_name"))
    is_registered = any(">" in name for name in names)
    is_found = is_registered or (named.package and not _is_of_keras_2(named, value))
    if is_application_layer(value) and not is_found:
        yield (
            Severity.NOTE,
            "keras-application",
            f"{shortened(named.name)} is a layer of Keras itself, of a model in "
            "keras.applications, which Keras does not find when it loads this file: pass its class "
            "in custom_objects.",
        )


def _is_of_keras_2(named: _Named, value: Mapping[str, Any]) -> bool:
    """By its module, or by its calls, which are lists there."""
    nodes = value.get("inbound_nodes")
    calls = nodes if isinstance(nodes, list) else []
    return named.package == "tf_keras" or any(isinstance(call, list) for call in calls)


def _origin(named: _Named, value: Mapping[str, Any]) -> Iterator[Judgement]:
    """Where the class or function would be taken from."""
    is_of_library = _is_library_class(named)
    if named.package in _KERAS_PACKAGES:
        if not (is_of_library or _is_modelling(named.module.partition(".")[2], named.name)):
            yield (
                _DANGER,
                "function-outside-modelling",
                f"It names {named}, which is no part of a model: calling it can read or write "
                "files, or turn Keras's own protection off.",
            )
            return
        if named.has_dots:
            yield (
                _WARNING,
                "dotted-name",
                f"It names {named} by a name with dots in it, as Keras writes none: this can hide "
                "from others what is named.",
            )
    elif _is_of_python(named):
        yield _outside(named, "a part of Python itself")
        return
    elif named.package in _LIBRARIES or named.package == "tensorflow":
        if not _TYPE_SPECS.fullmatch(f"{named.module}.{named.name}"):
            yield _outside(named, "a part of a general library")
        return
    yield from [_library_class(named)] if is_of_library else _custom(named, value)


def _is_library_class(named: _Named) -> bool:
    """Whether it is a layer, tokenizer, sampler or the like of a library beside Keras."""
    is_class = named.name[:1].isupper() and not named.is_function
    is_utility = "utils" in named.module.split(".")
    return named.package in _KERAS_LIBRARIES and is_class and not is_utility


def _library_class(named: _Named) -> Judgement:
    return (
        _WARNING,
        "custom-object",
        f"{shortened(named.name)} is a class of {named.package}, not of Keras itself: install "
        f"{named.package} and import it to load the model; its code runs then.",
    )


def _is_modelling(part: str, name: str) -> bool:
    """Whether a name below ``keras.`` is a layer, loss and the like: others are never asked for."""
    if name in _FEATURE_SPACES:
        return True
    application = _APPLICATIONS.fullmatch(part)
    if application:
        home, _ = APPLICATION_LAYERS.get(name, ("", ()))
        return name == "preprocess_input" or application[2] == home
    return (not part or bool(_MODELLING.fullmatch(part))) and not _NO_MODELLING.fullmatch(name)


def _is_of_python(named: _Named) -> bool:
    if named.package == "builtins":
        is_builtin = hasattr(builtins, named.name) and named.name not in FUNCTIONS
        return is_builtin or not named.is_function
    return named.package in sys.stdlib_module_names and named.package != "__main__"


def _outside(named: _Named, what: str) -> Judgement:
    return (
        _DANGER,
        "outside-keras",
        f"It names {named}, {what}: older Keras 3 imports and calls what a config names.",
    )


def _custom(named: _Named, value: Mapping[str, Any]) -> Iterator[Judgement]:
    package = "" if named.package == "builtins" else named.package
    is_function = named.is_function and not package and named.name not in FUNCTIONS
    if is_function or _is_custom(named, value):
        origin = f" of the module {shortened(named.module)}" if package else ""
        yield (_of_tensorflow(named.name) if is_function else None) or (
            _WARNING,
            "custom-object",
            f"{shortened(named.name)}{origin} is not Keras's own: its code must be supplied to "
            "load the model, and runs then.",
        )


def _is_custom(named: _Named, value: Mapping[str, Any]) -> bool:
    if is_application_layer(value):
        return False
    if ">" in as_text(value.get("registered_name")):
        return True
    if named.package:
        return named.package not in _KERAS_PACKAGES | {"builtins"}
    origin, mark, name = as_text(value.get("class_name")).rpartition(">")
    if mark:
        return origin != "Custom" or name not in OPTIMIZERS
    is_layer = isinstance(value.get("config"), dict) and (
        "inbound_nodes" in value or "trainable" in value["config"]
    )
    return is_layer and not is_own(value)
