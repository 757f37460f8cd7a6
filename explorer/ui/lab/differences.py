"""What a trained model was made with where the settings shown have come to differ from it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication

from explorer.formats.text import count_text
from explorer.lab.catalog import DATASETS, DemoSettings


def differences(trained: DemoSettings, shown: DemoSettings) -> list[str]:
    """``["random numbers", "32 features"]``: what of ``trained`` differs from ``shown``."""
    return [
        tell(trained)
        for name, tell in _TELL.items()
        if getattr(trained, name) != getattr(shown, name)
    ]


def _dataset(settings: DemoSettings) -> str:
    title = _tr(DATASETS[settings.dataset].title)
    return title[:1].lower() + title[1:]


def _layers(settings: DemoSettings) -> str:
    units = "-".join(str(layer.units) for layer in settings.layers)
    return _tr("other layers ({units})").format(units=units)


_TELL: dict[str, Callable[[DemoSettings], str]] = {
    "dataset": _dataset,
    "features": lambda s: count_text(s.features, "feature"),
    "layers": _layers,
    "epochs": lambda s: count_text(s.epochs, "epoch"),
    "batch_size": lambda s: _tr("batches of {n}").format(n=s.batch_size),
    "optimizer": lambda s: s.optimizer,
    "learning_rate": lambda s: _tr("learning rate {rate:g}").format(rate=s.learning_rate),
    "loss": lambda s: s.loss,
    "train_rows": lambda s: count_text(s.train_rows, "training row"),
    "validation_rows": lambda s: count_text(s.validation_rows, "validation row"),
    "test_rows": lambda s: count_text(s.test_rows, "test row"),
    "seed": lambda s: _tr("seed {n}").format(n=s.seed),
}


def _tr(text: str) -> str:
    return QCoreApplication.translate("Differences", text)
