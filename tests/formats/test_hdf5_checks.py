"""What `mfx verify` and `mfx scan` learn of HDF5 files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from explorer.formats.artifact import Check, HazardKind, UnreadableArtifact
from explorer.formats.hdf5.lookup3 import lookup3
from explorer.formats.registry import open_artifact
from tests.formats import hdf5_seeds
from tests.formats.hdf5_seeds import LIBVERS, SEEDS


def problems(path: Path) -> list[Check]:
    artifact = open_artifact(str(path))
    try:
        return [check for check in artifact.checks() if check.problem]
    finally:
        artifact.close()


@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize("name", SEEDS)
def test_sound_files_have_no_problem(tmp_path: Path, name: str, libver: str) -> None:
    path = hdf5_seeds.write(tmp_path / "x.h5", SEEDS[name], libver, userblock_size=512)
    assert problems(path) == []


def test_sound_files_of_keras_have_no_problem(corpus: Path) -> None:
    for name in ("emotion_model.hdf5", "notes_tf20/functional/3_model.h5", "sleep_stages.keras"):
        assert problems(corpus / name) == []


@pytest.mark.parametrize(
    ("text", "checksum"),
    [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)],
)
def test_checksums_are_those_that_their_author_gives(text: bytes, checksum: int) -> None:
    assert lookup3(text) == checksum


_BLOCKS = (
    *("OHDR", "OCHK", "BTHD", "BTLF", "BTIN", "FRHP", "FHDB", "FHIB"),
    *("FAHD", "FADB", "EAHD", "EAIB", "EADB", "EASB"),
)


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("newest") / "x.h5"

    def contents(file: Any) -> None:
        hdf5_seeds.links(file, 3000)
        hdf5_seeds.chunked(file)
        for number in range(5):
            file["single"].attrs[f"a{number}"] = np.arange(50)

    return hdf5_seeds.write(path, contents, "latest").read_bytes()


@pytest.mark.parametrize("signature", _BLOCKS)
def test_one_bit_in_any_block_with_a_checksum(
    tmp_path: Path, newest: bytes, signature: str
) -> None:
    at = newest.index(signature.encode())
    data = bytearray(newest)
    data[at + 20] ^= 1
    (tmp_path / "x.h5").write_bytes(data)
    try:
        found = problems(tmp_path / "x.h5")
    except UnreadableArtifact:
        return
    assert any(f"at byte {at:,} is" in one.problem for one in found) or "It cannot be read" in str(
        [one.problem for one in found]
    )


@pytest.mark.parametrize("signature", ["FSHD", "FSSE"])
def test_one_bit_in_the_free_space_of_a_heap(tmp_path: Path, signature: str) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver="latest") as file:
        group = file.create_group("g")
        for number in range(40):
            group.attrs[f"a{number}"] = np.arange(number)
        for number in range(0, 40, 3):
            del group.attrs[f"a{number}"]
    assert problems(path) == []
    data = bytearray(path.read_bytes())
    at = data.index(signature.encode())
    data[at + 8] ^= 1
    path.write_bytes(data)
    (one,) = problems(path)
    assert (one.where, f"at byte {at:,} is" in one.problem) == ("g", True)
    with (
        h5py.File(path, "r+") as file,
        pytest.raises(OSError, match="incorrect metadata checksum"),
    ):
        file["g"].attrs["new"] = np.arange(100)


def test_the_checksum_of_the_superblock(tmp_path: Path, newest: bytes) -> None:
    data = bytearray(newest)
    data[44] ^= 1
    (tmp_path / "x.h5").write_bytes(data)
    (one,) = problems(tmp_path / "x.h5")
    assert one.problem.startswith("The checksum of 48 B at byte 0 is ")


def test_damaged_values_are_named(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 9, 2000)
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a/packed", data=values, chunks=(500,), compression="gzip")
        file.create_dataset("a/checked", data=values, chunks=(500,), fletcher32=True)
        file["plain"] = values
        places = [file["a/packed"].id.get_chunk_info(2), file["a/checked"].id.get_chunk_info(1)]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place.byte_offset + place.size // 2] ^= 0xFF
    path.write_bytes(data)
    assert [(one.rule, one.where) for one in problems(path)] == [
        ("fletcher32", "a/checked"),
        ("chunks", "a/packed"),
    ]


def test_values_beyond_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000.0)
        offset = file["x"].id.get_offset()
    data = path.read_bytes()
    layout, beyond = b"\x03\x01", len(data) - 8
    assert data.count(layout + offset.to_bytes(8, "little")) == 1
    path.write_bytes(
        data.replace(layout + offset.to_bytes(8, "little"), layout + beyond.to_bytes(8, "little"))
    )
    (one,) = problems(path)
    assert (one.rule, one.where) == ("byte count", "x")
    assert one.problem == "It cannot be read: its values reach beyond the end of the file."


def test_what_reaches_out_of_the_file(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "x.h5"
    layout = h5py.VirtualLayout((10,), "f8")
    layout[:] = h5py.VirtualSource("source.h5", "d", (10,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("outside", (10,), "f8", external=[("secret.bin", 0, 80)])
        file["group/soft"] = h5py.SoftLink("/group")
        file["group/link"] = h5py.ExternalLink("/etc/other.h5", "/d")
    expected = {
        (HazardKind.VIRTUAL_DATASET, "virtual", "source.h5:d"),
        (HazardKind.EXTERNAL_STORAGE, "outside", "secret.bin"),
        (HazardKind.SOFT_LINK, "group/soft", "/group"),
        (HazardKind.EXTERNAL_LINK, "group/link", "/d in /etc/other.h5"),
    }
    assert {(h.kind, h.where, h.target) for h in opened(path).hazards()} == expected
    assert problems(path) == []


def test_the_weights_of_an_archive(corpus: Path, tmp_path: Path, opened: Any) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = h5py.ExternalLink("other.h5", "/d")
    with (
        zipfile.ZipFile(corpus / "sleep_stages.keras") as real,
        zipfile.ZipFile(tmp_path / "a.keras", "w") as made,
    ):
        made.writestr("config.json", real.read("config.json"))
        made.write(tmp_path / "x.h5", "model.weights.h5")
    (hazard,) = opened(tmp_path / "a.keras").hazards()
    assert (hazard.kind, hazard.where) == (HazardKind.EXTERNAL_LINK, "model.weights.h5/x")
