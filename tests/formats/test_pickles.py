"""Files that NumPy loads as pickles though they are of another format, and arrays of objects."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from explorer.analysis.safety import scan
from tests.formats.packing import pack_zip


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._folder,)


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    return tmp_path / "sprung"


def found(artifact: Any) -> list[tuple[str, str]]:
    return [(finding.rule, finding.where) for finding in scan(artifact)]


def springs(path: Path, sprung: Path) -> bool:
    """Whether NumPy runs what is in a file."""
    try:
        loaded = np.load(path, allow_pickle=True)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                [loaded[name] for name in loaded.files]
    except Exception:
        pass  # it comes to nothing, but what was called was called
    if sprung.exists():
        sprung.rmdir()
        return True
    return False


def objects(sprung: Path) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Trap(sprung)], dtype=object), allow_pickle=True)
    return file.getvalue()


def in_hdf5(path: Path, data: bytes) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["w"] = np.ones(3)
    with path.open("r+b") as file:
        file.write(data)


def in_tar(path: Path, data: bytes) -> None:
    """As the name of a member."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("x" * len(data))
        archive.addfile(member)
    block = bytearray(path.read_bytes())
    block[: len(data)] = data
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    path.write_bytes(block)


@pytest.mark.parametrize("disguise", [in_hdf5, in_tar, Path.write_bytes])
@pytest.mark.parametrize("name", ["a.npy", "a.bin"])
def test_a_pickle_is_named_whatever_else_the_file_is(
    disguise: Any,
    name: str,
    tmp_path: Path,
    sprung: Path,
    opened: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / name
    disguise(path, b"cos\nmkdir\n(Vsprung\ntR.")
    monkeypatch.chdir(tmp_path)
    assert springs(path, sprung)
    assert ("pickle", name) in found(opened(path))
    assert not sprung.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [{"a": 1.5}, [Path("a"), 2**70], np.arange(3)], ids=str)
def test_what_calls_something_is_known_by_its_bytes(
    protocol: int, value: Any, tmp_path: Path, opened: Any
) -> None:
    path = tmp_path / "values"
    path.write_bytes(pickle.dumps(value, protocol))
    is_plain = isinstance(value, dict) and protocol < 2
    assert (("pickle", "values") in found(opened(path))) is not is_plain


@pytest.mark.parametrize(
    "text", ["cat\ndog\nRat\n", "class\nindex\n(no)\ntRue\n", "I\nN\nR\n", "(((" * 9]
)
def test_text_that_begins_like_a_pickle_is_none(text: str, tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text)
    assert "pickle" not in dict(found(opened(path)))


# Arrays of objects


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_arrays_packed_in_ways_that_are_not_read_are_told(
    method: int, tmp_path: Path, sprung: Path, opened: Any
) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", objects(sprung))
    assert springs(path, sprung)
    assert found(opened(path)) == [("not-scanned", "a.npy")]


def test_an_array_whose_header_is_too_long_for_us_is_told(
    tmp_path: Path, sprung: Path, opened: Any
) -> None:
    data = objects(sprung)
    length = int.from_bytes(data[8:10], "little")
    header = data[10 : 10 + length].rstrip().ljust(20_000) + b"\n"
    long = data[:8] + len(header).to_bytes(2, "little") + header + data[10 + length :]
    path = pack_zip(tmp_path / "a.npz", {"a.npy": long})
    assert springs(path, sprung)
    assert found(opened(path)) == [("not-scanned", "a")]


@pytest.mark.parametrize("name", ["a.npz", "a.zip"])
def test_arrays_of_objects_beside_a_model_are_named(
    name: str, tmp_path: Path, sprung: Path, opened: Any
) -> None:
    model = tmp_path / "m.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(model)
    plain = io.BytesIO()
    np.save(plain, np.ones(2))
    with zipfile.ZipFile(model) as archive:
        inside = {member: archive.read(member) for member in archive.namelist()}
    members = inside if name == "a.npz" else {"m.keras": model.read_bytes()}
    members |= {"x.npy": objects(sprung), "y": objects(sprung), "z.npy": plain.getvalue()}
    path = pack_zip(tmp_path / name, members)
    assert springs(path, sprung)
    artifact = opened(path)
    assert artifact.format == "keras_archive"
    assert sorted(found(artifact)) == [("pickle", "x.npy"), ("pickle", "y")]
