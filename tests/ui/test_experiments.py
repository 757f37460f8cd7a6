"""The notes' experiments, by clicking: each demo model, Keras line and save method.

What each must come to was measured with bare scripts; see `OUTCOMES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from explorer.analysis.agreement import Verdict
from explorer.lab.catalog import SAVE_METHODS, Line, Variant
from explorer.ui.driver import Driver
from explorer.ui.session import ArtifactEntry
from tests.formats.saved_model_cli import assert_matches_cli, cli_text

PLACES = {
    Variant.FUNCTIONAL_2: ("functional", Line.KERAS2, ""),
    Variant.FUNCTIONAL_3: ("functional", Line.KERAS3, ""),
    Variant.SUBCLASS_2: ("subclass", Line.KERAS2, ""),
    Variant.SUBCLASS_3: ("subclass", Line.KERAS3, "as_written"),
    Variant.PORTED_3: ("subclass", Line.KERAS3, "ported"),
}


@dataclass(frozen=True)
class Outcome:
    """What comes of saving, loading and running: a verdict, or an error in one of the two.

    ``loader`` is chosen in place of the proposed one.
    """

    verdict: Verdict | None = Verdict.SAME
    save_error: str = ""
    load_error: str = ""
    loader: str = ""


SAME = Outcome()
ENDING = Outcome(None, save_error="ValueError: The filename must end in `.weights.h5`.")
SAVE_FORMAT = Outcome(
    None, save_error="ValueError: The `save_format` argument is deprecated in Keras 3."
)
NOT_FUNCTIONAL = Outcome(
    None,
    save_error="NotImplementedError: Saving the model to HDF5 format requires the model to be a "
    "Functional model or a Sequential model.",
)
NO_CLASS = Outcome(None, load_error="TypeError: Could not locate class 'MyModel'.")
LAYER_COUNT = Outcome(None, load_error="ValueError: Layer count mismatch", loader="keras3_class")
WRONG = Outcome(Verdict.DIFFERENT)

OUTCOMES: dict[Variant, dict[str, Outcome]] = {
    Variant.FUNCTIONAL_2: dict.fromkeys(SAVE_METHODS, SAME),
    Variant.FUNCTIONAL_3: {
        **dict.fromkeys(SAVE_METHODS, SAME),
        "weights_h5": ENDING,
        "keras_saved_model": SAVE_FORMAT,
        "checkpoint_weights": ENDING,
    },
    Variant.SUBCLASS_2: {
        **dict.fromkeys(SAVE_METHODS, SAME),
        "whole_h5": NOT_FUNCTIONAL,
        "keras_archive": NO_CLASS,
    },
    Variant.SUBCLASS_3: {
        **dict.fromkeys(SAVE_METHODS, SAME),
        "weights_h5": ENDING,
        "keras_saved_model": SAVE_FORMAT,
        "checkpoint_weights": ENDING,
        "weights_today": WRONG,
        "keras_archive": Outcome(Verdict.DIFFERENT, loader="keras3_class"),
        "whole_h5": LAYER_COUNT,
    },
    Variant.PORTED_3: {
        **dict.fromkeys(SAVE_METHODS, SAME),
        "weights_h5": ENDING,
        "keras_saved_model": SAVE_FORMAT,
        "checkpoint_weights": ENDING,
        "keras_archive": Outcome(loader="keras3_class"),
        "whole_h5": LAYER_COUNT,
    },
}

CASES = [(variant, method) for variant in Variant for method in SAVE_METHODS]


@pytest.mark.parametrize(
    ("variant", "method"), CASES, ids=[f"{v.name.casefold()}-{m}" for v, m in CASES]
)
def test_experiment(driver: Driver, variant: Variant, method: str) -> None:
    outcome = OUTCOMES[variant][method]
    train(driver, variant)
    if outcome.save_error:
        assert_refused(driver, method, outcome)
        return
    entry = save(driver, method)
    assert_browsable(driver, entry)
    if entry.artifact.signatures:
        assert_signatures_shown(driver)
    if entry.artifact.format == "saved_model":
        assert_matches_cli(entry.artifact, cli_text(Path(entry.path)))
    predict(driver, outcome)


def train(driver: Driver, variant: Variant) -> None:
    demo, line, form = PLACES[variant]
    driver.click(f"lab.demo.{demo}")
    driver.click(f"lab.line.{line.value}")
    if form:
        driver.click(f"lab.form.{form}")
    driver.click("lab.reset")
    model = driver.train()
    assert model.ref.settings.variant is variant
    epochs, steps = (5, 160) if demo == "functional" else (3, 48)
    assert model.trained.steps == steps
    panel = driver.window.lab.training
    assert len(panel.epochs.rows()) == epochs
    assert panel.curves.points("val_loss") == epochs


def assert_refused(driver: Driver, method: str, outcome: Outcome) -> None:
    verdict = driver.window.findChild(object, f"save.verdict.{method}")
    assert verdict.text() == "refused"
    driver.click(f"save.method.{method}")
    driver.click("save.run")
    notice = driver.notice()
    reason, error = notice.text.split("\n", 1)
    assert error.startswith(outcome.save_error)
    assert reason
    assert "Traceback (most recent call last)" in notice.details
    assert driver.window.session.artifacts == []
    assert list(driver.window.session.places.workspace.iterdir()) == []


def save(driver: Driver, method: str) -> ArtifactEntry:
    driver.click(f"save.method.{method}")
    driver.click("save.run")
    driver.until(lambda: driver.window.page() == "browse" or driver.window.notice(), "the artifact")
    entry = driver.window.session.current
    assert isinstance(entry, ArtifactEntry), driver.notice()
    assert entry.method == method
    assert entry.made_here
    return entry


def assert_browsable(driver: Driver, entry: ArtifactEntry) -> None:
    """The tree lists the weights, and a tensor shows its values."""
    settings = entry.demo
    assert settings is not None
    widths = [settings.features, *(layer.units for layer in settings.layers)]
    parameters = sum((a + 1) * b for a, b in pairwise(widths))
    driver.until(lambda: entry.parameters is not None, "the count of parameters")
    if entry.artifact.format != "tflite":
        assert entry.parameters == parameters
    driver.click("browse.kinds.tensors")
    results = driver.window.browse.tree.results
    driver.until(lambda: results.isVisible() and results.model().rowCount(), "the tensors")
    results.setCurrentIndex(results.model().index(0, 0))
    driver.click("inspector.tabs.values")
    driver.click("browse.kinds.all")


def assert_signatures_shown(driver: Driver) -> None:
    assert driver.tab("browse.tabs", "Signatures")
    assert driver.window.browse.signatures.isVisible()


def predict(driver: Driver, outcome: Outcome) -> None:
    driver.click("nav.predict")
    if outcome.loader:
        driver.choose("predict.loader", outcome.loader)
    ran = driver.run()
    if outcome.load_error:
        assert not ran
        reason, error = driver.notice().text.split("\n", 1)
        assert error.startswith(outcome.load_error)
        assert reason
        return
    assert ran, driver.notice()
    card = driver.window.predict.agreement
    driver.until(lambda: card.agreements(), "the comparison with the model in memory")
    (found,) = card.agreements().values()
    if driver.window.predict.loading.loader.currentData() == "tflite":
        assert found.verdict in (Verdict.SAME, Verdict.CLOSE)
    else:
        assert found.verdict is outcome.verdict
    if outcome.verdict is Verdict.SAME and found.difference is not None:
        assert found.difference <= 1e-6
    if outcome.verdict is Verdict.DIFFERENT:
        assert found.difference is not None
        assert found.difference > 0.01
