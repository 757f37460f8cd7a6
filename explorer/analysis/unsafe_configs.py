"""What a Keras configuration would make Keras run, import or read when the model is built.

Read as data: nothing that a config names is imported or called. The cases are those of Keras's
security advisories: Lambda layers (CVE-2024-3660, CVE-2025-9905), names of any function
(CVE-2025-1550, -8747, -9906) and vocabularies read from a path (CVE-2025-12058).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from explorer.analysis.finding import Finding, Severity
from explorer.analysis.keras_names import ACTIVATIONS, FUNCTIONS, LAYERS, OPTIMIZERS
from explorer.formats.artifact import Config

_MOST = 200_000
"""How many objects of one config are looked at."""

_KERAS_PACKAGES = {"keras", "keras_hub", "keras_cv", "keras_nlp", "tf_keras"}
_NO_MODELLING = re.compile(
    r"keras\.(src\.)?(utils|saving|config|models|backend|preprocessing|export)(\..+)?\."
    r"(get_file|load_\w+|save_\w+|\w+_from_directory|model_from_json|enable_unsafe_deserialization|"
    r"clear_session|(de)?serialize_keras_object|register_keras_serializable|_?extract_\w+)"
)
_BUILTIN_TRAPS = {
    "__import__",
    "breakpoint",
    "compile",
    "delattr",
    "eval",
    "exec",
    "getattr",
    "globals",
    "input",
    "open",
    "setattr",
}
_UNSAFE_TF = re.compile(
    r"(.*\.)?(io\..+|raw_ops\..*(File|PyFunc|Rpc|Save|Restore|Record).*|py_function|"
    r"numpy_function|py_func|load_op_library|load_library|saved_model\..+|summary\..+)"
)
_VOCABULARY_LAYERS = {"IntegerLookup", "StringLookup", "TextVectorization", "IndexLookup"}
_ACTIVATION_KEYS = ("activation", "recurrent_activation")

_DANGER, _WARNING = Severity.DANGER, Severity.WARNING


def config_findings(configs: Iterable[Config]) -> Iterator[Finding]:
    """The findings of every object in every config."""
    for config in configs:
        for value, layer in _objects(config.value):
            where = f"{config.where}: {layer}" if layer else config.where
            for severity, rule, message in _judged(value):
                yield Finding(severity, rule, where, message)


def _objects(value: Any) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every JSON object with the name of the nearest one around it that has a name."""
    pending: list[tuple[Any, str]] = [(value, "")]
    for _ in range(_MOST):
        if not pending:
            return
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


_Judgement = tuple[Severity, str, str]


def _judged(value: Mapping[str, Any]) -> Iterator[_Judgement]:
    class_name, module, config = value.get("class_name"), value.get("module"), value.get("config")
    if isinstance(class_name, str):
        plain = class_name.rpartition(">")[2]
        settings = config if isinstance(config, dict) else {}
        yield from _lambda(plain, settings)
        yield from _tf_function(plain, settings)
        yield from _vocabulary(plain, settings)
        yield from _saved_model_layer(plain, settings)
        yield from _activations(settings)
        yield from _origin(class_name, module if isinstance(module, str) else "", config, value)


def _lambda(class_name: str, config: Mapping[str, Any]) -> Iterator[_Judgement]:
    """Keras 3 marks marshalled code by a class of its own, Keras 2 keeps it in a list."""
    function = config.get("function") if class_name == "Lambda" else None
    if class_name == "__lambda__" or isinstance(function, list):
        yield (
            _DANGER,
            "lambda-code",
            "It holds marshalled Python bytecode: Keras 2 runs it on loading, as does Keras 3 for "
            ".h5 files or with safe_mode=False.",
        )
    elif isinstance(function, str):
        yield (
            _WARNING,
            "lambda-layer",
            f"It calls the function {_short(function)}, which must be supplied and runs with every "
            "call of the model.",
        )


def _tf_function(class_name: str, config: Mapping[str, Any]) -> Iterator[_Judgement]:
    """`TFOpLambda` of Keras 2 calls the symbol of TensorFlow's interface that it names."""
    function = config.get("function")
    calls = class_name in ("TFOpLambda", "ClassMethod") and isinstance(function, str)
    if calls and _UNSAFE_TF.fullmatch(str(function)):
        yield (
            _DANGER,
            "calls-tensorflow",
            f"The layer calls tf.{_short(function)}, which reaches files, Python or libraries.",
        )


def _vocabulary(class_name: str, config: Mapping[str, Any]) -> Iterator[_Judgement]:
    path = config.get("vocabulary")
    if class_name not in _VOCABULARY_LAYERS or not isinstance(path, str):
        return
    outside = path.startswith(("/", "\\", "~")) or "://" in path or ".." in path or ":" in path[:3]
    yield (
        _DANGER if outside else _WARNING,
        "reads-vocabulary",
        f"Its vocabulary is read from the path {_short(path)} when the model is built.",
    )


def _saved_model_layer(class_name: str, config: Mapping[str, Any]) -> Iterator[_Judgement]:
    if class_name == "TFSMLayer":
        yield (
            _DANGER,
            "loads-saved-model",
            f"The layer loads and runs the SavedModel at {_short(config.get('filepath'))}, "
            "whatever is in it.",
        )
    if class_name == "TorchModuleWrapper":
        yield (
            _DANGER,
            "pickle",
            "The layer holds a pickled PyTorch module, and unpickling runs code of its author.",
        )


def _activations(config: Mapping[str, Any]) -> Iterator[_Judgement]:
    for key in _ACTIVATION_KEYS:
        name = config.get(key)
        if isinstance(name, str) and name not in ACTIVATIONS:
            yield (
                _WARNING,
                "custom-object",
                f"The activation {_short(name)} is not Keras's own: it must be supplied.",
            )


def _origin(
    class_name: str, module: str, config: Any, value: Mapping[str, Any]
) -> Iterator[_Judgement]:
    """Where the class or function would be taken from."""
    named = config if class_name == "function" and isinstance(config, str) else class_name
    package = module.partition(".")[0]
    if _NO_MODELLING.fullmatch(f"{module}.{named}"):
        yield (
            _DANGER,
            "function-outside-modelling",
            f"It names {_short(module)}.{_short(named)}, which is no part of a model: calling it "
            "reads or writes files, or turns Keras's own protection off.",
        )
    elif _is_of_python(package, named):
        yield _outside(module, named)
    elif _is_custom(class_name, package, value) or _is_custom_function(class_name, package, config):
        origin = f" of the module {_short(module)}" if package not in ("", "builtins") else ""
        yield (
            _WARNING,
            "custom-object",
            f"{_short(named)}{origin} is not Keras's own: its code must be supplied to load the "
            "model, and runs then.",
        )


def _is_of_python(package: str, named: str) -> bool:
    if package == "builtins":
        return named in _BUILTIN_TRAPS
    return package in sys.stdlib_module_names and package != "__main__"


def _outside(module: str, named: str) -> _Judgement:
    return (
        _DANGER,
        "outside-keras",
        f"It names {_short(module)}.{_short(named)}, a function of Python itself: older Keras 3 "
        "imports and calls what a config names.",
    )


def _is_custom(class_name: str, package: str, value: Mapping[str, Any]) -> bool:
    registered = value.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return True
    if package:
        return package not in _KERAS_PACKAGES | {"builtins", "tensorflow"}
    origin, mark, name = class_name.rpartition(">")
    if mark:
        return origin != "Custom" or name not in OPTIMIZERS
    is_layer = isinstance(value.get("config"), dict) and (
        "inbound_nodes" in value or "trainable" in value["config"]
    )
    return is_layer and class_name not in LAYERS


def _is_custom_function(class_name: str, package: str, config: Any) -> bool:
    named = class_name == "function" and package in ("", "builtins") and isinstance(config, str)
    return named and config not in FUNCTIONS


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]} …"
