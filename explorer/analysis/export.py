"""Writing one tensor to a file of its own."""

from __future__ import annotations

import math
import os
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from explorer.analysis.plain_types import plain_dtype
from explorer.analysis.statistics import chunk_selections
from explorer.formats.archives.opening import is_archive
from explorer.formats.artifact import Artifact, Tensor, TensorUnreadable
from explorer.formats.storage import LocalStorage

CHUNK_VALUES = 1 << 20


def export_npy(tensor: Tensor, target: Path, source: Artifact | None = None) -> None:
    """Write ``tensor`` as a ``.npy`` file, whole or not at all; memory stays bounded.

    Types that NumPy itself does not have, such as bfloat16, are written as the float32 or int8
    that holds every value of theirs; strings as fixed-width bytes. Raises `TensorUnreadable`, and
    `OSError` also where ``target`` is there and no file, or one of ``source``.
    """
    if source is not None and target.exists() and _is_of(source, target):
        raise FileExistsError("it belongs to the model that is read; name another file")
    if tensor.shape is None or None in tensor.shape:
        raise TensorUnreadable(f"The shape of {tensor.path} is not known, so it has no values.")
    with _whole(target) as file:
        _write(tensor, tuple(int(d or 0) for d in tensor.shape), file)


def export_npz(arrays: Mapping[str, np.ndarray], target: Path) -> None:
    """Write arrays as an ``.npz`` file, whole or not at all, in types that NumPy itself has.

    Raises `TensorUnreadable` and `OSError`.
    """
    plain = {name: _fixed_width(array) for name, array in arrays.items()}
    with _whole(target) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in plain.items():  # not savez: an output may be called "file"
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _is_of(artifact: Artifact, target: Path) -> bool:
    """Whether a file is the artifact, lies in its folder, or holds some of its tensors."""
    path = Path(artifact.path)
    known = (path, *path.parents) if "://" not in artifact.path else ()
    own = next((above for above in known if above.exists()), None)
    if own is None:
        return False
    if own.is_dir():
        return target.resolve().is_relative_to(own.resolve())
    if own.samefile(target):
        return True
    if is_archive(LocalStorage(own)):
        return False
    places = {tensor.location.file for tensor in artifact.tensors() if tensor.location}
    files = (own.parent / place for place in places)
    return any(file.exists() and file.samefile(target) for file in files)


@contextmanager
def _whole(target: Path) -> Iterator[IO[bytes]]:
    """A file beside ``target`` that takes its place once it is complete; links are followed."""
    if target.exists() and not target.is_file():
        raise FileExistsError("it is a folder, a device or a pipe; name a file")
    target = Path(os.path.realpath(target))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _write(tensor: Tensor, shape: tuple[int, ...], file: IO[bytes]) -> None:
    if tensor.dtype == "string" or math.prod(shape) == 0:
        np.save(file, _fixed_width(tensor.read()), allow_pickle=False)
        return
    written: np.dtype | None = None
    for selection in chunk_selections(shape, CHUNK_VALUES):
        values = np.asarray(tensor.read(selection))
        if written is None:
            written = plain_dtype(values.dtype)
            header = {"descr": written.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(values, written).tobytes())


def _fixed_width(values: np.ndarray) -> np.ndarray:
    """Strings as NumPy's fixed-width bytes, which lose zero bytes at the end: those are refused."""
    values = np.asarray(values)
    if values.dtype != object:
        return values.astype(plain_dtype(values.dtype))
    texts = [bytes(text) for text in values.ravel()]
    if any(text.endswith(b"\0") for text in texts):
        raise TensorUnreadable(
            "The strings end in zero bytes, which a .npy file cannot keep. Look at them and copy "
            "them as text instead."
        )
    return np.array(texts, dtype=np.bytes_).reshape(values.shape)
