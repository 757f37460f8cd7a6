"""The real window over the real engine, driven by its own controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from explorer.ui import app
from explorer.ui.driver import Driver
from explorer.ui.session import Places
from explorer.ui.theme import Theme
from explorer.ui.window import Window


def _window(folder: Path) -> Window:
    app.application(Theme.LIGHT)
    places = Places(folder / "experiments", folder / "data", folder / "scratch")
    places.scratch.mkdir()
    window = Window(places, QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat))
    window.resize(1440, 900)
    window.show()
    return window


def _close(window: Window) -> None:
    window.close()
    window.shut_down()
    window.deleteLater()


@pytest.fixture(scope="session")
def _shared(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    window = _window(tmp_path_factory.mktemp("window"))
    driver = Driver(window)
    driver.engine_ready()
    yield driver
    _close(window)


@pytest.fixture
def driver(_shared: Driver, tmp_path: Path) -> Driver:
    """One window for all tests, since TensorFlow takes seconds to import; its contents go."""
    window = _shared.window
    _shared.clear_notice()
    for entry in [*window.session.models, *window.session.artifacts]:
        window.session.remove(entry)
    window.session.set_workspace(tmp_path / "experiments")
    window.predict.runs.set_rows([])
    _shared.click("nav.lab")
    _shared.click("lab.demo.functional")
    _shared.click("lab.line.keras3")
    _shared.click("lab.reset")
    return _shared


@pytest.fixture
def new_driver(qapp: QApplication, tmp_path: Path) -> Iterator[Callable[[], Driver]]:
    """Makes windows of the test's own."""
    made: list[Window] = []

    def make() -> Driver:
        folder = tmp_path / f"window{len(made)}"
        folder.mkdir()
        made.append(_window(folder))
        return Driver(made[-1])

    yield make
    for window in made:
        _close(window)
