"""Checkpoints: every name, shape, type and value is TensorFlow's; bad ones say what is wrong."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer.formats.artifact import (
    Artifact,
    Node,
    Role,
    Selection,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.checkpoint.tensor_bundle import Bundle, open_bundle
from explorer.formats.registry import open_artifact
from explorer.formats.storage import LocalStorage
from tests.formats.originals import Original, Originals
from tests.formats.walking import below, by_path

_MADE = (
    "keras3_checkpoint/ck-1",
    "keras2_checkpoint/ck-1",
    "keras2_weights/mannal_checkpoint",
    "several/ckpt-3",
    "by_name/model.ckpt",
    "types/ck",
    "split/whole",
    "cut/ck-1",
)
_REAL = (
    "notes_tf20/functional/checkpoints/mannal_checkpoint",
    "notes_tf20/subclass/checkpoints/mannal_checkpoint",
)
_OF_KERAS = _MADE[:3]
_SAVED_MODELS = ("keras3_functional_saved", "keras2_functional", "everything")
_REAL_SAVED_MODELS = ("basic_pitch_nmp", "half_plus_two_tf1", "notes_tf20/functional/2_model")


def opened(original: Original) -> Artifact:
    return open_artifact(str(original.path))


def assert_same_tensors(artifact: Artifact, original: Original) -> None:
    ours = by_path(artifact)
    assert ours.keys() == original.tensors.keys()
    for name, (dtype, shape, value) in original.tensors.items():
        tensor = ours[name]
        assert (tensor.dtype, list(tensor.shape or ())) == (dtype, shape), name
        array = tensor.read()
        assert array.shape == tuple(shape)
        if isinstance(value, list):
            assert array.reshape(-1).tolist() == value, name
        else:
            assert array.tobytes() == value, name


@pytest.mark.parametrize("name", [*_MADE, *_SAVED_MODELS])
def test_tensors_are_those_tensorflow_reads(name: str, originals: Originals) -> None:
    assert_same_tensors(opened(originals[name]), originals[name])


@pytest.mark.parametrize("name", [*_REAL, *_REAL_SAVED_MODELS])
def test_tensors_of_real_files(name: str, corpus_originals: Originals) -> None:
    assert_same_tensors(opened(corpus_originals[name]), corpus_originals[name])


# Parts of a tensor

_INDICES = (0, -1, slice(None), slice(1, 3), slice(None, None, 2), slice(4, None, -3), slice(9, 1))
_SELECTIONS: list[Selection] = [
    (),
    *itertools.product(_INDICES),
    *itertools.product(_INDICES, _INDICES),
]


@pytest.mark.parametrize("name", ["alone", "odd\u00ff/name"])
def test_a_selection_is_numpys(name: str, originals: Originals) -> None:
    tensor = by_path(opened(originals["split/whole"]))[name]
    whole = tensor.read()
    for selection in _SELECTIONS:
        np.testing.assert_array_equal(tensor.read(selection), whole[selection])


def test_a_selection_of_strings_is_numpys(originals: Originals) -> None:
    tensor = by_path(opened(originals["types/ck"]))["string"]
    assert tensor.read((1, 0)).tolist() == b"ccc" * 100
    assert tensor.read((slice(None), 1)).tolist() == [b"", b"\0\xff"]


@pytest.mark.parametrize("name", ["alone", "tall"])
def test_an_index_outside_is_an_index_error(name: str, originals: Originals) -> None:
    tensor = by_path(opened(originals["split/whole"]))[name]
    for selection in [(1200,), (0, 12), (-1201,), (0, 0, 0)]:
        with pytest.raises(IndexError):
            tensor.read(selection)


class Watched(LocalStorage):
    """A folder that remembers how many bytes were read of its data shards."""

    read_bytes = 0

    def read(self, member: str = "", offset: int = 0, length: int | None = None) -> bytes:
        data = super().read(member, offset, length)
        self.read_bytes += len(data) if ".data-" in member else 0
        return data


@pytest.mark.parametrize(
    ("selection", "expected"),
    [((), 240), ((2,), 48), ((slice(1, 3),), 96), ((2, slice(3, 5)), 8), ((4, 7), 4)],
)
def test_only_the_selected_bytes_are_read(
    selection: Selection, expected: int, originals: Originals
) -> None:
    path = originals["split/whole"].path
    storage = Watched(path.parent)
    open_bundle(storage, path.name).tensor("alone").read(selection)
    assert storage.read_bytes == expected


def test_tensors_are_made_when_they_are_asked_for(
    originals: Originals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a checkpoint of many thousands takes no longer than reading its index."""
    monkeypatch.delattr(Bundle, "tensor")
    artifact = opened(originals["keras3_checkpoint/ck-1"])
    assert artifact.contents.weights is artifact.contents.optimizer is Tri.YES
    with pytest.raises(AttributeError):
        artifact.tensors()


# What the tensors are


def test_location_says_where_the_bytes_are(originals: Originals) -> None:
    original = originals["types/ck"]
    tensor = by_path(opened(original))["float32"]
    assert tensor.location is not None
    assert tensor.location.offset is not None
    data = (original.path.parent / tensor.location.file).read_bytes()
    stored = data[tensor.location.offset :][: tensor.location.nbytes]
    assert stored == tensor.read().tobytes()
    assert tensor.location.checksum.startswith("crc32c ")


@pytest.mark.parametrize("name", _OF_KERAS)
def test_weights_and_optimizer_are_told_apart(name: str, originals: Originals) -> None:
    original = originals[name]
    artifact = opened(original)
    assert artifact.parameters() == original.keras["parameters"]
    roles = [tensor.role for tensor in artifact.tensors()]
    # The learning rate of an old optimizer is stored, but not among its variables.
    assert roles.count(Role.OPTIMIZER) >= original.keras["optimizer_variables"]
    assert Role.METRIC not in roles
    assert artifact.contents.optimizer is Tri.YES
    layers = {layer.name: layer.parameters for layer in artifact.layers()}
    expected = {
        layer["name"]: layer["parameters"]
        for layer in original.keras["layers"]
        if layer["parameters"]
    }
    assert layers == expected


def test_tensors_have_names_for_people(originals: Originals) -> None:
    artifact = opened(originals["keras2_weights/mannal_checkpoint"])
    labels = {t.path: t.label for t in artifact.tensors()}
    key = "layer_with_weights-0/kernel/{}.ATTRIBUTES/VARIABLE_VALUE"
    assert labels[key.format("")] == "dense_1/kernel"
    assert labels[key.format(".OPTIMIZER_SLOT/optimizer/m/")] == "dense_1/kernel · Adam/m"


@pytest.mark.parametrize(
    ("name", "slots"),
    [
        ("keras3_checkpoint/ck-1", {"momentum", "velocity"}),
        ("keras2_checkpoint/ck-1", {"m", "v"}),
        ("keras2_weights/mannal_checkpoint", {"m", "v"}),
        ("by_name/model.ckpt", {"m", "v"}),
    ],
)
def test_optimizer_state_is_joined_to_its_weights(
    name: str, slots: set[str], originals: Originals
) -> None:
    titles = {t.label or t.path: t for t in opened(originals[name]).tensors()}
    joined = {title.partition(" · ")[::2] for title in titles if " · " in title}
    kept = {(weight, slot.rpartition("/")[2]) for weight, slot in joined}
    assert kept
    assert kept == set(itertools.product({weight for weight, _ in joined}, slots))
    for weight, slot in joined:
        assert titles[weight].role is Role.WEIGHT
        assert titles[f"{weight} · {slot}"].shape == titles[weight].shape
    loose = [t for title, t in titles.items() if t.role is Role.OPTIMIZER and " · " not in title]
    assert {tensor.element_count for tensor in loose} <= {1}


def test_names_alone_tell_the_role_in_tensorflow_1(originals: Originals) -> None:
    tensors = by_path(opened(originals["by_name/model.ckpt"]))
    roles = {name: tensor.role for name, tensor in tensors.items()}
    weights = {name for name, role in roles.items() if role is Role.WEIGHT}
    assert weights == {"embedding", "dense/kernel"}
    assert roles["global_step"] is Role.OTHER
    assert roles["embedding/Adam_1"] is roles["beta1_power"] is Role.OPTIMIZER


def test_a_table_and_a_counter_are_no_weights(originals: Originals) -> None:
    artifact = opened(originals["several/ckpt-3"])
    other = {t.label or t.path for t in artifact.tensors() if t.role is Role.OTHER}
    assert {"save_counter", "step", "names", "table/table table-keys"} <= other


def test_keys_of_dictionaries_are_unescaped(originals: Originals) -> None:
    artifact = opened(originals["several/ckpt-3"])
    labels = {t.path.partition("/.ATTRIBUTES")[0]: t.label for t in artifact.tensors()}
    assert labels["table/keyed/a.Sb"] == "table/keyed/a/b"
    assert labels["table/keyed/x..y..Sz/0"] == "table/keyed/x.y.Sz/0"
    assert {layer.name for layer in artifact.layers()} == {"table/keyed"}
    tree = below(artifact.root, "object graph", "table", "keyed")
    assert {"a/b", "x.y.Sz"} <= set(names(tree))


# Folders and prefixes


def names(node: Node) -> list[str]:
    return [child.name for child in node.children()]


@pytest.mark.parametrize("name", ["", "checkpoint"])
def test_a_folder_lists_its_checkpoints_latest_first(name: str, originals: Originals) -> None:
    folder = originals["several/ckpt-3"].path.parent
    artifact = open_artifact(str(folder / name))
    assert names(artifact.root) == ["ckpt-3", "ckpt-2", "checkpoint"]
    assert by_path(artifact)["step/.ATTRIBUTES/VARIABLE_VALUE"].read() == 3
    assert "2 checkpoints" in artifact.notes[0]


@pytest.mark.parametrize("ending", ["", ".index", ".data-00000-of-00002"])
def test_a_checkpoint_opens_by_prefix_index_and_shard(ending: str, originals: Originals) -> None:
    artifact = open_artifact(str(originals["split/whole"].path) + ending)
    assert (artifact.name, artifact.format) == ("whole", "tf_checkpoint")
    index, first, second = artifact.root.children()
    assert index.name == "whole.index"
    held = [set(names(first)), set(names(second))]
    assert sorted(held, key=len) == [
        {"odd\u00ff/name", "tall"},
        {"alone", "odd\u00ff/name", "tall"},
    ]


def test_paths_in_the_state_file_are_not_followed(tmp_path: Path, originals: Originals) -> None:
    for file in originals["several/ckpt-3"].path.parent.glob("ckpt-3*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/../gone/ckpt-9"\n')
    artifact = open_artifact(str(tmp_path))
    assert names(artifact.root) == ["ckpt-9", "ckpt-3", "checkpoint"]
    assert artifact.root.children()[0].kind == "missing"


@pytest.mark.parametrize(
    "line",
    [
        'model_checkpoint_path: "ck\\303\\274 \\"1\\""',
        "all_model_checkpoint_paths: 'C:\\\\runs\\\\ck\\xc3\\xbc \"1\"'",
        'model_checkpoint_path:"runs/ck\u00fc \\"1\\""',
    ],
)
def test_names_in_the_state_file_are_unescaped(
    line: str, tmp_path: Path, originals: Originals
) -> None:
    for file in originals["several/ckpt-3"].path.parent.glob("ckpt-3*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "checkpoint").write_text(f"{line}\n", encoding="utf-8")
    assert names(open_artifact(str(tmp_path)).root)[0] == 'ck\u00fc "1"'


def test_a_state_file_alone_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-7"\n')
    with pytest.raises(UnreadableArtifact, match="names model-7, but neither it"):
        open_artifact(str(tmp_path / "checkpoint"))
