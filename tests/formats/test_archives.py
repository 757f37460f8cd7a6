"""Archives that hold models: opened in place, compared with the same model outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.registry import open_artifact
from tests.formats.packing import (
    PACKERS,
    Pack,
    members_of,
    pack_tar,
    pack_targz,
    pack_zip,
    same,
)


@pytest.mark.parametrize(("pack", "name"), PACKERS)
@pytest.mark.parametrize("source", ["emotion_model.hdf5", "sleep_stages.keras"])
@pytest.mark.parametrize("above", ["", "some/folder/"])
def test_a_file_in_an_archive_is_the_same_model(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str, source: str, above: str
) -> None:
    data = (corpus / source).read_bytes()
    path = pack(tmp_path / name, {"README.md": b"# A model", f"{above}{source}": data})
    artifact = opened(path)
    same(artifact, opened(corpus / source))
    assert (artifact.name, artifact.archive) == (source, name)
    assert artifact.path == f"{path}/{above}{source}"
    inside = dict(artifact.root.attributes())["inside the archive"]
    assert inside == f"{name} at {above}{source}"
    assert artifact.notes[0].startswith("It lies inside the ")
    assert [member.name for member in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("pack", "name", "above"),
    [
        pytest.param(*packer.values, above, id=f"{packer.id}-{above}")
        for packer in PACKERS
        for above in ("", "./", "versions/1/")
        if above != "./" or packer.values[0] in (pack_tar, pack_targz)  # zip writes no "./"
    ],
)
def test_a_folder_in_an_archive_is_the_same_model(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str, above: str
) -> None:
    folder = corpus / "basic_pitch_nmp"
    path = pack(tmp_path / name, members_of(folder, above))
    artifact = opened(path)
    same(artifact, opened(folder))
    shown = {node.name for node in artifact.root.children()}
    assert {"variables"} <= shown


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_a_checkpoint_in_an_archive(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str
) -> None:
    folder = corpus / "notes_tf20/subclass/checkpoints"
    path = pack(tmp_path / name, members_of(folder, "run/"))
    same(opened(path), opened(folder))
    prefix = "mannal_checkpoint"
    for inner in (prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00001"):
        artifact = opened(Path(f"{path}/run/{inner}"))
        assert artifact.path == f"{path}/run/{prefix}"
        assert artifact.parameters() == opened(folder / prefix).parameters()


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_several_models_are_named_and_each_opens_by_its_path(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str
) -> None:
    members = members_of(corpus / "basic_pitch_nmp", "pitch/")
    members["pitch/notes.txt"] = b"x"
    members["faces/face.tflite"] = (corpus / "face_detection_short_range.tflite").read_bytes()
    path = pack(tmp_path / name, members)
    several = opened(path)
    assert (several.format, several.notes) == (
        "archive",
        (
            f"{name} holds 2 models: faces/face.tflite, pitch. Open one by its path through the "
            f"archive, such as {path}/faces/face.tflite.",
        ),
    )
    assert {tensor.path: tensor.nbytes for tensor in several.tensors()} == {
        f"{inner}/{tensor.path}": tensor.nbytes
        for inner in ("faces/face.tflite", "pitch")
        for tensor in opened(Path(f"{path}/{inner}")).tensors()
    }
    assert opened(Path(f"{path}/faces/face.tflite")).format == "tflite"
    for inner in ("pitch", "pitch/saved_model.pb"):
        artifact = opened(Path(f"{path}/{inner}"))
        assert (artifact.format, artifact.name) == ("saved_model", "pitch")
    with pytest.raises(UnreadableArtifact, match=r"There is no gone\.h5 in .*faces, pitch"):
        open_artifact(f"{path}/gone.h5")


def test_the_nearest_model_is_opened(corpus: Path, tmp_path: Path, opened: Any) -> None:
    data = (corpus / "emotion_model.hdf5").read_bytes()
    path = pack_zip(tmp_path / "a.zip", {"near/model.h5": data, "far/away/other.h5": data})
    assert opened(path).path == f"{path}/near/model.h5"
    assert opened(Path(f"{path}/far/away/other.h5")).name == "other.h5"


def test_a_model_without_an_ending_is_found_by_its_content(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    data = (corpus / "emotion_model.hdf5").read_bytes()
    path = pack_targz(tmp_path / "a.tar.gz", {"notes.txt": b"x", "weights": data})
    assert (opened(path).format, opened(path).name) == ("keras_hdf5", "weights")


def test_an_archive_in_an_archive(corpus: Path, tmp_path: Path, opened: Any) -> None:
    inner = pack_targz(tmp_path / "inner.tar.gz", members_of(corpus / "half_plus_two_tf1", "m/"))
    path = pack_zip(tmp_path / "outer.zip", {"inner.tar.gz": inner.read_bytes()})
    for named in (path, Path(f"{path}/inner.tar.gz"), Path(f"{path}/inner.tar.gz/m")):
        artifact = opened(named)
        assert (artifact.format, artifact.path) == ("saved_model", f"{path}/inner.tar.gz/m")
        same(artifact, opened(corpus / "half_plus_two_tf1"))


def test_an_archive_that_holds_itself_ends(tmp_path: Path) -> None:
    data = b""
    for _ in range(20):
        data = pack_zip(tmp_path / "a.zip", {"a": data}).read_bytes()
    artifact = open_artifact(str(tmp_path / "a.zip"))
    artifact.close()
    assert artifact.format == "unknown"


def test_a_url_leads_into_an_archive(corpus: Path, tmp_path: Path, opened: Any) -> None:
    import fsspec

    path = pack_targz(tmp_path / "m.tar.gz", members_of(corpus / "half_plus_two_tf1", "x/"))
    fsspec.filesystem("memory").pipe("/archives/m.tar.gz", path.read_bytes())
    for address in ("memory://archives/m.tar.gz", "memory://archives/m.tar.gz/x"):
        artifact = open_artifact(address)
        assert artifact.format == "saved_model"
        artifact.close()


def test_models_at_every_depth_are_named(corpus: Path, tmp_path: Path, opened: Any) -> None:
    members = members_of(corpus / "basic_pitch_nmp", "models/pitch/")
    for name in ("sleep_stages.keras", "emotion_model.hdf5"):
        members[f"models/{name}"] = (corpus / name).read_bytes()
    path = pack_zip(tmp_path / "three.zip", members)
    artifact = opened(path)
    named = "models/emotion_model.hdf5, models/sleep_stages.keras, models/pitch"
    assert f"holds 3 models: {named}. Open one" in artifact.notes[0]
    alone = [opened(Path(f"{path}/{inner}")) for inner in named.split(", ")]
    assert artifact.parameters() == sum(one.parameters() for one in alone)
