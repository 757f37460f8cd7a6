"""The command line: ``mfx [PATH …]`` opens the window, ``mfx tour`` drives it by itself."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from explorer import __version__

THEMES = ("light", "dark", "system")

_EPILOG = """\
commands:
  mfx tour --screenshots DIR    train, save, browse and predict in the real window, one picture
                                per step; works without a display

A file or folder that is named like a command is opened as ./tour."""


def main(arguments: Sequence[str]) -> int:
    """Run what ``arguments`` ask for; returns the exit status.

    2 stands for arguments that are wrong and for a machine that cannot show a window.
    """
    command = COMMANDS.get(arguments[0]) if arguments else None
    try:
        return command(arguments[1:]) if command else _window(arguments)
    except SystemExit as end:  # argparse, after --help and after wrong arguments
        return end.code if isinstance(end.code, int) else 0


def _window(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="mfx",
        description="Open saved TensorFlow and Keras models: what they are, what they hold, "
        "and what they predict.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, folders or URLs to open")
    parser.add_argument(
        "--workspace", type=Path, metavar="DIR", help="where the Lab saves what it makes"
    )
    parser.add_argument("--theme", choices=THEMES, help="the colours; the desktop's by default")
    parser.add_argument("--version", action="version", version=f"mfx {__version__}")
    options = parser.parse_args(arguments)
    if not _can_show():
        return 2
    from explorer.ui import app

    return app.run(options.paths, options.workspace, options.theme)


def _tour(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="mfx tour",
        description="Train, save, browse, read signatures and predict in the real window, by its "
        "own controls. Exit status 0 only if every step worked.",
    )
    parser.add_argument(
        "--screenshots",
        type=Path,
        metavar="DIR",
        required=True,
        help="the folder that receives one PNG per step",
    )
    options = parser.parse_args(arguments)
    if sys.platform == "linux" and not _has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if not _can_show():
        return 2
    from explorer.ui import tour

    return tour.run(options.screenshots)


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {"tour": _tour}


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _can_show() -> bool:
    """Whether Qt can open a window here; says on stderr why not."""
    if sys.platform != "linux":
        return True
    from explorer import qt_libraries

    problem = qt_libraries.problem(has_display=_has_display())
    if problem:
        print(f"mfx: {problem}", file=sys.stderr)
    return not problem
