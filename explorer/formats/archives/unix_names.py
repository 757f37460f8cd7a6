"""Names in zip archives that say nothing of their encoding."""

from __future__ import annotations

import zipfile

_UNIX = 3
_IS_UTF_8 = 1 << 11


def unix_name(info: zipfile.ZipInfo) -> str:
    """A member's name; of one packed on Unix as UTF-8 where its bytes are that.

    Without the flag a name is in code page 437 (APPNOTE 4.4.4 and appendix D), and Python takes it
    so. But ``zip`` of Info-ZIP 3.0 stores the bytes of a Unix name as they are, without the flag,
    and ``unzip`` writes them so.
    """
    is_given = info.filename == info.orig_filename
    if info.create_system != _UNIX or info.flag_bits & _IS_UTF_8 or not is_given:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename
