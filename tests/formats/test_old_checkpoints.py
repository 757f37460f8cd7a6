"""Checkpoints of TensorFlow 1.4 to 2.13, of both formats: what those versions say of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from explorer.formats.artifact import (
    Artifact,
    Node,
    Role,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.registry import open_artifact
from tests.formats.old_versions.expected import FILES, OldFile, is_same, old_files, with_key
from tests.formats.walking import below

_CHECKPOINTS = [name for name in with_key("tensors") if not old_files()[name].path.exists()]
_CHECKPOINTS += ["tf14/ckpt_v1/model.ckpt", "tf115/ckpt_v1/model-3"]  # tables without an ending
_OF_FORMAT_V1 = [name for name in _CHECKPOINTS if "_v1/" in name]


def opened(name: str) -> tuple[Artifact, OldFile]:
    file = old_files()[name]
    return open_artifact(str(file.path)), file


def by_path(artifact: Artifact) -> dict[str, Tensor]:
    return {tensor.path: tensor for tensor in artifact.tensors()}


@pytest.mark.parametrize("name", _CHECKPOINTS)
def test_tensors_are_those_that_the_old_version_reads(name: str) -> None:
    artifact, file = opened(name)
    ours = by_path(artifact)
    theirs = {about["name"]: about for about in file.about["tensors"]}
    assert ours.keys() == theirs.keys()
    for path, about in theirs.items():
        tensor = ours[path]
        assert (tensor.dtype, list(tensor.shape or ())) == (about["dtype"], about["shape"]), path
        assert is_same(tensor.read(), about), path


@pytest.mark.parametrize("name", _CHECKPOINTS)
def test_parts_of_tensors_are_numpys(name: str) -> None:
    artifact, _ = opened(name)
    for tensor in artifact.tensors():
        if tensor.shape:
            whole = tensor.read()
            for selection in [(0,), (slice(1, None),), (slice(None, None, -1),)]:
                np.testing.assert_array_equal(tensor.read(selection), whole[selection])


_OF_KERAS = [name for name in _CHECKPOINTS if "layers" in old_files()[name].about]


@pytest.mark.parametrize("name", [n for n in _OF_KERAS if n != "tf213/ckpt/legacy-1"])
def test_weights_are_those_of_the_model(name: str) -> None:
    artifact, file = opened(name)
    assert artifact.parameters() == file.about["parameters"]
    weights = [tensor.read() for tensor in artifact.tensors() if tensor.role is Role.WEIGHT]
    for about in file.about["weights"]:
        assert any(is_same(value, about) for value in weights), about["name"]
    layers = {layer.name: layer.parameters for layer in artifact.layers()}
    expected = {one["name"]: one["parameters"] for one in file.about["layers"]}
    known = layers.keys() & expected.keys()
    assert len(known) >= 2
    assert {name: layers[name] for name in known} == {name: expected[name] for name in known}


@pytest.mark.parametrize(
    ("name", "slots"),
    [
        ("tf14/ckpt/model.ckpt-2", {"Adam/m", "Adam/v"}),
        ("tf14/ckpt_v1/model.ckpt", {"Adam/m", "Adam/v"}),
        ("tf115/ckpt/model-3", {"Momentum"}),
        ("tf115/objects/ckpt-1", {"Adam/m", "Adam/v"}),
        ("tf24/ckpt/ckpt-3", {"SGD/momentum"}),
        ("tf24/weights/ckpt", {"Adam/m", "Adam/v"}),
        ("tf213/weights/ckpt", {"Adam/m", "Adam/v"}),
        ("tf213/ckpt/legacy-1", {"Adam/m", "Adam/v"}),
    ],
)
def test_optimizer_state_is_joined_to_its_weights(name: str, slots: set[str]) -> None:
    artifact, _ = opened(name)
    titles = {tensor.label or tensor.path: tensor for tensor in artifact.tensors()}
    joined = {title: tensor for title, tensor in titles.items() if " · " in title}
    assert {title.partition(" · ")[2] for title in joined} == slots
    for title, tensor in joined.items():
        weight = titles[title.partition(" · ")[0]]
        assert (weight.role, tensor.role) == (Role.WEIGHT, Role.OPTIMIZER)
        assert weight.shape == tensor.shape
    loose = [t for title, t in titles.items() if t.role is Role.OPTIMIZER and title not in joined]
    assert {tensor.element_count for tensor in loose} <= {1}


def test_counters_and_strings_are_no_weights() -> None:
    for name, expected in (
        ("tf14/ckpt/model.ckpt-2", {"global_step", "names"}),
        ("tf115/ckpt/model-3", {"global_step", "text"}),
        ("tf24/ckpt/ckpt-3", {"step", "save_counter", "_CHECKPOINTABLE_OBJECT_GRAPH"}),
    ):
        artifact, _ = opened(name)
        other = {t.label or t.path for t in artifact.tensors() if t.role is Role.OTHER}
        assert other == expected


# The object graph


def walked(node: Node, limit: int = 500) -> Iterator[Node]:
    """A node and all below it, which must end."""
    pending = [node]
    for _ in range(limit):
        if not pending:
            return
        yield pending[0]
        pending = [*pending[1:], *pending[0].children()]
    raise AssertionError("the tree does not end")


def test_an_object_that_holds_itself_is_a_link() -> None:
    artifact, _ = opened("tf115/objects/ckpt-1")
    holder = below(artifact.root, "object graph", "holder")
    assert [child.name for child in holder.children()] == ["listed", "itself"]
    itself = below(holder, "itself")
    assert (itself.kind, itself.has_children) == ("same as holder", False)
    assert dict(itself.attributes())["path"] == "holder"


def test_every_variable_stands_in_the_object_graph_once() -> None:
    artifact, _ = opened("tf24/ckpt/ckpt-3")
    graph = below(artifact.root, "object graph")
    found = [node.tensor.path for node in walked(graph) if node.tensor]
    stored = [t.path for t in artifact.tensors() if t.path != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert sorted(found) == sorted(stored)
    kernel = below(graph, "model", "layer_with_weights-0", "kernel")
    assert dict(kernel.attributes())["variable name"] == "first/kernel"
    slot = below(graph, "optimizer", "first/kernel/momentum")
    assert dict(slot.attributes())["kept for"] == "first/kernel"


# Folders, prefixes and format V1


@pytest.mark.parametrize(
    ("folder", "children"),
    [
        ("tf14/ckpt", ["model.ckpt-2", "model.ckpt-1", "checkpoint"]),
        ("tf115/ckpt", ["model-3", "model-2", "checkpoint"]),
        ("tf115/ckpt_v1", ["model-3", "checkpoint"]),
        ("tf115/sharded_v1", ["model", "checkpoint"]),
        ("tf24/ckpt", ["ckpt-3", "ckpt-2", "checkpoint"]),
    ],
)
def test_a_folder_lists_its_checkpoints(folder: str, children: list[str]) -> None:
    for path in (FILES / folder, FILES / folder / "checkpoint"):
        artifact = open_artifact(str(path))
        assert [child.name for child in artifact.root.children()] == children
        assert artifact.tensors()


def test_the_graph_of_a_checkpoint_is_among_its_files() -> None:
    artifact, _ = opened("tf14/ckpt/model.ckpt-2")
    graph = below(artifact.root, "model.ckpt-2.meta")
    assert graph.kind == "meta graph"
    assert artifact.size == sum(
        path.stat().st_size for path in (FILES / "tf14/ckpt").glob("model.ckpt-2.*")
    )


@pytest.mark.parametrize("name", ["model", "model-00000-of-00002", "model-00001-of-00002"])
def test_format_v1_opens_by_prefix_and_by_any_shard(name: str) -> None:
    artifact = open_artifact(str(FILES / "tf115" / "sharded_v1" / name))
    assert artifact.root.kind == "checkpoint by names · format V1 · 2 shards"
    assert sorted(by_path(artifact)) == ["on_0", "on_1"]


def test_a_v1_checkpoint_without_a_state_file_opens_by_its_name(tmp_path: Path) -> None:
    shutil.copy(FILES / "tf14" / "ckpt_v1" / "model.ckpt", tmp_path)
    artifact = open_artifact(str(tmp_path / "model.ckpt"))
    assert "net/table" in by_path(artifact)


def test_a_cut_table_of_format_v1_is_refused_or_says_what_is_missing(tmp_path: Path) -> None:
    data = (FILES / "tf14" / "ckpt_v1" / "model.ckpt").read_bytes()
    cut = tmp_path / "model.ckpt"
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"\n')
    cut.write_bytes(data[:200] + data[300:])
    with pytest.raises(UnreadableArtifact, match=r"model\.ckpt is damaged"):
        open_artifact(str(cut))


def test_a_value_that_format_v1_does_not_hold_says_so(tmp_path: Path) -> None:
    for shard in (FILES / "tf115" / "sharded_v1").glob("model-*"):
        shutil.copy(shard, tmp_path)
    artifact = open_artifact(str(tmp_path / "model"))
    (tmp_path / "model-00000-of-00002").unlink()
    with pytest.raises(TensorUnreadable, match="cannot be read"):
        by_path(artifact)["on_0"].read()
    assert by_path(artifact)["on_1"].read().shape == (3, 3)


@pytest.mark.parametrize("name", ["tf14/ckpt_v1/model.ckpt", "tf115/ckpt_v1/model-3"])
def test_strings_of_format_v1_count_their_bytes(name: str) -> None:
    artifact, file = opened(name)
    stored = {t["name"]: t["strings"] for t in file.about["tensors"] if "strings" in t}
    assert stored
    for path, strings in stored.items():
        assert by_path(artifact)[path].nbytes == sum(len(bytes.fromhex(s)) for s in strings) > 0
