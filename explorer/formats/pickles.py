"""Python pickles: recognised and named, never loaded, since loading one runs what it says."""

from __future__ import annotations

from explorer.formats.artifact import Hazard, HazardKind

_ENDINGS = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
_PROTOCOLS = range(2, 6)


def is_pickle_name(name: str) -> bool:
    """Whether a file is called as pickles are; PyTorch's and joblib's files are such."""
    return name.lower().endswith(_ENDINGS)


def is_pickle(head: bytes) -> bool:
    """Whether first bytes are those of a pickle of protocol 2 to 5: its opcode PROTO and number.

    Protocols 0 and 1 are known by their names alone. Source: CPython's ``Lib/pickletools.py``.
    """
    return len(head) > 2 and head[0] == 0x80 and head[1] in _PROTOCOLS


def pickle_hazard(where: str) -> Hazard:
    """The fact that a file or member is a pickle."""
    return Hazard(HazardKind.PICKLE, where)
