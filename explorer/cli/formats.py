"""``mfx formats``: what can be read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from explorer.cli.output import Output, printed
from explorer.formats.registry import FORMATS


def run(arguments: Sequence[str]) -> int:
    """List the formats in the order in which they are tried."""
    parser = argparse.ArgumentParser(
        prog="mfx formats",
        description="List the formats that can be read. A file is recognised by its content; the "
        "endings only say what is tried first.",
    )
    parser.parse_args(arguments)
    return printed(_print_formats)


def _print_formats() -> int:
    rows = [(f.name, " ".join(filter(None, f.endings)), f.looks_for) for f in FORMATS]
    Output().table(("Format", "Endings", "Recognised by"), rows)
    return 0
