"""``mfx verify``: every checksum and size that the format carries, against the bytes there are."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

from explorer.cli.opening import with_artifact
from explorer.cli.output import Output, progress
from explorer.formats.artifact import Artifact, Check
from explorer.formats.text import count_text


def run(arguments: Sequence[str]) -> int:
    """Print what is damaged and how much was checked; exit status 1 where anything is."""
    parser = argparse.ArgumentParser(
        prog="mfx verify",
        description="Check every checksum that the format carries, and its structure: that all "
        "files it names are there and every shape fits its bytes. Exit status 0 if all is well, "
        "1 with what is damaged, 2 if something, or all of it, cannot be checked.",
    )
    parser.add_argument("path", metavar="PATH", help="a file, folder, checkpoint or URL")
    return with_artifact(parser.parse_args(arguments).path, _print_checks, damaged=1)


def _print_checks(artifact: Artifact) -> int:
    counts: Counter[str] = Counter()
    damaged: list[Check] = []
    unmade: list[Check] = []
    with progress(f"Checking {artifact.name}"):
        for check in artifact.checks():
            if check.limit:
                unmade.append(check)
                continue
            counts[check.rule] += 1
            if check.problem:
                damaged.append(check)
    output = Output()
    told = [(check.rule, check.where, check.problem or check.limit) for check in damaged + unmade]
    output.table(("Check", "Where", "Problem"), told)
    output.line(_summary(artifact, counts, len(damaged), len(unmade)))
    unread = not artifact.is_known and not counts
    return 1 if damaged else 2 if unmade or unread else 0


def _summary(artifact: Artifact, counts: Counter[str], damaged: int, unmade: int) -> str:
    if not artifact.is_known and not counts:
        return f"{artifact.name}: no reader knows this file, so nothing was checked."
    if not counts and not unmade:
        return (
            f"{artifact.name}: {artifact.format_name} carries no checksums; its structure was read "
            "without a problem."
        )
    listed = ", ".join(f"{rule} {count:,}" for rule, count in counts.items())
    checked = count_text(counts.total(), "check")
    verdicts = [f"{damaged:,} failed"] if damaged else [] if unmade else ["all hold"]
    verdicts += [f"{unmade:,} could not be made"] if unmade else []
    return f"{artifact.name}: {checked}, {', '.join(verdicts)} ({listed or 'nothing'})"
