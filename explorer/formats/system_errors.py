"""What the system says when a file cannot be read, in plain words and with what to do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from explorer.formats.artifact import UnreadableArtifact


def system_error(uri: str, error: OSError) -> str:
    """What the system said while a file was being read, and what to do."""
    where = str(error.filename or uri)
    if isinstance(error, PermissionError):
        return forbidden(where)
    if isinstance(error, FileNotFoundError):
        return f"{where} vanished while it was being read. Open it again if it is back."
    if isinstance(error, IsADirectoryError):
        return f"{where} is a folder, but should be a file. Copy the file there again."
    if error.errno == errno.EIO:
        return f"{where} cannot be read from the disk: {words(error)}. Check the disk."
    return f"{where} cannot be read: {words(error)}. Try again, or copy it elsewhere first."


def forbidden(path: str) -> str:
    """That a file may not be read."""
    return (
        f"{path} may not be read: this user has no permission. Ask its owner, or change its "
        "permissions."
    )


def words(error: OSError | ValueError) -> str:
    """What the system calls an error."""
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


@contextlib.contextmanager
def told(uri: str) -> Iterator[None]:
    """An ``OSError`` inside becomes an `UnreadableArtifact` that says what to do."""
    try:
        yield
    except OSError as error:
        raise UnreadableArtifact(system_error(uri, error), path=uri) from error
