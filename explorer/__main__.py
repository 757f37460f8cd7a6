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
    if getattr(sys, "frozen", False):
        _prepare_frozen()
    if sys.argv[1:2] == ["--worker"]:
        from explorer.engine import worker

        return worker.main(sys.argv[2:])
    from explorer import cli

    return cli.main(sys.argv[1:])


def _prepare_frozen() -> None:
    """Serve children of `multiprocessing`, and give a program without a console its streams."""
    import multiprocessing

    multiprocessing.freeze_support()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # a windowed program on Windows
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
