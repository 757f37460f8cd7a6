"""The command line: ``mfx show PATH`` and the like, or the window."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
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


_STATUS_OF_SIGINT = 130
"""As a shell tells it of a command that was interrupted."""


def main(arguments: Sequence[str]) -> int:
    """Run what ``arguments`` ask for; returns the exit status.

    0 if all is well, 1 where ``verify`` finds damage or ``scan`` danger, 2 for what cannot be
    read, arguments that are wrong, and a machine that cannot show a window.
    """
    misspelt = _misspelt(arguments)
    if misspelt:
        print(f"mfx: {misspelt}", file=sys.stderr)
        return 2
    command = COMMANDS.get(arguments[0]) if arguments else None
    name = command.module if command else "window"
    try:
        module = importlib.import_module(f"explorer.cli.{name}")
        status: int = module.run(arguments[1:] if command else arguments)
    except SystemExit as end:  # argparse, after --help and after wrong arguments
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return _STATUS_OF_SIGINT
    return status


def _misspelt(arguments: Sequence[str]) -> str:
    """What to say of a first argument that is no command and no file, but nearly a command."""
    first = arguments[0] if arguments else "-"
    close = difflib.get_close_matches(first, COMMANDS, n=1)
    if not close or first in COMMANDS or not first.isalpha() or os.path.lexists(first):
        return ""
    meant = " ".join([close[0], *arguments[1:]])
    return f"{first} is no command, and no file of that name is here. Did you mean mfx {meant}?"


def command_list() -> str:
    """The commands, one per line, for the help text."""
    calls = {f"mfx {name} {c.usage}".strip(): c.purpose for name, c in COMMANDS.items()}
    width = max(map(len, calls))
    return "\n".join(f"  {call:<{width}}  {purpose}" for call, purpose in calls.items())
