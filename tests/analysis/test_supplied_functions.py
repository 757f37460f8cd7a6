"""Activations of TensorFlow in Keras files, compared with what Keras finds when it loads them."""

from __future__ import annotations

import importlib
import operator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from explorer.analysis.keras_names import TENSORFLOW_FUNCTIONS
from explorer.analysis.safety import scan
from explorer.formats.registry import open_artifact


def _saved(k: Any, activation: Any, path: Path) -> Path:
    k.Sequential([k.Input((4,)), k.layers.Dense(2, activation=activation)]).save(path)
    return path


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("line", ["keras", "tf_keras"])
@pytest.mark.parametrize("name", TENSORFLOW_FUNCTIONS)
def test_a_function_of_tensorflow_is_named_where_keras_does_not_find_it(
    name: str, line: str, ending: str, tmp_path: Path
) -> None:
    import tensorflow as tf

    k, symbol = importlib.import_module(line), TENSORFLOW_FUNCTIONS[name]
    function = operator.attrgetter(symbol.removeprefix("tf."))(tf)
    assert function.__name__ == name
    path = _saved(k, function, tmp_path / f"model.{ending}")
    with closing(open_artifact(str(path))) as artifact:
        found = list(scan(artifact))
    if not found:
        k.models.load_model(path)
        return
    assert [(one.severity.value, one.rule) for one in found] == [("note", "tensorflow-function")]
    assert symbol in found[0].message
    with pytest.raises((TypeError, ValueError), match=name):
        k.models.load_model(path)
    if (line, ending) != ("tf_keras", "h5"):  # which Keras 2 then looks for as "function"
        k.models.load_model(path, custom_objects={name: function})
