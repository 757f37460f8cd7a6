"""A file of two formats: what Keras and HDF5's library make of it, and what is told."""

from __future__ import annotations

import io
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import safetensors.numpy

from explorer.analysis.safety import scan
from explorer.formats.artifact import Artifact
from tests.formats.packing import PACKERS, members_of, pack_tar

Open = Callable[[Path], Artifact]


def named(name: str, path: Path) -> bytes:
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name=name).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def beginnings(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    array = io.BytesIO()
    np.save(array, np.arange(3))
    return {
        "keras_hdf5": named("first", tmp_path_factory.mktemp("first") / "a.h5"),
        "tflite": (corpus / "face_detection_short_range.tflite").read_bytes(),
        "numpy": array.getvalue(),
        "safetensors": safetensors.numpy.save({"a": np.zeros(2)}),
        "graph_def": b"\x0a\x08\x0a\x01a\x12\x03Abs",
        "unknown": b"x" * 100,
    }


def dangers(artifact: Artifact) -> list[tuple[str, str]]:
    return [(f.rule, f.where) for f in scan(artifact) if f.severity.value == "danger"]


@pytest.mark.parametrize(
    "format", ["keras_hdf5", "tflite", "numpy", "safetensors", "graph_def", "unknown"]
)
def test_what_keras_reads_instead_is_named(
    format: str, beginnings: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    path = tmp_path / "both.keras"
    path.write_bytes(beginnings[format] + named("second", tmp_path / "second.keras"))
    assert keras.models.load_model(path).name == "second"
    artifact = opened(path)
    assert dangers(artifact) == [("two-formats", "both.keras")]
    assert "config.json" in scan(artifact)[0].message
    if format != "graph_def":  # a message goes on to the end of the file, so this one is damaged
        assert artifact.format == format


@pytest.mark.parametrize("format", ["keras_hdf5", "numpy", "unknown"])
def test_a_file_alone_is_no_danger(
    format: str, beginnings: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    path = tmp_path / "one"
    path.write_bytes(beginnings[format] + b"PK\x05\x06" * 9)
    assert dangers(opened(path)) == []


def test_the_files_of_a_tflite_model_are_none_of_another_format(
    beginnings: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(beginnings["tflite"])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "one\ntwo\n")
    assert dangers(opened(path)) == []


def test_a_zip_in_a_tar_is_a_member_of_it(tmp_path: Path, opened: Open) -> None:
    path = pack_tar(tmp_path / "a.tar", {"m.keras": named("only", tmp_path / "m.keras")})
    assert zipfile.is_zipfile(path)
    artifact: Any = opened(path)
    assert (artifact.format, dangers(artifact)) == ("keras_archive", [])


def test_a_zip_behind_a_tar_is_none_of_its_members(tmp_path: Path, opened: Open) -> None:
    tar = pack_tar(tmp_path / "a.tar", {"m.keras": named("first", tmp_path / "m.keras")})
    path = tmp_path / "both.keras"
    path.write_bytes(tar.read_bytes() + named("second", tmp_path / "second.keras"))
    assert keras.models.load_model(path).name == "second"
    assert dangers(opened(path)) == [("two-formats", "both.keras")]


def test_a_zip_at_the_end_of_a_tars_member_is_not_that_member(tmp_path: Path, opened: Open) -> None:
    hidden = b"text " + named("second", tmp_path / "second.keras")
    members = {"m.h5": named("first", tmp_path / "m.h5"), "notes.txt": hidden}
    path = pack_tar(tmp_path / "both.keras", members)
    assert keras.models.load_model(path).name == "second"
    assert dangers(opened(path)) == [("two-formats", "both.keras")]


def test_an_archive_whose_list_cannot_be_read_is_named(tmp_path: Path, opened: Open) -> None:
    """Some versions of ``zipfile`` read the record of ZIP64 wherever it is said to be."""
    second = named("second", tmp_path / "second.keras")
    end = second.rfind(b"PK\5\6")
    count, length, offset = struct.unpack_from("<H2L", second, end + 10)
    wide = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, offset
    ) + struct.pack("<4sLQL", b"PK\6\7", 0, 1 << 60, 1)
    path = tmp_path / "both.keras"
    first = named("first", tmp_path / "first.h5")
    path.write_bytes(first + second[:end] + wide + b"PK\5\6" + b"\0" * 4 + b"\xff" * 12 + bytes(2))
    artifact = opened(path)
    assert (artifact.format, dangers(artifact)) == ("keras_hdf5", [("two-formats", "both.keras")])
    assert "cannot be read" in scan(artifact)[0].message


# HDF5 behind something else


def hdf5_behind(path: Path, front: bytes) -> Path:
    """A model whose user block is another file."""
    size = 512
    while size < len(front):
        size *= 2
    named("second", path.with_name("second.h5"))
    with (
        h5py.File(path.with_name("second.h5")) as model,
        h5py.File(path, "w", userblock_size=size) as file,
    ):
        file.attrs.update(model.attrs)
        for name in model:
            model.copy(name, file)
    with path.open("r+b") as file:
        file.write(front)
    return path


def packed_hdf5(path: Path, folder: Path) -> Path:
    """A Keras archive with a model in a stored member that begins at byte 512."""
    extra = 512 - 30 - len("a.txt")
    member = zipfile.ZipInfo("a.txt")
    member.extra = struct.pack("<2H", 0xCAFE, extra - 4) + bytes(extra - 4)
    named("first", folder / "first.keras")
    with zipfile.ZipFile(path, "w") as archive, zipfile.ZipFile(folder / "first.keras") as first:
        archive.writestr(member, named("second", folder / "second.h5"))
        for name in first.namelist():
            archive.writestr(name, first.read(name))
    return path


def model_in(path: Path) -> str:
    with h5py.File(path) as file:
        return str(file.attrs["model_config"])


@pytest.mark.parametrize(("format", "name"), [("numpy", "m.npy"), ("tflite", "m.tflite")])
def test_hdf5_behind_another_format_is_named(
    format: str, name: str, beginnings: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    path = hdf5_behind(tmp_path / name, beginnings[format])
    assert "second" in model_in(path)
    artifact = opened(path)
    assert (artifact.format, dangers(artifact)) == (format, [("two-formats", name)])


def test_hdf5_in_an_archive_that_is_read_instead_of_it_is_named(
    tmp_path: Path, opened: Open
) -> None:
    members = {
        "README.md": named("second", tmp_path / "second.h5"),
        "m.keras": named("first", tmp_path / "first.keras"),
    }
    for path in (
        pack_tar(tmp_path / "m.tar", members),
        packed_hdf5(tmp_path / "m.keras", tmp_path),
    ):
        assert "second" in model_in(path)
        artifact = opened(path)
        assert artifact.format == "keras_archive"
        assert dangers(artifact) == [("two-formats", path.name)]


def test_hdf5_that_was_looked_at_is_no_second_format(tmp_path: Path, opened: Open) -> None:
    alone = pack_tar(tmp_path / "m.tar", {"m.h5": named("only", tmp_path / "m.h5")})
    named("only", tmp_path / "only.keras")
    with zipfile.ZipFile(tmp_path / "only.keras") as archive:
        names = sorted(archive.namelist(), reverse=True)
        folder = pack_tar(tmp_path / "f.tar", {name: archive.read(name) for name in names})
    for path in (alone, folder, hdf5_behind(tmp_path / "block.h5", b"notes")):
        assert h5py.is_hdf5(path)
        assert dangers(opened(path)) == []


def test_a_zip_before_what_is_read_as_hdf5_is_named(tmp_path: Path, opened: Open) -> None:
    path = packed_hdf5(tmp_path / "m.h5", tmp_path)
    assert keras.models.load_model(path.rename(tmp_path / "m.keras")).name == "first"
    artifact = opened((tmp_path / "m.keras").rename(path))
    assert (artifact.format, dangers(artifact)) == ("keras_hdf5", [("two-formats", "m.h5")])


# A Keras model in a folder that is read as something else


@pytest.fixture(scope="module")
def keras_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked model whose layer is Python code."""
    folder = tmp_path_factory.mktemp("parts")
    code = keras.layers.Lambda(lambda x: x * 2, name="code")
    keras.Sequential([keras.Input((2,)), code], name="second").save(folder / "m.keras")
    with zipfile.ZipFile(folder / "m.keras") as archive:
        archive.extractall(folder / "parts")
    return folder / "parts"


HOSTS = ["half_plus_two_tf1", "notes_tf20/subclass/checkpoints"]


@pytest.mark.parametrize("source", HOSTS)
def test_a_keras_model_in_the_folder_of_another_is_looked_at(
    source: str, corpus: Path, keras_parts: Path, tmp_path: Path, opened: Open
) -> None:
    folder = Path(shutil.copytree(corpus / source, tmp_path / "both"))
    assert dangers(opened(folder)) == []
    shutil.copytree(keras_parts, folder, dirs_exist_ok=True)
    assert keras.models.load_model(folder, safe_mode=False).name == "second"
    members = members_of(folder, "both/")
    packed = [pack(tmp_path / name, members) for pack, name in (p.values for p in PACKERS)]
    for path in (folder, *packed):
        artifact = opened(path)
        assert artifact.format in ("saved_model", "tf_checkpoint")
        assert dangers(artifact) == [("lambda-code", "config.json: code")]


def test_what_the_weights_of_that_model_lead_to_is_named(
    corpus: Path, keras_parts: Path, tmp_path: Path, opened: Open
) -> None:
    folder = Path(shutil.copytree(corpus / HOSTS[0], tmp_path / "both"))
    shutil.copytree(keras_parts, folder, dirs_exist_ok=True)
    with h5py.File(folder / "model.weights.h5", "a") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/other.h5", "/x")
    assert ("external-link", "model.weights.h5/elsewhere") in dangers(opened(folder))


@pytest.mark.parametrize("host", ["half_plus_two_tf1", "emotion_model.hdf5", "sleep_stages.keras"])
def test_a_config_beside_a_model_in_an_archive_is_looked_at(
    host: str, corpus: Path, keras_parts: Path, tmp_path: Path, opened: Open
) -> None:
    config = {"other/config.json": (keras_parts / "config.json").read_bytes()}
    path = corpus / host
    members = {host: path.read_bytes()} if path.is_file() else members_of(path, "good/")
    for pack, name in (p.values for p in PACKERS):
        artifact = opened(pack(tmp_path / name, {**members, **config}))
        assert artifact.is_known
        assert dangers(artifact) == [("lambda-code", "other/config.json: code")]
        alone = opened(pack(tmp_path / name, config))
        assert dangers(alone) == [("lambda-code", "other/config.json: code")]


@pytest.mark.parametrize("source", [*HOSTS, "sleep_stages.keras"])
@pytest.mark.parametrize(
    "config",
    [
        b'{"model_type": "bert", "hidden_act": "gelu", "activation": "swish", "vocab_size": 9}',
        b'{"class_name": "Sequential", "config": {"name": "s", "layers": []}}',
        b'["a", 1]',
        b"// no JSON",
    ],
)
def test_a_config_of_anything_else_is_none(
    config: bytes, source: str, corpus: Path, tmp_path: Path, opened: Open
) -> None:
    path = corpus / source
    members = {source: path.read_bytes()} if path.is_file() else members_of(path)
    for pack, name in (p.values for p in PACKERS):
        artifact = opened(pack(tmp_path / name, {**members, "config.json": config}))
        assert scan(artifact) == []
