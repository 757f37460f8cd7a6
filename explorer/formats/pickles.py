"""Python pickles: recognised and named, never loaded, since loading one runs what it says."""

from __future__ import annotations

from collections.abc import Iterator

from explorer.formats.artifact import Hazard, HazardKind, UnreadableArtifact
from explorer.formats.npy_header import MAGIC, array_values
from explorer.formats.pickle_walk import calls_code
from explorer.formats.storage import Storage, walk_bounded

_ENDINGS = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
_ARRAY_ENDINGS = (".npy", ".npz")
_ZIP_MAGIC = b"PK"
_PROTOCOLS = range(2, 6)
_OPCODES = b"\x95(}])]cXUCBKMJGNqh\x8a\x8b\x8c\x88\x89\x8f"
"""Those that a pickle begins with behind its protocol: a frame, a mark, a value or a name."""
_STOP = b"."
_MOST_READ = 1000


def is_pickle_name(name: str) -> bool:
    """Whether a file is called as pickles are; PyTorch's and joblib's files are such."""
    return name.lower().endswith(_ENDINGS)


def is_pickle(head: bytes) -> bool:
    """Whether first bytes are those of a pickle of protocol 2 to 5: its opcode PROTO and number.

    Source: CPython's ``Lib/pickletools.py``.
    """
    return len(head) > 2 and head[0] == 0x80 and head[1] in _PROTOCOLS


def taken_for_pickle(storage: Storage) -> bool:
    """Whether a file is loaded as a pickle by its name or its bytes, whatever else it may be.

    NumPy takes what begins like neither an array nor a zip archive for a pickle (``load`` in
    ``numpy/lib/_npyio_impl.py``); what PyTorch packs into a zip archive is told as its member.
    """
    head = storage.read("", 0, len(MAGIC))
    if head == MAGIC or head.startswith(_ZIP_MAGIC):
        return False
    is_named = storage.name.lower().endswith((*_ENDINGS, *_ARRAY_ENDINGS))
    return is_named or is_pickle(head) or calls_code(storage)


def pickle_hazard(where: str) -> Hazard:
    """The fact that a file or member is a pickle."""
    return Hazard(HazardKind.PICKLE, where)


def pickles_in(storage: Storage) -> Iterator[Hazard]:
    """The pickles among the members of a folder or archive, by their names or by their bytes.

    At most so many members are looked at, and into fewer.
    """
    left = _MOST_READ
    for member, entry in walk_bounded(storage):
        if entry.is_folder or entry.link:
            continue
        if is_pickle_name(member):
            yield pickle_hazard(member)
        elif left and entry.size:
            left -= 1
            if _holds_pickle(storage, member, entry.size):
                yield pickle_hazard(member)


def _holds_pickle(storage: Storage, member: str, size: int) -> bool:
    try:
        head = storage.read(member, 0, len(MAGIC))
        if head == MAGIC:
            return _holds_objects(storage, member)
        return _is_whole(storage, member, head, size) or calls_code(storage, member)
    except (UnreadableArtifact, OSError):
        return False


def _holds_objects(storage: Storage, member: str) -> bool:
    """An array of objects is a pickle; one whose header cannot be read may be of such."""
    try:
        return array_values(storage, member).dtype.hasobject
    except ValueError:
        return True


def _is_whole(storage: Storage, member: str, head: bytes, size: int) -> bool:
    """A file of numbers may begin like a pickle, but seldom goes on and ends like one as well."""
    begins = is_pickle(head) and head[2] in _OPCODES
    return begins and storage.read(member, size - 1, 1) == _STOP
