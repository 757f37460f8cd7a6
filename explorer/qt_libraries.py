"""Whether Qt can show a window on this Linux machine, and what to install where it cannot.

Without its system libraries Qt ends the process from C++, or with an `ImportError` that names one
file; here the person is told which packages to install.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _Library:
    soname: str
    debian: str
    fedora: str


# What libQt6Gui needs, and below it what its xcb plugin needs in addition (`objdump -p`).
_LIBRARIES = (
    _Library("libEGL.so.1", "libegl1", "libglvnd-egl"),
    _Library("libGL.so.1", "libgl1", "libglvnd-glx"),
    _Library("libX11.so.6", "libx11-6", "libX11"),
    _Library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon"),
    _Library("libdbus-1.so.3", "libdbus-1-3", "dbus-libs"),
    _Library("libfontconfig.so.1", "libfontconfig1", "fontconfig"),
    _Library("libfreetype.so.6", "libfreetype6", "freetype"),
    _Library("libglib-2.0.so.0", "libglib2.0-0", "glib2"),
    _Library("libgthread-2.0.so.0", "libglib2.0-0", "glib2"),
)
_XCB_LIBRARIES = (
    _Library("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor"),
    _Library("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm"),
    _Library("libxcb-image.so.0", "libxcb-image0", "xcb-util-image"),
    _Library("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms"),
    _Library("libxcb-randr.so.0", "libxcb-randr0", "libxcb"),
    _Library("libxcb-render.so.0", "libxcb-render0", "libxcb"),
    _Library("libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil"),
    _Library("libxcb-shape.so.0", "libxcb-shape0", "libxcb"),
    _Library("libxcb-shm.so.0", "libxcb-shm0", "libxcb"),
    _Library("libxcb-sync.so.1", "libxcb-sync1", "libxcb"),
    _Library("libxcb-util.so.1", "libxcb-util1", "xcb-util"),
    _Library("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb"),
    _Library("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb"),
    _Library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11"),
    _Library("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb"),
)

_NO_DISPLAY = (
    "there is no display to open a window on: neither DISPLAY nor WAYLAND_DISPLAY is set.\n"
    "Start it from a desktop session, or over ssh with “ssh -X”. To see it work without a "
    "display: mfx tour --screenshots DIR"
)


def problem(*, has_display: bool) -> str:
    """Why no window can be shown, with what to do about it; empty where nothing is wrong."""
    try:
        from PySide6 import QtWidgets  # noqa: F401
    except ImportError as error:
        return _missing(str(error), _LIBRARIES)
    if os.environ.get("QT_QPA_PLATFORM"):
        return ""
    if not has_display:
        return _NO_DISPLAY
    return "" if os.environ.get("WAYLAND_DISPLAY") else _xcb_problem()


def _xcb_problem() -> str:
    """Load the plugin that Qt is about to load: Qt itself would abort the process."""
    import PySide6

    plugin = Path(PySide6.__file__).parent / "Qt/plugins/platforms/libqxcb.so"
    if not plugin.exists():  # another build of Qt keeps it elsewhere
        return ""
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        return _missing(str(error), _XCB_LIBRARIES)
    return _connection_problem()


def _connection_problem() -> str:
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    if not failed:
        return ""
    return (
        f"the display {os.environ['DISPLAY']} does not answer.\n"
        "Check DISPLAY, and over ssh that X forwarding is on (“ssh -X”)."
    )


def _missing(error: str, libraries: tuple[_Library, ...]) -> str:
    absent = [library for library in libraries if not _loads(library.soname)]
    if not absent:
        return f"Qt cannot be loaded: {error}"
    debian = " ".join(sorted({library.debian for library in absent}))
    fedora = " ".join(sorted({library.fedora for library in absent}))
    return (
        "Qt, which draws the window, needs system libraries that are not installed: "
        f"{', '.join(library.soname for library in absent)}.\n"
        "Install them and start again:\n"
        f"  Debian, Ubuntu:  sudo apt install {debian}\n"
        f"  Fedora:          sudo dnf install {fedora}"
    )


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True
