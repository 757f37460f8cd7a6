"""The command line: ``mfx show PATH`` and the like, or the window."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import NamedTuple


class Command(NamedTuple):
    """A command: the module whose ``run(arguments)`` it is, how it is called, what it does."""

    module: str
    usage: str
    purpose: str


COMMANDS = {
    "show": Command("show", "PATH", "what is in it: tree, tensors, signatures, layers"),
    "tensor": Command("tensor", "PATH NAME", "the values of one tensor, or its statistics"),
    "verify": Command("verify", "PATH", "check every checksum and size that the format carries"),
    "scan": Command("scan", "PATH", "what in it can harm, without loading it"),
    "formats": Command("formats", "", "the formats that can be read"),
    "tour": Command("tour", "--screenshots DIR", "drive the real window by itself, with pictures"),
}


def main(arguments: Sequence[str]) -> int:
    """Run what ``arguments`` ask for; returns the exit status.

    0 if all is well, 1 where ``verify`` finds damage or ``scan`` danger, 2 for what cannot be
    read, arguments that are wrong, and a machine that cannot show a window.
    """
    command = COMMANDS.get(arguments[0]) if arguments else None
    name = command.module if command else "window"
    module = importlib.import_module(f"explorer.cli.{name}")
    try:
        status: int = module.run(arguments[1:] if command else arguments)
    except SystemExit as end:  # argparse, after --help and after wrong arguments
        return end.code if isinstance(end.code, int) else 0
    return status


def command_list() -> str:
    """The commands, one per line, for the help text."""
    calls = {f"mfx {name} {c.usage}".strip(): c.purpose for name, c in COMMANDS.items()}
    width = max(map(len, calls))
    return "\n".join(f"  {call:<{width}}  {purpose}" for call, purpose in calls.items())
