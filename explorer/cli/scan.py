"""``mfx scan``: what in an artifact can harm, found without loading it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from explorer.analysis.finding import Finding, Severity
from explorer.analysis.safety import scan, scan_unread
from explorer.cli.opening import with_artifact
from explorer.cli.output import Output, progress
from explorer.formats.artifact import Artifact
from explorer.formats.text import count_text

_UNREAD = 2


def run(arguments: Sequence[str]) -> int:
    """Print the findings; exit status 1 where one of them is a danger."""
    parser = argparse.ArgumentParser(
        prog="mfx scan",
        description="Say what in a model file can harm whoever loads it. Nothing in it is loaded "
        "or run. Exit status 0 without dangers, 1 with one, 2 if it cannot be read.",
    )
    parser.add_argument("path", metavar="PATH", help="a file, folder, checkpoint or URL")
    path = parser.parse_args(arguments).path
    status = with_artifact(path, _print_findings)
    links = scan_unread(path) if status == _UNREAD else []
    return _print(path, links) if links else status


def _print_findings(artifact: Artifact) -> int:
    with progress(f"Scanning {artifact.name}"):
        findings = scan(artifact)
    status = _print(artifact.name, findings)
    return status if artifact.is_known else status or _UNREAD


def _print(name: str, findings: Sequence[Finding]) -> int:
    output = Output()
    output.table(
        ("Severity", "Rule", "Where", "Why"),
        [(f.severity.value, f.rule, f.where, f.message) for f in findings],
        graded=True,
    )
    dangers = sum(finding.severity is Severity.DANGER for finding in findings)
    if output.is_terminal:
        others = count_text(len(findings) - dangers, "other finding")
        found = f"{count_text(dangers, 'danger')}, {others}" if findings else "nothing found"
        output.line(f"{name}: {found}")
    return 1 if dangers else 0
