"""Where the real artifacts are."""

from __future__ import annotations

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "corpus"


def folder() -> Path:
    """The folder that EXPLORER_CORPUS names, or the one beside the checkout; it may not exist."""
    named = os.environ.get("EXPLORER_CORPUS")
    return Path(named) if named else BESIDE
