"""Archives made for the tests, and whether what lies in one is the same model."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import Artifact

Pack = Callable[[Path, "dict[str, bytes]"], Path]


def pack_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def pack_stored(path: Path, members: dict[str, bytes]) -> Path:
    return pack_zip(path, members, zipfile.ZIP_STORED)


def pack_tar(path: Path, members: dict[str, bytes], mode: Any = "w", kind: int = 2) -> Path:
    with tarfile.open(path, mode, format=kind) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def pack_targz(path: Path, members: dict[str, bytes]) -> Path:
    return pack_tar(path, members, "w:gz")


def members_of(folder: Path, above: str = "") -> dict[str, bytes]:
    """The files below a folder, named from it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {f"{above}{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}


PACKERS = [
    pytest.param(pack_zip, "model.zip", id="zip"),
    pytest.param(pack_stored, "model.zip", id="stored"),
    pytest.param(pack_tar, "model.tar", id="tar"),
    pytest.param(pack_targz, "model.tar.gz", id="tar.gz"),
    pytest.param(pack_targz, "model.tgz", id="tgz"),
    pytest.param(pack_targz, "no ending", id="no ending"),
]


def same(inside: Artifact, outside: Artifact) -> None:
    """The same model: format, tensors with every value, layers, signatures."""
    assert inside.format == outside.format
    assert inside.signatures == outside.signatures
    assert inside.layers() == outside.layers()
    assert inside.size == outside.size
    theirs = {tensor.path: tensor for tensor in outside.tensors()}
    assert theirs.keys() == {tensor.path for tensor in inside.tensors()}
    for tensor in inside.tensors():
        np.testing.assert_array_equal(tensor.read(), theirs[tensor.path].read())
