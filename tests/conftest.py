"""What every test stands on: no display, no locale, no fonts and no folders of the machine."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication, QWidget

_TESTS = Path(__file__).resolve().parent

# Before anything of Qt is imported; worker processes inherit it.
os.environ.update(
    QT_QPA_PLATFORM="offscreen",
    QT_SCALE_FACTOR="1",
    QT_ENABLE_HIGHDPI_SCALING="0",
    LC_ALL="C.UTF-8",
    LANGUAGE="C",
    TZ="UTC",
    FONTCONFIG_FILE=str(_TESTS / "ui" / "fonts.conf"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="write the screenshots that tests compare with, instead of comparing",
    )


def pytest_configure(config: pytest.Config) -> None:
    from tests.ui import goldens

    goldens.updating = config.getoption("--update-goldens")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, records and caches of a test go to folders of its own, never to the person's."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    if sys.platform == "win32":
        monkeypatch.setenv("USERPROFILE", str(home))
        monkeypatch.setenv("APPDATA", str(home / "roaming"))
        monkeypatch.setenv("LOCALAPPDATA", str(home / "local"))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real artifacts; set EXPLORER_CORPUS where it is not beside the checkout."""
    from tests import corpus

    folder = corpus.folder()
    if not folder.is_dir():
        pytest.skip(f"no corpus of real artifacts at {folder}; set EXPLORER_CORPUS to its folder")
    return folder


@pytest.fixture(scope="session")
def qapp(qapp: QApplication) -> QApplication:
    """The application, with nothing that moves by itself."""
    from PySide6.QtCore import QLocale, Qt

    QLocale.setDefault(QLocale.c())
    qapp.setCursorFlashTime(0)
    for effect in Qt.UIEffect:
        qapp.setEffectEnabled(effect, False)
    return qapp


@pytest.fixture(autouse=True)
def _no_leaked_widgets(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that uses Qt leaves no window behind."""
    if "qapp" not in request.fixturenames:
        yield
        return
    app: QApplication = request.getfixturevalue("qapp")
    before = set(app.topLevelWidgets())
    yield
    leaked = [widget for widget in _remaining(app) if widget not in before]
    assert not leaked, f"windows left behind: {', '.join(map(repr, leaked))}"


def _remaining(app: QApplication) -> list[QWidget]:
    """All windows but the hidden ones that others own, such as the list of a combo box.

    A tooltip is Qt's own, and goes by a timer.
    """
    from PySide6.QtCore import QCoreApplication, QEvent, Qt

    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    app.processEvents()
    return [
        widget
        for widget in app.topLevelWidgets()
        if widget.windowType() is not Qt.WindowType.ToolTip
        and (widget.isVisible() or widget.parentWidget() is None)
    ]
