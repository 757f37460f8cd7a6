"""``mfx [PATH …]``: the window."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from explorer import __version__
from explorer.cli import command_list
from explorer.cli.display import can_show

THEMES = ("light", "dark", "system")

_EPILOG = """\
commands (each has --help):
{commands}

A file or folder that is named like a command is opened as ./show."""


def run(arguments: Sequence[str]) -> int:
    """Open the window with the paths in it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="mfx",
        description="Open saved TensorFlow and Keras models: what they are, what they hold, "
        "and what they predict.",
        epilog=_EPILOG.format(commands=command_list()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, folders or URLs to open")
    parser.add_argument(
        "--workspace", type=Path, metavar="DIR", help="where the Lab saves what it makes"
    )
    parser.add_argument("--theme", choices=THEMES, help="the colours; the desktop's by default")
    parser.add_argument("--version", action="version", version=f"mfx {__version__}")
    options = parser.parse_args(arguments)
    if not can_show():
        return 2
    from explorer.ui import app

    return app.run(options.paths, options.workspace, options.theme)
