"""``.keras`` archives compared with Keras's own weights, layers and shapes."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from explorer.formats.archives import inflate
from explorer.formats.archives.ranges import FilePart
from explorer.formats.artifact import (
    Node,
    NodeType,
    Role,
    TensorUnreadable,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.registry import open_artifact
from tests.formats import keras_originals
from tests.formats.walking import flat, values


@pytest.fixture(params=keras_originals.LINES)
def k(request: pytest.FixtureRequest) -> ModuleType:
    return keras_originals.line(request.param)


def repack(source: Path, target: Path, compression: int, **changes: bytes | None) -> Path:
    """A copy with members compressed, replaced or (``None``) left out; ``_`` stands for a dot."""
    wanted = {name.replace("_", "."): data for name, data in changes.items()}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in [*old.namelist(), *(set(wanted) - set(old.namelist()))]:
            data = wanted[name] if name in wanted else old.read(name)
            if data is not None:
                new.writestr(name, data)
    return target


@pytest.mark.parametrize("make", keras_originals.LAYERED)
def test_an_archive_has_kerass_own_weights_layers_and_shapes(
    k: ModuleType, make: Callable[[ModuleType], Any], tmp_path: Path, opened: Any
) -> None:
    model = make(k)
    model.save(tmp_path / "model.keras")
    artifact = opened(tmp_path / "model.keras")
    assert artifact.format == "keras_archive"
    assert artifact.producer.keras == k.__version__
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    assert artifact.parameters() == model.count_params()
    read = {layer.name: layer for layer in flat(artifact.layers())}
    for name, class_name, shape, parameters in keras_originals.layer_facts(model):
        assert (read[name].class_name, read[name].output_shape) == (class_name, shape)
        assert read[name].parameters == parameters, name
    assert artifact.contents.weights is artifact.contents.architecture is Tri.YES


def test_a_trained_model_holds_its_optimizer(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = keras_originals.functional(k)
    model.save(tmp_path / "model.keras")
    artifact = opened(tmp_path / "model.keras")
    variables = model.optimizer.variables
    expected = [np.asarray(v) for v in (variables() if callable(variables) else variables)]
    stored = [t.read() for t in artifact.tensors() if t.role is Role.OPTIMIZER]
    # Keras 2 keeps the learning rate in the config, not among the stored variables.
    assert keras_originals.bag(stored) <= keras_originals.bag(expected)
    assert len(stored) >= 7
    assert artifact.contents.optimizer is artifact.contents.compile is Tri.YES


def test_a_subclass_needs_its_code(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = keras_originals.subclass(k)
    model.save(tmp_path / "model.keras")
    artifact = opened(tmp_path / "model.keras")
    assert artifact.contents.architecture is Tri.PARTLY
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    assert sorted(layer.parameters or 0 for layer in artifact.layers()) == [16, 33, 330, 1056]


def test_layers_in_a_list_have_names(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = keras_originals.subclass(k)
    for file, save in (("m.keras", model.save), ("m.weights.h5", model.save_weights)):
        save(tmp_path / file)
        artifact = opened(tmp_path / file)
        by_shape = {t.shape: t.label for t in artifact.tensors() if t.role is Role.WEIGHT}
        named = {layer.name: layer.parameters for layer in artifact.layers()}
        names = ("stack/dense", "stack/dense_1")
        if k.__name__ == "keras":
            names = tuple(layer.name for layer in model.stack)
        for layer, name in zip(model.stack, names, strict=True):
            assert named[name] == layer.count_params()
            assert by_shape[tuple(layer.kernel.shape)].endswith(f"{name}/kernel")
        assert len(named) == len(model.layers)


def test_the_real_archive(corpus: Path, opened: Any) -> None:
    path = corpus / "sleep_stages.keras"
    artifact = opened(path)
    assert (artifact.parameters(), artifact.producer.keras) == (7_380, "3.3.3")
    assert artifact.size == path.stat().st_size
    model = keras_originals.line("keras").models.load_model(path)
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    read = {layer.name: layer for layer in artifact.layers()}
    for name, class_name, shape, parameters in keras_originals.layer_facts(model):
        assert read[name].class_name == class_name
        assert (read[name].output_shape, read[name].parameters) == (shape, parameters)


def test_the_members_are_in_the_tree(corpus: Path, opened: Any) -> None:
    path = corpus / "sleep_stages.keras"
    members = {node.name: node for node in opened(path).root.children()}
    with zipfile.ZipFile(path) as archive:
        assert {name: node.size for name, node in members.items()} == {
            info.filename: info.file_size for info in archive.infolist()
        }
        config = json.loads(archive.read("config.json"))
    assert json.loads(dict(members["config.json"].attributes())["config.json"]) == config
    assert [n.name for n in members["config.json"].children()] == list(config)
    version = members["metadata.json"].children()[0]
    assert (version.type, version.name, version.summary) == (
        NodeType.ATTRIBUTE,
        "keras_version",
        "3.3.3",
    )
    groups = {node.name: node for node in members["model.weights.h5"].children()}
    kinds = {node.name: node.kind for node in groups["layers"].children()}
    assert kinds["dense_1"] == "Dense · dense_1"


def test_weights_are_read_in_place(corpus: Path, opened: Any) -> None:
    path = corpus / "sleep_stages.keras"
    tensor = opened(path).tensors()[0]
    assert tensor.location is not None
    assert tensor.location.file == "model.weights.h5"
    with zipfile.ZipFile(path) as archive:
        weights_file = archive.read("model.weights.h5")
    start = tensor.location.offset or 0
    raw = np.frombuffer(weights_file[start : start + tensor.nbytes], tensor.dtype)
    np.testing.assert_array_equal(raw.reshape(tensor.shape), tensor.read())


def test_a_compressed_archive_reads_the_same(corpus: Path, tmp_path: Path, opened: Any) -> None:
    plain = corpus / "sleep_stages.keras"
    packed = repack(plain, tmp_path / "packed.keras", zipfile.ZIP_DEFLATED)
    assert packed.stat().st_size < plain.stat().st_size
    assert keras_originals.bag(values(opened(packed))) == keras_originals.bag(values(opened(plain)))


def test_assets_are_shown(corpus: Path, tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "assets.keras"
    path.write_bytes((corpus / "sleep_stages.keras").read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/layers/vocabulary.txt", "one\ntwo\n")
    assets = opened(path).root.children()[0]
    (vocabulary,) = assets.children()[0].children()
    assert (assets.type, vocabulary.name, vocabulary.size) == (
        NodeType.DIRECTORY,
        "vocabulary.txt",
        8,
    )


# What is missing, damaged or hostile


def test_without_weights_the_layers_have_no_count(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    bare = {"model_weights_h5": None}
    artifact = opened(repack(corpus / "sleep_stages.keras", tmp_path / "a.keras", 0, **bare))
    assert artifact.contents.weights is Tri.NO
    assert artifact.contents.architecture is Tri.YES
    assert {layer.parameters for layer in artifact.layers()} == {None}
    assert artifact.notes == ("There is no model.weights.h5 in it.",)


def test_damaged_weights_leave_the_architecture_readable(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    bad = {"model_weights_h5": b"\x89HDF\r\n\x1a\n" + bytes(200)}
    artifact = opened(repack(corpus / "sleep_stages.keras", tmp_path / "a.keras", 0, **bad))
    assert len(artifact.layers()) == 8
    assert "starts like an HDF5 file, but cannot be read: its superblock" in artifact.notes[0]
    shown = {node.name: node.kind for node in artifact.root.children()}
    assert shown["model.weights.h5"] == "damaged"


_NO_JSON = [b"{ not json", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"]


@pytest.mark.parametrize("config", _NO_JSON, ids=["cut short", "nested too deep"])
def test_a_damaged_config_leaves_the_weights_readable(
    config: bytes, corpus: Path, tmp_path: Path, opened: Any
) -> None:
    whole = opened(corpus / "sleep_stages.keras")
    path = repack(corpus / "sleep_stages.keras", tmp_path / "a.keras", 0, config_json=config)
    artifact = opened(path)
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(values(whole))
    assert artifact.parameters() == whole.parameters() > 0
    assert "config.json in a.keras is not the JSON of a model" in artifact.notes[0]
    assert (artifact.contents.weights, artifact.contents.architecture) == (Tri.YES, Tri.NO)
    assert [c.where for c in artifact.checks() if c.problem] == ["config.json"]
    assert {node.name: node.kind for node in artifact.root.children()}["config.json"] == "damaged"


def test_damaged_config_and_weights_are_refused(corpus: Path, tmp_path: Path) -> None:
    bad: dict[str, bytes | None] = {"config_json": _NO_JSON[0], "model_weights_h5": b"nothing"}
    path = repack(corpus / "sleep_stages.keras", tmp_path / "a.keras", 0, **bad)
    with pytest.raises(UnreadableArtifact, match=r"config\.json in a\.keras is not the JSON"):
        open_artifact(str(path))


@pytest.mark.parametrize(
    ("config", "expected"),
    [(b'{"model_type": "bert"}', "unknown"), (b'{"class_name": "M"}', "keras_archive")],
)
def test_a_zip_with_some_other_config_is_an_archive(
    config: bytes, expected: str, tmp_path: Path, opened: Any
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("config.json", config)
    assert opened(tmp_path / "a.zip").format == expected


def test_models_inside_models_without_end_stop(corpus: Path, tmp_path: Path, opened: Any) -> None:
    inner: dict[str, Any] = {"class_name": "Dense", "config": {"name": "last", "units": 1}}
    for i in range(60):
        inner = {"class_name": "Sequential", "config": {"name": f"m{i}", "layers": [inner]}}
    deep = {"config_json": json.dumps(inner).encode()}
    artifact = opened(repack(corpus / "sleep_stages.keras", tmp_path / "a.keras", 0, **deep))
    assert 20 < len(list(flat(artifact.layers()))) < 40


def test_half_a_character_in_a_config_can_still_be_written_out(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    half = {"config_json": b'{"class_name": "M\\ud800", "config": {"\\ud800": "a\\udfff"}}'}
    artifact = opened(repack(corpus / "sleep_stages.keras", tmp_path / "a.keras", 0, **half))
    config = artifact.root.children()[0]
    (inner,) = config.children()[1].children()
    assert (inner.name, inner.summary) == ("?", "a?")
    dict(config.attributes())["config.json"].encode()


@pytest.mark.parametrize("kept", [10, 5_000, 113_500])
def test_an_archive_cut_short(corpus: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes((corpus / "sleep_stages.keras").read_bytes()[:kept])
    with pytest.raises(UnreadableArtifact, match="its list of members at the end is missing"):
        open_artifact(str(path))


def test_a_member_that_expands_without_bound_is_not_unpacked(
    corpus: Path, tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "ALWAYS_UNPACKED", 1 << 20)
    bomb = {"model_weights_h5": bytes(16 << 20)}
    path = repack(corpus / "sleep_stages.keras", tmp_path / "a.keras", zipfile.ZIP_DEFLATED, **bomb)
    artifact = opened(path)
    assert "would expand from" in artifact.notes[0]
    assert artifact.tensors() == ()


def test_a_config_that_declares_too_much_is_not_read(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    data = bytearray((corpus / "sleep_stages.keras").read_bytes())
    listed = data.index(b"config.json", data.index(b"PK\x01\x02")) - 46
    data[listed + 24 : listed + 28] = (1 << 31).to_bytes(4, "little")  # its unpacked size
    (tmp_path / "a.keras").write_bytes(data)
    artifact = opened(tmp_path / "a.keras")
    assert "it cannot be read: config.json in a.keras cannot be unpacked" in artifact.notes[0]
    (unread,) = [config for config in artifact.configs() if config.value is None]
    assert unread.where == "config.json"


@pytest.mark.parametrize("name", ["../../evil.txt", "/etc/evil", "a\\..\\evil", "C:/evil"])
def test_a_member_that_would_escape_is_named_and_not_shown(
    corpus: Path, tmp_path: Path, opened: Any, name: str
) -> None:
    path = tmp_path / "a.keras"
    path.write_bytes((corpus / "sleep_stages.keras").read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        archive.writestr(info, b"x")
    artifact = opened(path)
    assert f"The member {name} would be unpacked outside" in artifact.notes[0]
    shown: list[Node] = artifact.root.children()
    assert [node.name for node in shown] == ["config.json", "metadata.json", "model.weights.h5"]


def test_an_archive_that_becomes_shorter_is_an_error_in_words(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes((corpus / "sleep_stages.keras").read_bytes())
    tensors = opened(path).tensors()
    os.truncate(path, 9_000)
    with pytest.raises(TensorUnreadable, match="the file was written to"):
        tensors[-1].read()


def test_parts_of_a_file_seek_and_read_like_files() -> None:
    part = FilePart(io.BytesIO(b"0123456789"), 2, 6)
    assert part.read() == b"234567"
    assert part.read() == b""
    assert (part.seek(-2, io.SEEK_END), part.read(9)) == (4, b"67")
    assert (part.seek(1), part.seek(2, io.SEEK_CUR), part.tell()) == (1, 3, 3)
    buffer = bytearray(4)
    assert (part.readinto(buffer), bytes(buffer)) == (3, b"567\0")


@pytest.mark.parametrize("depth", [400, 100_000])
def test_a_config_nested_too_deep_is_called_that(
    depth: int, corpus: Path, tmp_path: Path, opened: Any
) -> None:
    start = b'{"class_name": "Sequential", "config": {"layers": ['
    nested = start * depth + b"]}}" * depth
    path = repack(corpus / "sleep_stages.keras", tmp_path / "a.keras", 0, config_json=nested)
    artifact = opened(path)
    assert "it is nested too deep, as Keras nests none" in artifact.notes[0]
    assert artifact.tensors()
