"""Opening the artifact that a command is about, and what goes wrong there."""

from __future__ import annotations

from collections.abc import Callable

from explorer.cli.output import printed, report_unreadable
from explorer.formats.artifact import Artifact, TensorUnreadable, UnreadableArtifact
from explorer.formats.registry import open_artifact

_NO_STREAM = (
    "A model is read by pieces from all over it, which standard input cannot give. Write it to a "
    "file first and name that, or ./- for a file of that name."
)


def with_artifact(path: str, work: Callable[[Artifact], int], damaged: int = 2) -> int:
    """Open ``path``, run ``work`` on it and close it; returns the exit status.

    What cannot be read is told on stderr, with status 2, or ``damaged`` for a file whose format is
    known, but which is damaged.
    """
    try:
        if path == "-":
            raise UnreadableArtifact(_NO_STREAM)
        artifact = open_artifact(path)
        try:
            return printed(lambda: work(artifact))
        finally:
            artifact.close()
    except UnreadableArtifact as error:
        report_unreadable(error)
        return damaged if error.damaged else 2
    except TensorUnreadable as error:
        report_unreadable(UnreadableArtifact(str(error)))
        return 2
