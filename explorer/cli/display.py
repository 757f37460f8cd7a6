"""Whether Qt can open a window on this machine."""

from __future__ import annotations

import os
import sys


def has_display() -> bool:
    """Whether a window system is named in the environment."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def can_show() -> bool:
    """Whether Qt can open a window here; says on stderr why not."""
    if sys.platform != "linux":
        return True
    from explorer import qt_libraries

    problem = qt_libraries.problem(has_display=has_display())
    if problem:
        print(f"mfx: {problem}", file=sys.stderr)
    return not problem
