"""The Keras files that the Lab's own save methods write, compared with the models in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import Role
from explorer.lab.catalog import DEMOS, SAVE_METHODS, DemoSettings, Line
from tests.formats import keras_originals
from tests.formats.walking import values

FORMATS = {
    "weights_h5": "keras_weights_hdf5",
    "whole_h5": "keras_hdf5",
    "weights_today": "keras_weights_hdf5",
    "keras_archive": "keras_archive",
}
"""What each method that writes one Keras file writes."""


def _all_settings() -> Iterator[DemoSettings]:
    for demo in DEMOS.values():
        for line in Line:
            yield demo.settings(line)
    yield DEMOS["subclass"].settings(Line.KERAS3, ported=True)


def _cases() -> Iterator[tuple[DemoSettings, str]]:
    for settings in _all_settings():
        for method in FORMATS:
            if SAVE_METHODS[method].refusal(settings.variant) is None:
                yield settings, method


@pytest.mark.parametrize(
    ("settings", "method"), list(_cases()), ids=lambda value: getattr(value, "variant", value)
)
def test_what_a_save_method_writes_is_what_was_in_memory(
    settings: DemoSettings, method: str, tmp_path: Path, opened: Any
) -> None:
    from explorer.lab import models, saving

    demo = models.build(settings)
    target = tmp_path / SAVE_METHODS[method].targets[settings.demo]
    saving.save(demo, method, target, replace=False)
    artifact = opened(target)
    assert artifact.format == FORMATS[method]
    weights = demo.model.get_weights()
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(weights)
    assert artifact.parameters() == demo.model.count_params()
    listed = [x.parameters for x in artifact.layers() if x.class_name != "InputLayer"]
    expected = [sum(w.size for w in x.get_weights()) for x in demo.model.layers]
    assert sorted(filter(None, listed)) == sorted(filter(None, expected))
    for tensor in artifact.tensors():
        if tensor.role is Role.WEIGHT:
            variable = _variable(demo.model, tensor.read())
            assert tensor.label.rpartition("/")[2] in (variable, ""), tensor.path


def _variable(model: Any, array: np.ndarray) -> str:
    """The name of the first variable with these values, ``kernel`` or ``bias``."""
    same = (v for v in model.weights if np.array_equal(np.asarray(v), array))
    name = str(next(same).name)
    return name.rpartition("/")[2].removesuffix(":0")
