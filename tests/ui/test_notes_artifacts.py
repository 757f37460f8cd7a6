"""The notes' experiments as TensorFlow 2.0.4 saved them open here and predict what before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explorer.formats.artifact import Signature
from explorer.ui.driver import Driver

KERAS_2 = {"functional": "functional, Keras 2", "subclass": "subclass, Keras 2"}
CASES = [
    ("functional", "1_weight.h5", "load_weights"),
    ("functional", "2_model", "saved_model"),
    ("functional", "2_model", "keras2"),
    ("functional", "3_model.h5", "keras2"),
    ("functional", "4_model", "saved_model"),
    ("functional", "checkpoints", "load_weights"),
    ("subclass", "1_weight.h5", "load_weights"),
    ("subclass", "4_model", "saved_model"),
    ("subclass", "checkpoints", "load_weights"),
]


@pytest.mark.parametrize(("demo", "name", "loader"), CASES)
def test_it_predicts_what_was_recorded(
    driver: Driver, corpus: Path, demo: str, name: str, loader: str
) -> None:
    notes = corpus / "notes_tf20"
    driver.open(notes / demo / name)
    driver.click("nav.predict")
    driver.choose("predict.loader", loader)
    if loader == "load_weights":
        driver.choose("predict.demo", KERAS_2[demo])
    assert driver.load(), driver.notice()
    (editor,) = driver.window.predict.signatures.editors
    driver.click(f"{editor.objectName()}.source.file")
    driver.enter(f"{editor.objectName()}.path", str(notes / "x_test.npy"))
    assert driver.run(), driver.notice()
    (output,) = driver.window.predict.outputs.outputs().values()
    expected = np.load(notes / f"{demo}_expected.npy")
    np.testing.assert_allclose(output, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("path", ["functional/2_model", "functional/4_model", "subclass/4_model"])
def test_it_shows_its_signature(driver: Driver, corpus: Path, path: str) -> None:
    entry = driver.open(corpus / "notes_tf20" / path)
    serving = [s for s in entry.artifact.signatures if s.key == "serving_default"]
    assert [described(signature) for signature in serving] == [
        (
            "tensorflow/serving/predict",
            [("digits", "float32", (None, 32))],
            [("predictions" if "functional" in path else "output_0", "float32", (None, 10))],
        )
    ]
    assert driver.tab("browse.tabs", "Signatures")


def described(signature: Signature) -> tuple[str, list[object], list[object]]:
    return (
        signature.method,
        [(t.name, t.dtype, t.shape) for t in signature.inputs],
        [(t.name, t.dtype, t.shape) for t in signature.outputs],
    )


def test_the_call_of_the_notes_fails_as_the_library_does(driver: Driver) -> None:
    """`f(digits=…)` on what Keras 3 saved: its signature calls the input `inputs`."""
    driver.train()
    driver.save("saved_model")
    driver.click("nav.predict")
    assert driver.load()
    driver.enter("predict.input.inputs.keyword", "digits")
    assert not driver.run()
    assert "TypeError" in driver.notice().text
    assert "missing" in driver.notice().text
    assert "inputs" in driver.notice().text
