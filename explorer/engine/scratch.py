"""The folder of a session for snapshots and temporary files, gone when the session is.

The session holds a lock in its folder. A folder whose lock is free was left by a process that was
killed; the next session removes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from explorer.lab.placing import LOCK, locked

_PREFIX = "mfx-"
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
"""What `tempfile.mkdtemp` makes of the prefix."""
_SETTLED = 5.0
"""Seconds after which a folder's own process has surely taken its lock."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for this process alone, removed at the end. Raises `OSError`."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with locked(folder):
            threading.Thread(target=remove_stale, args=(folder.parent,), daemon=True).start()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale(parent: Path) -> None:
    """Remove this person's scratch folders in ``parent`` whose process is gone."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if not _may_be_stale(folder):
                continue
            with locked(folder):
                pass
        except OSError:
            continue  # its process lives, or it went meanwhile
        shutil.rmtree(folder, ignore_errors=True)


def _may_be_stale(folder: Path) -> bool:
    """Whether it is a scratch folder of this person, and not one that is just being made.

    Raises `OSError` where there is no lock.
    """
    found, lock = folder.lstat(), (folder / LOCK).lstat()
    if sys.platform != "win32" and found.st_uid != os.getuid():
        return False
    is_scratch = bool(_NAME.fullmatch(folder.name)) and stat.S_ISDIR(found.st_mode)
    return is_scratch and stat.S_ISREG(lock.st_mode) and time.time() - lock.st_mtime > _SETTLED
