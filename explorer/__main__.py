"""``mfx`` and ``python -m explorer``; with ``--worker``, the process that owns TensorFlow."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> int:
    """Run the window or a command, or the worker; returns the exit status.

    In the packaged app all of them are this one executable, so the choice is made before anything
    of Qt or TensorFlow is imported.
    """
    _open_missing_streams()
    if getattr(sys, "frozen", False):
        import multiprocessing

        multiprocessing.freeze_support()
    if sys.argv[1:2] == ["--worker"]:
        from explorer.engine import worker

        return worker.main(sys.argv[2:])
    from explorer import cli

    return cli.main(sys.argv[1:])


def _open_missing_streams() -> None:
    """Let what is printed go nowhere where there is no stream, as in a windowed program."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
