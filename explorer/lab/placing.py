"""Saving without ever leaving half an artifact: written beside the target, then moved into place.

A save works in a folder of its own next to the target, so that the artifact has its real name
while it is written and moving it is a rename. The folder holds a lock for as long as its process
lives; one that can be locked was left by a process that died, and the next save removes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from explorer.formats.occupant import occupant
from explorer.lab.explaining import TargetError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = "lock"
"""The file in a folder that `locked` locks."""
_PREFIX = ".mfx-saving-"


@contextlib.contextmanager
def staged(target: Path, *, replace: bool) -> Iterator[Path]:
    """A path to write to, with the target's name; moved to ``target`` if the block succeeds.

    If anything fails, what was at ``target`` stays. Raises `OSError`, and `TargetError` where
    nothing can be written, or something is there that may not be replaced. Without ``replace``
    nothing may; this is told at the end, so that a call that fails by itself says its own reason.
    """
    if replace:
        _check(target, replace)
    folder = _staging_folder(target.parent)
    try:
        with locked(folder):
            new = folder / "new" / target.name
            new.parent.mkdir()
            try:
                yield new
            except Exception as error:
                _name_target(error, new.parent, target.parent)
                raise
            _check(target, replace)
            _move(new, target, folder / "old")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _staging_folder(parent: Path) -> Path:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(parent)
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise TargetError(
            f"The folder {parent} cannot be written: {why}. Choose another folder."
        ) from error


def _name_target(error: Exception, written: Path, asked: Path) -> None:
    """Have a library's error speak of the path that the person gave."""
    old, new = str(written), str(asked)
    error.args = tuple(a.replace(old, new) if isinstance(a, str) else a for a in error.args)


def remove_leftovers(parent: Path) -> None:
    """Remove what saves of dead processes left in ``parent``; put back what they moved aside."""
    for folder in parent.glob(f"{_PREFIX}*"):
        if folder.is_symlink():
            continue
        try:
            with locked(folder):
                _put_back(folder / "old", parent)
        except OSError:
            continue  # its process lives, or the old artifact is still in it
        shutil.rmtree(folder, ignore_errors=True)


def _put_back(aside: Path, parent: Path) -> None:
    for old in aside.glob("*"):
        if not os.path.lexists(parent / old.name):
            old.rename(parent / old.name)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which goes with the process. Raises `OSError` while it is held."""
    with (folder / LOCK).open("a") as file:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _check(target: Path, replace: bool) -> None:
    found = occupant(target)
    if found is None:
        return
    if not replace:
        raise TargetError(f"{target.name} exists already. Choose another name, or replace it.")
    if found.obstacle:
        raise TargetError(found.obstacle)


def _move(new: Path, target: Path, aside: Path) -> None:
    if not os.path.lexists(new):
        wrote = ", ".join(sorted(member.name for member in new.parent.iterdir())) or "nothing"
        raise TargetError(f"The call wrote {wrote} in place of {target.name}. Choose another name.")
    if not os.path.lexists(target) or (new.is_file() and target.is_file()):
        new.replace(target)
        return
    aside.mkdir()
    old = target.rename(aside / target.name)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
