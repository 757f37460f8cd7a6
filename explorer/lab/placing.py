"""Saving without ever leaving half an artifact: written beside the target, then moved into place.

A save works in a folder of its own next to the target, so that the artifact has its real name
while it is written and moving it is a rename. The folder holds a lock for as long as its process
lives; one that can be locked was left by a process that died, and the next save removes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from explorer.lab.explaining import TargetError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PREFIX = ".mfx-saving-"
_MODEL_FILES = {"saved_model.pb", "saved_model.pbtxt", "checkpoint", "keras_metadata.pb"}
_WRITTEN = re.compile(
    r"saved_model\.pb(txt)?|keras_metadata\.pb|fingerprint\.pb|variables|assets(\.extra)?|debug"
    r"|checkpoint|.+\.index|.+\.data-\d{5}-of-\d{5}"
)
"""What the library writes into the folder of a SavedModel or of checkpoints."""


@contextlib.contextmanager
def staged(target: Path, *, replace: bool) -> Iterator[Path]:
    """A path to write to, with the target's name; moved to ``target`` if the block succeeds.

    If anything fails, what was at ``target`` stays. Raises `TargetError` where something is there
    and ``replace`` is false, and `OSError`.
    """
    _check(target, replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target.parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=target.parent))
    try:
        with _locked(folder):
            new = folder / "new" / target.name
            new.parent.mkdir()
            try:
                yield new
            except Exception as error:
                _name_target(error, new.parent, target.parent)
                raise
            _move(new, target, folder / "old")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
            with _locked(folder):
                _put_back(folder / "old", parent)
        except OSError:
            continue  # its process lives, or the old artifact is still in it
        shutil.rmtree(folder, ignore_errors=True)


def _put_back(aside: Path, parent: Path) -> None:
    for old in aside.glob("*"):
        if not os.path.lexists(parent / old.name):
            old.rename(parent / old.name)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises `OSError` while another process does."""
    with (folder / "lock").open("a") as file:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _check(target: Path, replace: bool) -> None:
    if not os.path.lexists(target):
        return
    if not replace:
        raise TargetError(f"{target.name} exists already. Choose another name, or replace it.")
    if target.is_dir() and not target.is_symlink() and not _may_be_model(target):
        raise TargetError(
            f"{target.name} is a folder that holds no saved model, so it is not replaced. Choose "
            "another name."
        )
    if foreign := _foreign(target):
        raise TargetError(
            f"{target.name} also holds {', '.join(foreign[:3])}, which is no part of a saved "
            "model and would be lost, so it is not replaced. Choose another name."
        )


def _foreign(target: Path) -> list[str]:
    """The members of a folder that no save method writes."""
    if not target.is_dir() or target.is_symlink():
        return []
    names = sorted(member.name for member in target.iterdir())
    return [name for name in names if not _WRITTEN.fullmatch(name)]


def _may_be_model(folder: Path) -> bool:
    names = [member.name for member in folder.iterdir()]
    return not names or any(n in _MODEL_FILES or n.endswith(".index") for n in names)


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
