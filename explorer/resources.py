"""Where the files of ``resources/`` are, in a checkout, an installation and the packaged app."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_INSTALLED = _HERE / "_bundled"
_CHECKOUT = _HERE.parent / "resources"


def resource_path(name: str) -> Path:
    """The path of ``resources/<name>``, given with forward slashes."""
    base = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return base.joinpath(*name.split("/"))
