"""What stands at a path is told before anything replaces it."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from explorer.formats.occupant import occupant
from tests.formats import keras_seeds


def copied(corpus: Path, name: str, folder: Path) -> Path:
    source, target = corpus / name, folder / Path(name).name
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    return target


def test_nothing(tmp_path: Path) -> None:
    assert occupant(tmp_path / "model.keras") is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("emotion_model.hdf5", "a Keras HDF5 file"),
        ("sleep_stages.keras", "a Keras archive file"),
        ("face_detection_short_range.tflite", "a TensorFlow Lite file"),
        ("half_plus_two_tf1", "a folder with a SavedModel"),
    ],
)
def test_models_may_be_replaced(corpus: Path, tmp_path: Path, name: str, kind: str) -> None:
    path = copied(corpus, name, tmp_path)
    found = occupant(path)
    assert found is not None
    assert (found.kind, found.is_model, found.obstacle) == (kind, True, "")
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    assert found.size == sum(file.stat().st_size for file in files)
    assert found.changed == path.stat().st_mtime


def test_a_keras_folder_may_be_replaced_unless_it_holds_something_else(tmp_path: Path) -> None:
    folder = keras_seeds.unpacked(tmp_path)
    found = occupant(folder)
    assert found is not None
    assert (found.kind, found.is_model) == ("a Keras folder", True)
    assert found.obstacle == ""
    (folder / "thesis.txt").write_text("chapter 1")
    found = occupant(folder)
    assert found is not None
    assert "also holds thesis.txt" in found.obstacle


def test_a_folder_with_some_other_config_stays(tmp_path: Path) -> None:
    for name in ("config.json", "metadata.json"):
        (tmp_path / name).write_text("{}")
    found = occupant(tmp_path)
    assert found is not None
    assert "is a folder that holds no saved model" in found.obstacle


def test_one_file_of_several_stays(corpus: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(keras_seeds.sharded(tmp_path)) as archive:
        archive.extractall(tmp_path)
    checkpoint = next(corpus.glob("**/variables.index"))
    shutil.copytree(checkpoint.parent, tmp_path / "variables")
    names = ("parts.weights.json", "parts_00000.weights.h5", "variables/variables.index")
    for name in names:
        found = occupant(tmp_path / name)
        assert found is not None
        assert "is one of the files of the" in found.obstacle
        assert not found.is_model


def test_what_holds_nothing_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name, kind in (("file", "an empty file"), ("folder", "an empty folder")):
        found = occupant(tmp_path / name)
        assert found is not None
        assert (found.kind, found.is_model, found.obstacle) == (kind, False, "")


def test_a_model_that_cannot_be_read_is_replaced_only_as_a_whole_folder(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "model.h5"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"\xff" * 50)
    file.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 50)
    damaged, unknown = occupant(folder), occupant(file)
    assert damaged is not None
    assert unknown is not None
    assert (damaged.kind, damaged.obstacle) == ("a folder with a model that cannot be read", "")
    assert "cannot be read as a model" in unknown.obstacle


@pytest.mark.parametrize("name", ["notes.txt", "notes.h5", "notes.keras"])
def test_other_files_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Dear diary")
    found = occupant(tmp_path / name)
    assert found is not None
    assert found.obstacle.startswith(f"{name} is a file that cannot be read as a model")


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_a_link_is_not_followed(corpus: Path, tmp_path: Path) -> None:
    path = copied(corpus, "sleep_stages.keras", tmp_path)
    link = tmp_path / "link.keras"
    link.symlink_to(path)
    found = occupant(link)
    assert found is not None
    assert found.kind == f"a symbolic link to {path}, which itself stays"
    assert not found.is_model
    assert found.obstacle == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_pipe_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = occupant(tmp_path / "pipe")
    assert found is not None
    assert "a device or a pipe" in found.obstacle
