"""Folders of which a file is missing, empty, cut or a folder: shown as far as they go, and named.

The originals are what old versions of TensorFlow wrote.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer.formats.artifact import Artifact, Node, Tri, UnreadableArtifact
from explorer.formats.registry import open_artifact
from explorer.formats.schema.saved_model_pb2 import SavedModel
from explorer.formats.storage import LocalStorage
from tests.formats.old_versions.expected import FILES
from tests.formats.walking import below

Damage = Callable[[Path], None]


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone")


def copy_of(name: str, target: Path) -> Path:
    return Path(shutil.copytree(FILES / name, target / "copy"))


def problems(artifact: Artifact) -> dict[str, str]:
    return {check.where: check.problem for check in artifact.checks() if check.problem}


def walk(node: Node) -> None:
    """Everything that a tree says."""
    node.attributes()
    for child in node.children():
        walk(child)


@pytest.mark.parametrize("damage", [remove, make_folder])
@pytest.mark.parametrize("is_listed", [True, False])
def test_an_older_checkpoint_without_its_index_is_named(
    damage: Damage, is_listed: bool, tmp_path: Path
) -> None:
    folder = copy_of("tf115/ckpt", tmp_path)
    whole = open_artifact(str(folder))
    damage(folder / "model-2.index")
    if not is_listed:
        (folder / "checkpoint").unlink()
    artifact = open_artifact(str(folder))
    walk(artifact.root)
    assert artifact.tensors() == whole.tensors()
    assert below(artifact.root, "model-2").kind == "checkpoint · index missing"
    assert "The index of model-2 is missing, so its values cannot be read." in artifact.notes
    assert "is missing" in problems(artifact)["model-2.index"]


@pytest.mark.parametrize("damage", [remove, make_folder])
def test_without_the_newest_index_the_one_before_is_opened(damage: Damage, tmp_path: Path) -> None:
    folder = copy_of("tf115/ckpt", tmp_path)
    damage(folder / "model-3.index")
    artifact = open_artifact(str(folder))
    walk(artifact.root)
    assert artifact.tensors() == open_artifact(str(folder / "model-2")).tensors()
    assert artifact.notes[0].startswith("model-3.index, which says what is where")
    assert [*problems(artifact)] == ["model-3.index"]


@pytest.mark.parametrize("name", ["checkpoint", "model.ckpt-2.meta"])
@pytest.mark.parametrize("damage", [empty, cut, make_folder, make_pipe])
def test_a_damaged_state_file_or_graph_is_named(name: str, damage: Damage, tmp_path: Path) -> None:
    folder = copy_of("tf14/ckpt", tmp_path)
    assert problems(open_artifact(str(folder))) == {}
    damage(folder / name)
    assert [*problems(open_artifact(str(folder)))] == [name]


def test_what_the_system_refuses_is_an_unreadable_artifact(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnreadableArtifact, match="gone vanished"):
        storage.read("gone")
    with pytest.raises(UnreadableArtifact, match="folder is a folder, but should be a file"):
        storage.open("folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableArtifact, match="pipe is a device or a pipe"):
        storage.read("pipe")


@pytest.mark.parametrize("gone", ["model-00000-of-00002", "model-00001-of-00002"])
def test_a_missing_shard_of_format_v1_is_named(gone: str, tmp_path: Path) -> None:
    folder = copy_of("tf115/sharded_v1", tmp_path)
    assert open_artifact(str(folder)).contents.weights is Tri.YES
    (folder / gone).unlink()
    for path in (folder, folder / "model"):
        artifact = open_artifact(str(path))
        assert len(artifact.tensors()) == 1
        assert artifact.contents.weights is Tri.PARTLY
        assert artifact.notes[0].startswith(f"{gone} is missing, so its values cannot be read.")
        assert [*problems(artifact)] == [gone]
    assert below(open_artifact(str(folder)).root, "model", gone).kind == "missing"


TENSORFLOW_1 = [("tf115/built", 1), ("tf115/simple", 2), ("tf14/saved", 2)]


@pytest.mark.parametrize("has_collections", [True, False])
@pytest.mark.parametrize(("name", "count"), TENSORFLOW_1)
@pytest.mark.parametrize("gone", ["variables", "variables/variables.index"])
def test_missing_variables_of_tensorflow_1_are_named(
    name: str, count: int, gone: str, has_collections: bool, tmp_path: Path
) -> None:
    folder = copy_of(name, tmp_path)
    graph = folder / "saved_model.pb"
    if not has_collections and graph.exists():
        graph.write_bytes(without_collections(graph.read_bytes()))
    assert problems(open_artifact(str(folder))) == {}
    shutil.rmtree(folder / gone) if gone == "variables" else (folder / gone).unlink()
    artifact = open_artifact(str(folder))
    walk(artifact.root)
    number = "1 variable" if count == 1 else f"{count} variables"
    note = f"variables/variables.index is missing, so the values of {number} are not here."
    assert artifact.notes[0].startswith(note)
    assert artifact.contents.weights is Tri.NO
    assert [*problems(artifact)] == ["variables/variables.index"]


def without_collections(data: bytes) -> bytes:
    model = SavedModel.FromString(data)
    for graph in model.meta_graphs:
        graph.collection_def.clear()
    return model.SerializeToString()


def test_a_model_of_tensorflow_2_is_not_whole_without_its_checkpoint(made: Path) -> None:
    assert "variables/variables" in (made / "refusal.txt").read_text()
    artifact = open_artifact(str(made / "models" / "without_checkpoint"))
    walk(artifact.root)
    assert artifact.notes[0].startswith("variables/variables.index is missing, which TensorFlow")
    assert [*problems(artifact)] == ["variables/variables.index"]


@pytest.mark.parametrize("damage", [empty, cut, make_folder, make_pipe])
def test_a_damaged_fingerprint_is_named(damage: Damage, tmp_path: Path) -> None:
    folder = copy_of("tf213/two", tmp_path)
    assert open_artifact(str(folder)).notes == ()
    damage(folder / "fingerprint.pb")
    artifact = open_artifact(str(folder))
    walk(artifact.root)
    assert artifact.notes[0].startswith("fingerprint.pb is empty or damaged")
    assert [*problems(artifact)] == ["fingerprint.pb"]


@pytest.mark.parametrize("damage", [make_pipe, make_folder, make_link])
def test_what_is_no_file_in_place_of_the_graph_is_named(damage: Damage, tmp_path: Path) -> None:
    folder = copy_of("tf115/simple", tmp_path)
    damage(folder / "saved_model.pb")
    with pytest.raises(UnreadableArtifact, match=r"Its saved_model\.pb is not a file, but a fol"):
        open_artifact(str(folder))


def test_a_folder_that_only_looks_like_an_unpacked_archive_offers_nothing(tmp_path: Path) -> None:
    for name in ("config.json", "metadata.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(UnreadableArtifact, match=r"This one holds config\.json, metadata\.json"):
        open_artifact(str(tmp_path))


def test_a_pipe_in_place_of_an_index_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.weights.json")
    with pytest.raises(UnreadableArtifact, match="holds no model of its own"):
        open_artifact(str(tmp_path))


def damage_json(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"class_name"', b'"class_name\x01', 1))


@pytest.mark.parametrize(
    ("damage", "where"),
    [(cut, "keras_metadata.pb"), (damage_json, "keras_metadata.pb, root")],
)
def test_damaged_descriptions_of_keras_do_not_verify(
    damage: Damage, where: str, tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    folder = copy_of("tf213/keras_saved", tmp_path)
    assert problems(opened(folder)) == {}
    damage(folder / "keras_metadata.pb")
    assert list(problems(opened(folder))) == [where]
