"""SavedModels: all that ``saved_model_cli show --all`` prints, and what lies behind it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.formats.artifact import (
    Artifact,
    Hazard,
    HazardKind,
    Layer,
    Node,
    NodeType,
    Producer,
    Role,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.registry import open_artifact
from explorer.formats.schema import saved_model_pb2 as pb
from tests.formats.originals import Original, Originals
from tests.formats.saved_model_cli import NOT_LISTED, assert_matches_cli

_BY_KERAS_2 = ("keras2_functional", "keras2_branched", "keras2_subclass")
_WITHOUT_CONFIG = (
    "keras2_functional_export",
    "keras2_functional_saved",
    "keras2_subclass_saved",
    "keras2_branched_export",
    "keras3_functional_export",
    "keras3_functional_saved",
    "keras3_subclass_saved",
    "keras3_branched_export",
)
_MADE = (*_BY_KERAS_2, *_WITHOUT_CONFIG, "everything", "no_variables", "two_meta_graphs")
_REAL = (
    "basic_pitch_nmp",
    "half_plus_two_tf1",
    "notes_tf20/functional/2_model",
    "notes_tf20/functional/4_model",
    "notes_tf20/subclass/4_model",
)


def opened(original: Original) -> Artifact:
    return open_artifact(str(original.path))


def child(node: Node, *names: str) -> Node:
    """The node below, by the beginning of each name."""
    for name in names:
        node = next(below for below in node.children() if below.name.startswith(name))
    return node


def walk(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += current.children()


@pytest.mark.parametrize("name", _MADE)
def test_shows_what_saved_model_cli_prints(name: str, originals: Originals) -> None:
    assert NOT_LISTED not in originals[name].cli
    assert_matches_cli(opened(originals[name]), originals[name].cli)


@pytest.mark.parametrize("name", _REAL)
def test_shows_what_saved_model_cli_prints_of_real_files(
    name: str, corpus_originals: Originals
) -> None:
    assert NOT_LISTED not in corpus_originals[name].cli
    assert_matches_cli(opened(corpus_originals[name]), corpus_originals[name].cli)


def assert_same_graphs(artifact: Artifact, graphs: list[dict[str, Any]]) -> None:
    nodes = child(artifact.root, "saved_model.pb").children()
    assert len(nodes) == len(graphs)
    for node, graph in zip(nodes, graphs, strict=True):
        attributes = dict(node.attributes())
        assert attributes["tags"] == ", ".join(graph["tags"])
        assert attributes["TensorFlow version"] == graph["version"]
        assert attributes["TensorFlow git version"] == graph["git_version"]
        below = {each.name: each for each in node.children()}
        assert below["graph"].child_count() == graph["nodes"]
        functions = below["functions"].children() if "functions" in below else []
        assert {f.name: f.child_count() for f in functions} == graph["functions"]
        assert count_objects(below.get("object graph")) == graph["objects"]


def count_objects(root: Node | None) -> int:
    """Each object stands once; where it is held again, a link stands instead."""
    if root is None:
        return 0
    return sum(not node.kind.startswith("same as ") for node in walk(root))


@pytest.mark.parametrize("name", _MADE)
def test_the_tree_holds_every_node_function_and_object(name: str, originals: Originals) -> None:
    assert_same_graphs(opened(originals[name]), originals[name].graphs)


@pytest.mark.parametrize("name", _REAL)
def test_the_tree_of_real_files(name: str, corpus_originals: Originals) -> None:
    assert_same_graphs(opened(corpus_originals[name]), corpus_originals[name].graphs)


@pytest.mark.parametrize("name", _MADE)
def test_every_node_can_be_selected(name: str, originals: Originals) -> None:
    for node in walk(opened(originals[name]).root):
        assert node.name
        for title, text in node.attributes():
            assert title
            assert isinstance(text, str)
        assert len(node.children(1, 2)) == (1 if node.child_count() > 1 else 0)


# Weights and layers


@pytest.mark.parametrize("name", [*_BY_KERAS_2, *_WITHOUT_CONFIG])
def test_parameters_are_the_models_own(name: str, originals: Originals) -> None:
    original = originals[name]
    artifact = opened(original)
    assert artifact.parameters() == original.keras["parameters"]
    roles = [tensor.role for tensor in artifact.tensors()]
    assert roles.count(Role.OPTIMIZER) == original.keras["optimizer_variables"] + (
        1 if _rate_is_beside(name) else 0
    )
    kept = original.keras["optimizer_variables"] > 0
    assert artifact.contents.optimizer is (Tri.YES if kept else Tri.NO)
    assert artifact.contents.weights is Tri.YES


def _rate_is_beside(name: str) -> bool:
    """Keras 2 stores the learning rate, but does not count it among its variables."""
    return name in ("keras2_functional", "keras2_functional_saved", "keras2_branched")


def as_dict(layer: Layer, keep_shape: bool) -> dict[str, Any]:
    shape = None if layer.output_shape is None else list(layer.output_shape)
    return {
        "name": layer.name,
        "class_name": layer.class_name,
        "output_shape": shape if keep_shape else None,
        "parameters": layer.parameters,
        "layers": [as_dict(below, keep_shape) for below in layer.children],
    }


@pytest.mark.parametrize("name", ["keras2_functional", "keras2_branched"])
def test_layers_are_those_of_keras(name: str, originals: Originals) -> None:
    layers = [as_dict(layer, keep_shape=True) for layer in opened(originals[name]).layers()]
    assert layers == originals[name].keras["layers"]


@pytest.mark.parametrize("name", ["keras2_subclass", "keras2_listed"])
def test_layers_of_a_subclass(name: str, originals: Originals) -> None:
    artifact = opened(originals[name])
    layers = [as_dict(layer, keep_shape=False) for layer in artifact.layers()]
    assert layers == originals[name].keras["layers"]
    assert artifact.contents.architecture is Tri.PARTLY


@pytest.mark.parametrize("name", _WITHOUT_CONFIG)
def test_without_a_config_layers_are_names_of_weights(name: str, originals: Originals) -> None:
    artifact = opened(originals[name])
    counts = {layer.name: layer.parameters for layer in artifact.layers()}
    assert sum(count or 0 for count in counts.values()) == artifact.parameters()
    assert artifact.contents.architecture is artifact.contents.compile is Tri.NO
    assert artifact.producer.keras == ""


def test_versions_and_contents_are_as_written(originals: Originals) -> None:
    artifact = opened(originals["keras2_functional"])
    version = originals["keras2_functional"].graphs[0]["version"]
    assert artifact.producer == Producer(version, version, "tensorflow")
    contents = artifact.contents
    assert contents.architecture is contents.compile is contents.signatures is Tri.YES


def test_a_real_model_of_tensorflow_2_4(corpus: Path) -> None:
    artifact = open_artifact(str(corpus / "basic_pitch_nmp"))
    assert artifact.producer == Producer("2.4.1", "2.4.0", "tensorflow")
    assert artifact.parameters() == 16_864
    roles = [tensor.role for tensor in artifact.tensors()]
    assert [roles.count(r) for r in (Role.WEIGHT, Role.OPTIMIZER, Role.METRIC)] == [24, 41, 8]
    shapes = {layer.name: layer.output_shape for layer in artifact.layers()}
    assert shapes["input_2"] == (None, 43844, 1)
    assert shapes["contour"] == (None, 172, 264)


def test_variables_are_joined_to_their_objects(corpus: Path) -> None:
    root = open_artifact(str(corpus / "basic_pitch_nmp")).root
    shard = child(root, "variables", "variables.data")
    kernel = child(shard, "conv2d_1/kernel")
    attributes = dict(kernel.attributes())
    assert attributes["object"] == "layer_with_weights-1/kernel"
    assert attributes["checkpoint key"] == (
        "layer_with_weights-1/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    )
    assert attributes["trainable"] == "yes"
    same = child(
        root, "saved_model.pb", "MetaGraph", "object graph", "layer_with_weights-1", "kernel"
    )
    assert same.tensor == kernel.tensor


def test_a_copied_weight_counts_once(originals: Originals) -> None:
    """The export of Keras 3 stores every weight a second time."""
    tensors = opened(originals["keras3_functional_export"]).tensors()
    copies = [t for t in tensors if t.path.startswith("_all_variables/")]
    assert copies
    assert {t.role for t in copies} == {Role.OTHER}


def test_every_kind_of_file_has_its_node(originals: Originals) -> None:
    root = opened(originals["keras2_functional"]).root
    kinds = {node.name: node.kind for node in root.children()}
    assert kinds == {
        "saved_model.pb": "1 meta graph",
        "variables": "TensorBundle · 1 shard",
        "assets": "empty",
        "fingerprint.pb": "fingerprint",
        "keras_metadata.pb": "Keras 2 layer configs",
    }
    dense = child(root, "keras_metadata.pb", "root.layer_with_weights-0")
    assert (dense.type, dense.kind) == (NodeType.LAYER, "Dense")
    assert '"units": 8' in dict(dense.attributes())["metadata"]
    assets = child(opened(originals["everything"]).root, "assets")
    assert [node.name for node in assets.children()] == ["vocabulary.txt"]


def test_collections_of_tensorflow_1(corpus: Path) -> None:
    root = open_artifact(str(corpus / "half_plus_two_tf1")).root
    collections = child(root, "saved_model.pb", "MetaGraph", "collections")
    names = [
        text.partition(" · ")[0]
        for _, text in child(collections, "trainable_variables").attributes()
    ]
    assert names == ["a:0", "b:0", "c:0", "a2:0", "c2:0"]


def test_the_configs_are_those_that_keras_wrote(originals: Originals) -> None:
    configs = {c.where: c.value for c in opened(originals["keras2_functional"]).configs()}
    assert configs["keras_metadata.pb, root"]["class_name"] == "Functional"
    dense = configs["keras_metadata.pb, layer_with_weights-0"]
    assert (dense["class_name"], dense["config"]["units"]) == ("Dense", 8)
    theirs = {layer["class_name"] for layer in originals["keras2_functional"].keras["layers"]}
    assert theirs <= {value["class_name"] for value in configs.values() if "class_name" in value}


def test_configs_of_tensorflow_2_4_are_in_the_graph_file(corpus: Path) -> None:
    configs = list(open_artifact(str(corpus / "basic_pitch_nmp")).configs())
    assert configs[0].where == "saved_model.pb, root"
    assert "config" in configs[0].value


@pytest.mark.parametrize("name", _MADE)
def test_a_sound_model_passes_every_check(name: str, originals: Originals) -> None:
    checks = list(opened(originals[name]).checks())
    assert [check for check in checks if check.problem] == []
    rules = {check.rule for check in checks}
    assert rules >= {"operations", "byte count"}
    assert ("crc32c" in rules) == (originals[name].path / "variables").is_dir()


# Damage


@pytest.fixture
def copied(tmp_path: Path, originals: Originals) -> Path:
    """A copy of a SavedModel, to be damaged."""
    return Path(shutil.copytree(originals["keras2_functional"].path, tmp_path / "model"))


@pytest.mark.parametrize("kept", [0, 1, 1000, -1])
def test_a_cut_graph_file_is_refused(kept: int, copied: Path) -> None:
    file = copied / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UnreadableArtifact, match=r"saved_model\.pb cannot be read"):
        open_artifact(str(copied))


def test_a_damaged_graph_file_is_named_once(copied: Path) -> None:
    file = copied / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UnreadableArtifact) as caught:
        open_artifact(str(copied))
    assert str(caught.value).count("saved_model.pb") == 1
    assert ".." not in str(caught.value)


def test_missing_variables_leave_the_rest(copied: Path) -> None:
    shutil.rmtree(copied / "variables")
    artifact = open_artifact(str(copied))
    assert "the values of 26 variables are not here" in artifact.notes[0]
    assert artifact.contents.weights is Tri.NO
    assert len(artifact.signatures) == 2
    assert not artifact.tensors()
    assert [layer.name for layer in artifact.layers()][:2] == ["digits", "dense_1"]


def test_a_damaged_index_leaves_the_rest(copied: Path) -> None:
    index = copied / "variables" / "variables.index"
    index.write_bytes(index.read_bytes()[:-1])
    artifact = open_artifact(str(copied))
    assert "variables.index is damaged: it does not end in the magic number" in artifact.notes[0]
    variables = child(artifact.root, "variables")
    assert [n.name for n in variables.children()] == [
        "variables.data-00000-of-00001",
        "variables.index",
    ]


def test_a_missing_shard_is_noted(copied: Path) -> None:
    (copied / "variables" / "variables.data-00000-of-00001").unlink()
    artifact = open_artifact(str(copied))
    assert "variables.data-00000-of-00001 is missing" in artifact.notes[0]
    assert any("object graph cannot be read" in note for note in artifact.notes)
    assert len(artifact.tensors()) == 27


def test_damaged_keras_metadata_is_noted(copied: Path) -> None:
    file = copied / "keras_metadata.pb"
    file.write_bytes(file.read_bytes()[:-1])
    artifact = open_artifact(str(copied))
    (note,) = artifact.notes
    assert note.startswith("keras_metadata.pb cannot be read, so layers have no classes")
    assert artifact.parameters() == 323


def test_a_link_out_of_the_folder_is_not_followed(copied: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (copied / "variables").rename(outside)
    (copied / "variables").symlink_to(outside, target_is_directory=True)
    artifact = open_artifact(str(copied))
    assert "symbolic link that leads out" in artifact.notes[0]
    assert all(node.attributes() is not None for node in walk(artifact.root))


def test_what_leads_out_of_the_folder_is_told(copied: Path, tmp_path: Path) -> None:
    model = pb.SavedModel.FromString((copied / "saved_model.pb").read_bytes())
    asset = model.meta_graphs[0].asset_file_def.add(filename="../../outside")
    asset.tensor_info.name = "path:0"
    (copied / "saved_model.pb").write_bytes(model.SerializeToString())
    (tmp_path / "outside").write_text("secret")
    (copied / "assets" / "link").symlink_to(tmp_path / "outside")
    artifact = open_artifact(str(copied))
    assert set(artifact.hazards()) == {
        Hazard(HazardKind.SYMBOLIC_LINK, "assets/link", str(tmp_path / "outside")),
        Hazard(HazardKind.EXTERNAL_LINK, "asset path:0", "../../outside"),
    }
    missing = [check for check in artifact.checks() if check.rule == "asset present"]
    assert missing[0].problem


def test_a_damaged_weight_fails_its_checksum(copied: Path) -> None:
    shard = copied / "variables" / "variables.data-00000-of-00001"
    data = bytearray(shard.read_bytes())
    data[5] ^= 0x10
    shard.write_bytes(data)
    problems = [check for check in open_artifact(str(copied)).checks() if check.problem]
    assert [check.rule for check in problems] == ["crc32c"]


def test_the_split_form_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "saved_model.cpb").write_bytes(b"chunks")
    with pytest.raises(UnreadableArtifact, match="experimental split form"):
        open_artifact(str(tmp_path))


def test_references_to_nowhere_are_left_out(tmp_path: Path) -> None:
    model = pb.SavedModel()
    objects = model.meta_graphs.add().object_graph_def
    root = objects.nodes.add()
    root.user_object.identifier = "_tf_keras_model"
    root.children.add(node_id=7, local_name="gone")
    root.children.add(node_id=-1, local_name="before")
    root.children.add(node_id=0, local_name="myself")
    root.slot_variables.add(original_variable_node_id=9, slot_name="m", slot_variable_node_id=5)
    root.children.add(node_id=1, local_name="call")
    objects.nodes.add().function.concrete_functions.append("nowhere")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    artifact = open_artifact(str(tmp_path))
    graph = child(artifact.root, "saved_model.pb", "MetaGraph", "object graph")
    assert [node.name for node in graph.children()] == ["myself", "call"]
    assert [f.name for f in artifact.functions()] == ["call"]
    assert artifact.layers() == ()


def test_deep_nesting_has_an_end(tmp_path: Path) -> None:
    """A chain of layers as long as a file may make it."""
    model = pb.SavedModel()
    objects = model.meta_graphs.add().object_graph_def
    for index in range(5000):
        node = objects.nodes.add()
        node.children.add(node_id=max(0, index - 1), local_name="back")
        node.user_object.identifier = "_tf_keras_model"
        node.user_object.metadata = '{"class_name": "Wrapper", "config": {}}'
        node.children.add(node_id=index + 1, local_name="layer")
    objects.nodes.add().variable.name = "w"
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    artifact = open_artifact(str(tmp_path))
    assert len(artifact.layers()) == 1
    graph = child(artifact.root, "saved_model.pb", "MetaGraph", "object graph")
    assert count_objects(graph) == 5001
