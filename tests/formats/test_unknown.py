"""Files that no reader knows: they open as files, and are never taken for models."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from explorer.formats.artifact import HazardKind
from explorer.formats.occupant import occupant
from explorer.formats.registry import FORMATS

_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 12


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.h5"
    path.write_bytes(_PNG)
    return path


def test_a_file_that_is_no_model_opens_as_what_it_is(picture: Path, opened: Any) -> None:
    artifact = opened(picture)
    assert (artifact.format, artifact.format_name) == ("unknown", "Unknown file")
    assert (artifact.size, artifact.path) == (len(_PNG), str(picture))
    assert artifact.notes[0] == (
        "picture.h5 is no model that can be read here: it starts with 89 50 4e 47 0d 0a 1a 0a  "
        "“.PNG....” (3.0 KB in all). Open a SavedModel folder, a checkpoint, a .keras, .h5 or "
        ".tflite file."
    )
    assert not [*artifact.tensors(), *artifact.layers(), *artifact.hazards()]


@pytest.mark.parametrize(("module", "name"), [(bz2, "bzip2"), (lzma, "xz"), (gzip, "gzip")])
def test_what_is_compressed_in_other_ways_is_to_be_unpacked(
    tmp_path: Path, opened: Any, module: Any, name: str
) -> None:
    path = tmp_path / "model.h5.packed"
    path.write_bytes(module.compress(b"a model" * 1000))
    message = opened(path).notes[0]
    assert message.startswith(f"model.h5.packed is compressed by {name}, and no archive")
    assert "Unpack it" in message


def test_every_readers_reason_is_told(picture: Path, opened: Any) -> None:
    artifact = opened(picture)
    reasons = dict(note.split(": ", 1) for note in artifact.notes[1:])
    assert set(reasons) == {row.name for row in FORMATS}
    assert reasons["HDF5"] == "It looks for the HDF5 signature \\x89HDF; that is not here."
    shown = {node.name: node.summary for node in artifact.root.children()[1].children()}
    assert shown == reasons


@pytest.mark.skipif(shutil.which("hexdump") is None, reason="hexdump is not installed")
@pytest.mark.parametrize("length", [3, 16, 250, 5_000])
def test_the_first_bytes_are_a_hex_dump(tmp_path: Path, opened: Any, length: int) -> None:
    path = tmp_path / "numbers"
    path.write_bytes((_PNG * 2)[:length])
    shown = dict(opened(path).root.attributes())["bytes"]
    command = ["hexdump", "-v", "-C", "-n", "512", str(path)]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == theirs.splitlines()[:-1]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_recognised_and_not_loaded(tmp_path: Path, opened: Any, protocol: int) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    named = tmp_path / "model.pkl"
    named.write_bytes(pickle.dumps(Trap(), protocol))
    bare = tmp_path / "model.h5"
    bare.write_bytes(named.read_bytes())
    for path in (named, bare):
        artifact = opened(path)
        (hazard,) = artifact.hazards()
        assert (hazard.kind, hazard.where) == (HazardKind.PICKLE, path.name)
        assert "Loading a pickle runs whatever code it names" in artifact.notes[0]
    assert not (tmp_path / "sprung").exists()


def test_a_pytorch_archive_is_a_pickle(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps([1]))
        archive.writestr("model/data/0", bytes(16))
    artifact = opened(path)
    assert artifact.format == "unknown"
    assert "model.pt is a PyTorch file" in artifact.notes[0]
    assert [(h.kind, h.where) for h in artifact.hazards()] == [
        (HazardKind.PICKLE, "model/data.pkl")
    ]


@pytest.mark.parametrize("name", ["picture.h5", "model.zip", "numbers.npy"])
def test_what_is_no_model_is_never_replaced(corpus: Path, picture: Path, name: str) -> None:
    path = picture.with_name(name)
    if name == "model.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(corpus / "emotion_model.hdf5", "model.h5")
    if name == "numbers.npy":
        path.write_bytes(b"\x93NUMPY\1\0")
    found = occupant(path)
    assert found is not None
    assert not found.is_model
    assert name in found.obstacle
