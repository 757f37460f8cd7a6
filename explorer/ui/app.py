"""Start the window: the application object, the folders, the theme."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs
from PySide6.QtCore import QLocale, QSettings
from PySide6.QtWidgets import QApplication

from explorer import __version__
from explorer.engine.scratch import scratch_folder
from explorer.ui.background import end_pool
from explorer.ui.icons import app_icon
from explorer.ui.session import Places
from explorer.ui.theme import Theme, apply_theme, system_theme
from explorer.ui.window import Window

APP_NAME = "Model Format Explorer"
_DIRECTORY = "model-format-explorer"


def application(theme: Theme | None = None) -> QApplication:
    """The one `QApplication`, in ``theme`` or in what the desktop asks for."""
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    app.setApplicationName(APP_NAME)
    app.setApplicationVersion(__version__)
    app.setWindowIcon(app_icon())
    QLocale.setDefault(QLocale.c())  # numbers look the same here and in the code they belong to
    apply_theme(app, theme or system_theme(app))
    return app


def places(workspace: Path | None, scratch: Path) -> Places:
    """The folders of this person, with ``workspace`` in place of the one in their documents."""
    return Places(
        workspace=workspace or Path(platformdirs.user_documents_dir()) / APP_NAME,
        data=Path(platformdirs.user_data_dir(_DIRECTORY, appauthor=False)),
        scratch=scratch,
    )


def settings_of(where: Places) -> QSettings:
    """What the window remembers: theme, size, workspace."""
    return QSettings(str(where.data / "settings.ini"), QSettings.Format.IniFormat)


def spare_the_collector() -> None:
    """Keep garbage collections short: what is there now stays, so no collection looks at it.

    Listing a large artifact in the background makes many objects at once; with Python's usual
    threshold each such burst would hold the window up for full collections.
    """
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def run(
    paths: Sequence[str],
    workspace: Path | None = None,
    theme: str | None = None,
    on_window: Callable[[Window], None] | None = None,
) -> int:
    """Open the window, with ``paths`` in it, and return the exit status when it closes.

    ``theme`` is ``light``, ``dark`` or ``system``; without it, what was chosen last.
    """
    with scratch_folder() as scratch:
        where = places(workspace, scratch)
        settings = settings_of(where)
        chosen = theme or str(settings.value("theme", "system"))
        app = application(None if chosen == "system" else Theme(chosen))
        if workspace is None and settings.contains("workspace"):
            where = places(Path(str(settings.value("workspace"))), scratch)
        window = Window(where, settings)
        window.open_paths(paths)
        window.show()
        if on_window is not None:
            on_window(window)
        spare_the_collector()
        status = app.exec()
        window.shut_down()
        end_pool()
        return status
