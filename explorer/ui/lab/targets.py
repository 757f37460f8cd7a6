"""Where a save goes: whether the name will do, and what stands there already."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from explorer.formats.occupant import Occupant, occupant
from explorer.formats.text import bytes_text
from explorer.lab.catalog import SaveMethod, Variant

_LONGEST_NAME = 150
"""Bytes; file systems allow 255, and a save needs a longer temporary name for a while."""

_LEAST_FREE = 1 << 20
"""Bytes; with less, the libraries fail in the middle, some of them by a crash."""


@dataclass(frozen=True)
class Target:
    """A path to save to, with what stands there (``None``: nothing) and whether it is our own."""

    path: Path
    occupant: Occupant | None
    made_here: bool = False

    @property
    def obstacle(self) -> str:
        """Why it cannot be saved to; empty where it can."""
        return "" if self.occupant is None else self.occupant.obstacle


def look_at(path: Path, is_ours: Callable[[Path], bool]) -> Target:
    """What stands at ``path``; reads files, so it is for the pool. Raises `OSError`."""
    found = occupant(path)
    ours = found is not None and found.is_model and is_ours(path)
    return Target(path, found, made_here=ours)


def folder_problem(folder: Path) -> str:
    """Why nothing can be saved to ``folder``, which is made if need be; empty where it can.

    It is for the pool.
    """
    if folder.exists() and not folder.is_dir():
        text = _tr("The workspace {folder} is a file, and no folder.")
        return f"{text.format(folder=folder)} {_another_folder()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # what may be written, only writing tells
    except OSError as error:
        made = folder.is_dir()
        text = (
            _tr("The workspace folder {folder} cannot be written: {why}.")
            if made
            else _tr("The workspace folder {folder} cannot be made: {why}.")
        )
        return f"{text.format(folder=folder, why=why(error))} {_another_folder()}"
    disk = shutil.disk_usage(folder)
    if disk.total > 0 and disk.free < _LEAST_FREE:  # some file systems tell nothing of their size
        text = _tr("On the disk that holds the workspace {folder} only {free} are left.")
        full = text.format(folder=folder, free=bytes_text(disk.free))
        return f"{full} {_tr('Make room on it, or choose another workspace.')}"
    return ""


def why(error: Exception) -> str:
    """``permission denied``: what the system says, without its number."""
    said = error.strerror if isinstance(error, OSError) else None
    return (said or str(error)).lower()


def _another_folder() -> str:
    return _tr("Choose another one by “workspace” at the top of the window.")


def described(target: Target) -> str:
    """``a Keras HDF5 file that this app wrote, 84.0 KB, saved today at 12:31``."""
    found = target.occupant
    if found is None:
        return ""
    size, when = bytes_text(found.size), _moment(found.changed)
    if not found.is_model:
        return _tr("{kind}, {size}, last changed {when}").format(
            kind=found.kind, size=size, when=when
        )
    text = (
        _tr("{kind} that this app wrote, {size}, saved {when}")
        if target.made_here
        else _tr("{kind} that this app did not write, {size}, saved {when}")
    )
    return text.format(kind=found.kind, size=size, when=when)


def _moment(seconds: float) -> str:
    when = datetime.fromtimestamp(seconds)
    if when.date() == datetime.now().date():
        return _tr("today at {time}").format(time=f"{when:%H:%M}")
    return f"{when.day} {when:%b %Y, %H:%M}"


def name_problem(name: str, method: SaveMethod, variant: Variant) -> str:
    """Why ``method`` cannot save to ``name`` in the workspace; empty where it can.

    A method that the library refuses may have any ending: then its own error is what is asked for.
    """
    if not name:
        return _tr("Type a name for the artifact.")
    if name in (".", "..") or any(c in "/\\" or ord(c) < 32 for c in name):
        return _tr(
            "The name is that of a file or folder in the workspace: it has no slash in it. Choose "
            "another workspace at the top of the window to save elsewhere."
        )
    if len(name.encode()) > _LONGEST_NAME:
        return _tr("The name has {n} bytes; {most} is the most. Choose a shorter one.").format(
            n=len(name.encode()), most=_LONGEST_NAME
        )
    if method.refusal(variant) is None and not method.name_fits(name):
        return _ending_problem(method)
    return ""


def _ending_problem(method: SaveMethod) -> str:
    if method.endings:
        return _tr(
            "For “{method}” the name ends in {endings}: by the ending the libraries tell the "
            "formats apart. Add it to the name."
        ).format(method=_tr(method.title), endings=_tr(" or ").join(method.endings))
    return _tr(
        "For “{method}”, which makes a folder, the name does not end in {endings}: by such an "
        "ending the libraries take it for a file. Choose another ending, or none."
    ).format(method=_tr(method.title), endings=_tr(" or ").join(method.avoided))


def _tr(text: str) -> str:
    return QCoreApplication.translate("Target", text)
