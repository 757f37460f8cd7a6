"""Opening the artifact that a command is about, and what goes wrong there."""

from __future__ import annotations

import sys
from collections.abc import Callable

from explorer.cli.output import report_unreadable, silence_output
from explorer.formats.artifact import Artifact, TensorUnreadable, UnreadableArtifact
from explorer.formats.registry import open_artifact

_STATUS_OF_SIGPIPE = 141
"""As a shell tells it of a command whose reader, such as ``head``, has seen enough."""


def with_artifact(path: str, work: Callable[[Artifact], int], damaged: int = 2) -> int:
    """Open ``path``, run ``work`` on it and close it; returns the exit status.

    What cannot be read is told on stderr, with status 2, or ``damaged`` for a file whose format is
    known, but which is damaged.
    """
    try:
        artifact = open_artifact(path)
        try:
            status = work(artifact)
            sys.stdout.flush()
            return status
        finally:
            artifact.close()
    except UnreadableArtifact as error:
        report_unreadable(error)
        return damaged if error.damaged else 2
    except TensorUnreadable as error:
        report_unreadable(UnreadableArtifact(str(error)))
    except BrokenPipeError:
        silence_output()
        return _STATUS_OF_SIGPIPE
    except OSError as error:  # the readers turn theirs into the above
        print(f"mfx: the output cannot be written: {error.strerror or error}.", file=sys.stderr)
        silence_output()
    return 2
