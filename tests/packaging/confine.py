"""Run a program that can read its own folder and the system's libraries, and nothing else.

``python confine.py FOLDER … -- PROGRAM ARGUMENT …`` forbids itself, by Linux Landlock, to read or
execute anything below other folders than those given and the system's own, and then becomes the
program. No installation of Python is among the system's own. Ends with status 77 where the kernel
has no Landlock.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

UNAVAILABLE = 77

# System calls and bits of linux/landlock.h; the numbers are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_EXECUTE, _READ_FILE, _READ_DIR, _REFER = 1 << 0, 1 << 2, 1 << 3, 1 << 13
_PR_SET_NO_NEW_PRIVS = 38
_HANDLED = _EXECUTE | _READ_FILE | _READ_DIR | _REFER

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def system_folders() -> list[Path]:
    """What any program may read: libraries, fonts, time zones, devices; no Python."""
    libraries = [
        entry
        for top in ("/usr/lib", "/usr/lib64")
        if Path(top).is_dir()
        for entry in Path(top).iterdir()
        if not entry.name.startswith("python")
    ]
    others = ("/usr/share/fonts", "/usr/share/fontconfig", "/usr/share/zoneinfo", "/usr/share/X11")
    return [*libraries, *map(Path, (*others, "/etc", "/proc", "/sys", "/dev", "/tmp/.X11-unix"))]


def _call(number: int, *arguments: object) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(result)


def restrict_to(folders: Iterable[Path]) -> None:
    """Give up reading everything but ``folders``. Raises `OSError` without Landlock 2."""
    if _call(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION) < 2:
        raise OSError("this kernel's Landlock cannot allow files to be moved between folders")
    wanted = _Ruleset(_HANDLED)
    ruleset = _call(_CREATE_RULESET, ctypes.byref(wanted), ctypes.sizeof(wanted), 0)
    for folder in filter(Path.exists, folders):
        descriptor = os.open(folder, os.O_PATH)
        allowed = _HANDLED if folder.is_dir() else _EXECUTE | _READ_FILE
        rule = _PathBeneath(allowed, descriptor)
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        os.close(descriptor)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def main() -> None:
    split = sys.argv.index("--")
    folders, command = sys.argv[1:split], sys.argv[split + 1 :]
    try:
        restrict_to([*map(Path, folders), *system_folders()])
    except OSError as error:
        print(f"cannot confine: {error}", file=sys.stderr)
        sys.exit(UNAVAILABLE)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
