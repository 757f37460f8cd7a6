"""``mfx tour``: the whole way through the window, driven by its own controls."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from explorer.cli.display import can_show, has_display


def run(arguments: Sequence[str]) -> int:
    """Drive the window; exit status 0 only if every step worked."""
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
    if sys.platform == "linux" and not has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if not can_show():
        return 2
    from explorer.ui import tour

    return tour.run(options.screenshots)
