"""Opening the artifact that a command is about, and what goes wrong there."""

from __future__ import annotations

from collections.abc import Callable

from explorer.cli.output import report_unreadable, silence_broken_pipe
from explorer.formats.artifact import Artifact, TensorUnreadable, UnreadableArtifact
from explorer.formats.registry import open_artifact


def with_artifact(path: str, work: Callable[[Artifact], int]) -> int:
    """Open ``path``, run ``work`` on it and close it; returns the exit status.

    What cannot be read is told on stderr, with status 2.
    """
    try:
        artifact = open_artifact(path)
        try:
            return work(artifact)
        finally:
            artifact.close()
    except UnreadableArtifact as error:
        report_unreadable(error)
    except TensorUnreadable as error:
        report_unreadable(UnreadableArtifact(str(error)))
    except BrokenPipeError:
        silence_broken_pipe()
    return 2
