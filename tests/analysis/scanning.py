"""What a scan finds in a file."""

from __future__ import annotations

from pathlib import Path

from explorer.analysis.finding import Finding, Severity
from explorer.analysis.safety import scan
from explorer.formats.registry import open_artifact


def findings(path: Path) -> list[Finding]:
    artifact = open_artifact(str(path))
    try:
        return scan(artifact)
    finally:
        artifact.close()


def dangerous_operations(path: Path) -> set[str]:
    """The operations that its dangers are about."""
    found = (f for f in findings(path) if f.severity is Severity.DANGER)
    return {finding.message.partition(":")[0] for finding in found}
