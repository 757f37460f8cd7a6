"""Archives by their content, as storages of their members."""

from __future__ import annotations

from explorer.formats.archives.inflate import GZIP, Inflated
from explorer.formats.archives.tar_storage import TarStorage, is_gzip, is_tar
from explorer.formats.archives.zip_storage import ZipStorage, is_zip
from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.storage import Storage

Archive = ZipStorage | TarStorage

ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")

_HEAD = 512


def is_archive(storage: Storage) -> bool:
    """Whether a file starts like an archive that can be read.

    Raises `UnreadableArtifact` where it is compressed and damaged.
    """
    return not storage.is_folder and _kind(storage) is not None


def open_archive(storage: Storage) -> Archive:
    """The members of a file that `is_archive`.

    Raises `UnreadableArtifact` where it is damaged, or no archive.
    """
    kind = _kind(storage)
    if kind is None:
        raise UnreadableArtifact(f"{storage.name} is no archive, so there is nothing inside it.")
    return kind(storage)


def _kind(storage: Storage) -> type[ZipStorage] | type[TarStorage] | None:
    head = storage.read("", 0, _HEAD)
    if is_zip(head):
        return ZipStorage
    if is_tar(head) or (is_gzip(head) and is_tar(_unpacked_head(storage))):
        return TarStorage
    return None


def _unpacked_head(storage: Storage) -> bytes:
    inflated = Inflated(storage.open(), 0, storage.size() or 0, GZIP, storage.name)
    try:
        return inflated.read(0, _HEAD)
    except OSError as error:
        raise UnreadableArtifact(
            f"{storage.name} is compressed by gzip, but cannot be unpacked: {error}. Copy or "
            "download it again."
        ) from error
    finally:
        inflated.close()
