"""HDF5 files compared with Keras's own weights and with h5py walked by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest

from explorer.formats.artifact import (
    Artifact,
    Layer,
    Node,
    NodeType,
    Role,
    Tensor,
    TensorUnreadable,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.registry import open_artifact
from tests.formats import keras_originals as originals

WEIGHTS = {"keras": ".weights.h5", "tf_keras": "_weights.h5"}


@pytest.fixture(params=originals.LINES)
def k(request: pytest.FixtureRequest) -> ModuleType:
    return originals.line(request.param)


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Artifact]]:
    artifacts: list[Artifact] = []

    def open_it(path: Path) -> Artifact:
        artifacts.append(open_artifact(str(path)))
        return artifacts[-1]

    yield open_it
    for artifact in artifacts:
        artifact.close()


def values(artifact: Artifact, role: Role) -> list[np.ndarray]:
    return [tensor.read() for tensor in artifact.tensors() if tensor.role is role]


def flat(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    for layer in layers:
        yield layer
        yield from flat(layer.children)


def below(node: Node, *names: str) -> Node:
    for name in names:
        node = next(child for child in node.children() if child.name == name)
    return node


def tensor(artifact: Artifact, path: str) -> Tensor:
    return next(t for t in artifact.tensors() if t.path == path)


def reason(artifact: Artifact, path: str) -> str:
    with pytest.raises(TensorUnreadable) as caught:
        tensor(artifact, path).read()
    return str(caught.value)


# Whole models and weights, as Keras writes them


@pytest.mark.parametrize("make", originals.LAYERED)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_whole_model_has_kerass_own_weights_layers_and_shapes(
    k: ModuleType, make: Callable[[ModuleType], Any], tmp_path: Path, opened: Any
) -> None:
    model = make(k)
    path = tmp_path / "model.h5"
    model.save(path)
    artifact = opened(path)
    assert artifact.format == "keras_hdf5"
    assert originals.bag(values(artifact, Role.WEIGHT)) == originals.bag(model.get_weights())
    assert artifact.parameters() == model.count_params()
    read = {layer.name: layer for layer in flat(tuple(artifact.layers()))}
    for name, class_name, shape, parameters in originals.layer_facts(model):
        assert (read[name].class_name, read[name].output_shape) == (class_name, shape)
        assert read[name].parameters == parameters, name


def test_the_optimizer_is_there_and_not_counted(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = originals.functional(k)
    path = tmp_path / "model.h5"
    model.save(path)
    artifact = opened(path)
    variables = model.optimizer.variables
    expected = [np.asarray(v) for v in (variables() if callable(variables) else variables)]
    assert originals.bag(values(artifact, Role.OPTIMIZER)) == originals.bag(expected)
    assert artifact.contents.optimizer is artifact.contents.compile is Tri.YES
    assert artifact.contents.weights is artifact.contents.architecture is Tri.YES
    assert artifact.contents.signatures is Tri.NO
    assert (artifact.producer.keras, artifact.producer.backend) == (k.__version__, "tensorflow")


def test_weights_alone_name_their_layers(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = originals.nested(k)
    path = tmp_path / f"model{WEIGHTS[k.__name__]}"
    model.save_weights(path)
    artifact = opened(path)
    assert artifact.format == "keras_weights_hdf5"
    assert artifact.contents.architecture is artifact.contents.compile is Tri.NO
    assert originals.bag(values(artifact, Role.WEIGHT)) == originals.bag(model.get_weights())
    counted = {layer.name: layer.parameters for layer in artifact.layers()}
    assert counted == {layer.name: layer.count_params() for layer in model.layers}


def test_weights_of_a_subclass(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = originals.subclass(k)
    path = tmp_path / f"model{WEIGHTS[k.__name__]}"
    model.save_weights(path)
    artifact = opened(path)
    assert originals.bag(values(artifact, Role.WEIGHT)) == originals.bag(model.get_weights())
    assert sorted(layer.parameters or 0 for layer in artifact.layers()) == [16, 33, 330, 1056]


def test_keras_2_writes_the_object_tree_too(tmp_path: Path, opened: Any) -> None:
    model = originals.functional(originals.line("tf_keras"))
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    artifact = opened(path)
    assert artifact.format == "keras_weights_hdf5"
    assert originals.bag(values(artifact, Role.WEIGHT)) == originals.bag(model.get_weights())
    assert {t.role for t in artifact.tensors()} == {Role.WEIGHT, Role.OPTIMIZER, Role.METRIC}


def test_bfloat16_weights(tmp_path: Path, opened: Any) -> None:
    keras = originals.line("keras")
    layers = [keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")]
    model = keras.Sequential(layers)
    model.save_weights(tmp_path / "model.weights.h5")
    kernel = opened(tmp_path / "model.weights.h5").tensors()[0]
    assert (kernel.dtype, kernel.shape, kernel.nbytes) == ("bfloat16", (3, 2), 12)
    expected = np.asarray(model.layers[0].kernel)
    assert kernel.read().dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(kernel.read(), expected)
    np.testing.assert_array_equal(kernel.read((slice(None, None, -2), 1)), expected[::-2, 1])


def test_names_spread_over_several_attributes(tmp_path: Path, opened: Any) -> None:
    tf_keras = originals.line("tf_keras")
    names = [f"{'n' * 80}_{i}" for i in range(900)]  # more than one object header holds
    inputs = x = tf_keras.Input((1,))
    for name in names:
        x = tf_keras.layers.Activation("linear", name=name)(x)
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(2, name="last")(x))
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names" not in file.attrs
    artifact = opened(tmp_path / "w.h5")
    assert artifact.format == "keras_weights_hdf5"
    assert [layer.name for layer in artifact.layers()][1:] == [*names, "last"]


# The corpus


@pytest.mark.parametrize(
    ("name", "format_key", "parameters", "layers", "keras"),
    [
        ("emotion_model.hdf5", "keras_hdf5", 58_423, 46, "2.0.5"),
        ("notes_tf20/functional/1_weight.h5", "keras_weights_hdf5", 6_922, 4, "2.2.4-tf"),
        ("notes_tf20/functional/3_model.h5", "keras_hdf5", 6_922, 4, "2.2.4-tf"),
        ("notes_tf20/subclass/1_weight.h5", "keras_weights_hdf5", 1_386, 2, "2.2.4-tf"),
    ],
)
def test_real_files(
    corpus: Path,
    opened: Any,
    name: str,
    format_key: str,
    parameters: int,
    layers: int,
    keras: str,
) -> None:
    artifact = opened(corpus / name)
    assert (artifact.format, artifact.parameters()) == (format_key, parameters)
    assert (len(artifact.layers()), artifact.producer.keras) == (layers, keras)
    assert artifact.notes == ()
    assert sum(layer.parameters or 0 for layer in artifact.layers()) == parameters


def test_the_first_kerass_layers_match_keras_itself(corpus: Path, opened: Any) -> None:
    path = corpus / "emotion_model.hdf5"
    model = originals.line("tf_keras").models.load_model(path, compile=False)
    read = {layer.name: layer for layer in opened(path).layers()}
    for name, class_name, shape, parameters in originals.layer_facts(model):
        assert (read[name].class_name, read[name].output_shape) == (class_name, shape)
        assert read[name].parameters == parameters


@pytest.mark.parametrize(
    "name", ["emotion_model.hdf5", "notes_tf20/functional/3_model.h5"], ids=["keras1", "tf20"]
)
def test_the_tree_is_what_h5py_finds(corpus: Path, opened: Any, name: str) -> None:
    found: dict[str, tuple[Any, ...]] = {}
    with h5py.File(corpus / name, "r", locking=False) as file:

        def visit(path: str, item: Any) -> None:
            data = (item.shape, item.dtype.name) if isinstance(item, h5py.Dataset) else ()
            found[path] = (*data, *((a, _text(v)) for a, v in item.attrs.items()))

        file.visititems(visit)
    artifact = opened(corpus / name)
    assert dict(_tree(artifact.root, "")) == found


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return ", ".join(_text(item) for item in value)
    return value.decode() if isinstance(value, bytes) else str(value)


def _tree(node: Node, above: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for child in node.children():
        path = f"{above}{child.name}"
        if child.type is NodeType.TENSOR:
            assert child.tensor is not None
            yield path, (child.tensor.shape, child.tensor.dtype, *child.attributes())
        elif child.type is NodeType.GROUP:
            yield path, tuple(child.attributes())
            yield from _tree(child, f"{path}/")


def test_json_attributes_are_laid_out_and_can_be_expanded(corpus: Path, opened: Any) -> None:
    path = corpus / "notes_tf20/functional/3_model.h5"
    with h5py.File(path, "r", locking=False) as file:
        config = json.loads(file.attrs["model_config"])
    root = opened(path).root
    assert json.loads(dict(root.attributes())["model_config"]) == config
    assert "\n  " in dict(root.attributes())["model_config"]
    layers = below(root, "model_config", "config", "layers")
    assert [layer.kind for layer in layers.children()] == ["InputLayer", "Dense", "Dense", "Dense"]
    assert below(layers, "[1]", "config", "units").summary == "64"
    assert below(root, "model_weights", "dense_1").kind == "Dense"


# Any HDF5 file


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Everything that a Keras file does not hold, and a source whose extent has grown since."""
    with h5py.File(tmp_path / "source.h5", "w") as source:
        source.create_dataset("d", data=np.arange(10.0), maxshape=(None,))
    layout = h5py.VirtualLayout((10,), "f8", maxshape=(None,))
    whole = h5py.VirtualSource("source.h5", "d", (10,), maxshape=(None,))
    layout[0 : h5py.h5s.UNLIMITED] = whole[0 : h5py.h5s.UNLIMITED]
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", (10,), "f8", external=[("secret.bin", 0, 80)])
        file["soft"] = h5py.SoftLink("/virtual")
        file["elsewhere"] = h5py.ExternalLink("source.h5", "/d")
        group = file.create_group("group")
        group["loop"] = file["/"]
        file["again"] = group
        group.create_dataset("scalar", data=1.5)
        file.create_dataset("bomb", (10**7, 10**7), "f4", chunks=(1000, 1000), compression="gzip")
        file.create_dataset("one_chunk", (10**5, 10**5), "f4", chunks=(10**4, 10**4))
        file.create_dataset("text", data=["a", "bcd"], dtype=h5py.string_dtype())
        file.create_dataset("fixed", data=np.array([b"a", b"bcd"]))
        file.create_dataset("big_endian", data=np.arange(6, dtype=">i2").reshape(2, 3))
        file.create_dataset("flags", data=np.array([True, False]))
        file.create_dataset("nothing", data=h5py.Empty("f4"))
        file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype("f4"))
        file.create_dataset("packed", data=np.arange(20.0), chunks=(5,), compression="gzip")
        file.attrs["reference"] = group.ref
    with h5py.File(tmp_path / "source.h5", "a") as source:
        source["d"].resize((20,))
    return tmp_path / "odd.h5"


def test_plain_hdf5_counts_nothing_as_a_weight(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    assert (artifact.format, artifact.parameters(), artifact.layers()) == ("hdf5", 0, ())
    assert artifact.contents.weights is Tri.NO
    assert "Nothing in this HDF5 file says that Keras wrote it" in artifact.notes[0]


def test_links_are_shown_and_never_followed(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    shown = {n.name: (n.kind, n.summary, n.has_children) for n in artifact.root.children()}
    assert shown["soft"] == ("link, not followed", "soft link to /virtual", False)
    assert shown["elsewhere"][1] == "external link to /d in the file source.h5"
    loop = below(artifact.root, "group", "loop")
    assert (loop.kind, loop.has_children) == ("link, not followed", False)
    paths = [t.path for t in artifact.tensors()]
    assert paths.count("again/scalar") + paths.count("group/scalar") == 1
    assert not [p for p in paths if "loop" in p or p in ("soft", "elsewhere")]


@pytest.mark.parametrize("name", ["model_weights", "dense_1", "layers", "dense"])
def test_what_keras_looks_for_is_not_followed_elsewhere_either(
    tmp_path: Path, opened: Any, name: str
) -> None:
    """The groups that Keras's layouts name, as links into a file that has them all."""
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other.attrs["keras_version"] = other.create_group("vars").attrs["name"] = "elsewhere"
        other.attrs["weight_names"] = other.attrs["layer_names"] = ["secret"]
        other["secret/vars/0"] = np.arange(3.0)
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file[name] = h5py.ExternalLink("other.h5", "/")
        file.create_group("vars")
        if name == "dense_1":
            file.attrs["layer_names"] = ["dense_1"]
    artifact = opened(tmp_path / "model.h5")
    assert artifact.format.startswith("keras")
    assert artifact.tensors() == ()
    assert "secret" not in str(artifact.layers())
    assert "elsewhere" not in str((artifact.producer, artifact.layers(), artifact.notes))
    assert below(artifact.root, name).kind == "link, not followed"


def test_layer_names_with_slashes(tmp_path: Path, opened: Any) -> None:
    tf_keras = originals.line("tf_keras")
    layers = [tf_keras.layers.Dense(i, name=f"block/part{i}") for i in (2, 3)]
    model = tf_keras.Sequential([tf_keras.Input((4,)), *layers])
    model.save(tmp_path / "model.h5")
    model.save_weights(tmp_path / "weights.h5")
    for name in ("model.h5", "weights.h5"):
        artifact = opened(tmp_path / name)
        assert artifact.notes == ()
        assert artifact.parameters() == model.count_params()
        counted = [(layer.name, layer.parameters) for layer in artifact.layers()]
        assert counted[-2:] == [(layer.name, layer.count_params()) for layer in layers]


def test_a_virtual_dataset_opens_no_other_file(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    with h5py.File(odd, "r", locking=False) as file:
        assert file["virtual"].shape == (20,)  # h5py looks into the source
    assert tensor(artifact, "virtual").shape == (10,)
    assert "a virtual dataset whose values are in source.h5:d" in reason(artifact, "virtual")


def test_external_storage_is_not_read(odd: Path, opened: Any) -> None:
    (odd.parent / "secret.bin").write_bytes(bytes(80))
    artifact = opened(odd)
    assert "keeps its values outside this file, in secret.bin" in reason(artifact, "external")
    assert tensor(artifact, "external").location is None


def test_declared_sizes_are_checked_before_anything_is_allocated(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    assert "declares 364 TB for this selection, but only 0 B are stored" in reason(artifact, "bomb")
    np.testing.assert_array_equal(tensor(artifact, "bomb").read((5, slice(0, 3))), np.zeros(3))
    with pytest.raises(TensorUnreadable, match="declares 381 MB"):
        tensor(artifact, "one_chunk").read((0, 0))


def test_selections_are_numpys(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    table = np.arange(6, dtype="i2").reshape(2, 3)
    read = tensor(artifact, "big_endian").read
    for selection in [
        (),
        (1,),
        (-1, -2),
        (slice(None), 1),
        (slice(None, None, -1), slice(2, 0, -1)),
    ]:
        np.testing.assert_array_equal(read(selection), table[selection])
    assert read((slice(1, 1),)).shape == (0, 3)
    assert read((1, 2)).shape == ()
    with pytest.raises(IndexError):
        read((2,))
    packed = tensor(artifact, "packed")
    np.testing.assert_array_equal(packed.read((slice(3, 18, 4),)), np.arange(20.0)[3:18:4])
    assert packed.location is not None
    assert packed.location.offset is None


def test_values_of_every_kind(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    for name in ("text", "fixed"):
        assert tensor(artifact, name).dtype == "string"
        assert tensor(artifact, name).read().tolist() == [b"a", b"bcd"]
        assert tensor(artifact, name).read((1,)).item() == b"bcd"
    assert tensor(artifact, "flags").dtype == "bool"
    assert tensor(artifact, "flags").read().tolist() == [True, False]
    assert tensor(artifact, "nothing").read().shape == (0,)
    assert next(t for t in artifact.tensors() if t.path.endswith("scalar")).read() == 1.5
    assert "values of varying length" in reason(artifact, "ragged")
    assert "references" in dict(artifact.root.attributes())["reference"]


def test_a_tensor_lives_where_it_says(corpus: Path, opened: Any) -> None:
    path = corpus / "notes_tf20/functional/1_weight.h5"
    for one in opened(path).tensors():
        assert one.location is not None
        with path.open("rb") as file:
            file.seek(one.location.offset or 0)
            raw = np.frombuffer(file.read(one.location.nbytes), one.dtype).reshape(one.shape)
        np.testing.assert_array_equal(raw, one.read())


def test_a_group_of_many_is_read_by_pages(tmp_path: Path, opened: Any) -> None:
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for i in range(1200):
            file[f"many/{i}"] = np.full(i % 5, i)
    group = below(opened(tmp_path / "many.h5").root, "many")
    assert group.child_count() == 1200
    page = group.children(1000, 1003)
    assert [n.name for n in page] == ["1000", "1001", "1002"]  # by value, not as text
    assert [n.tensor.shape for n in page if n.tensor] == [(0,), (1,), (2,)]


# Files that change or are damaged


def test_missing_weights_are_said(tmp_path: Path, opened: Any) -> None:
    model = originals.functional(originals.line("tf_keras"))
    path = tmp_path / "w.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["dense_1/dense_1/kernel:0"]
        del file["predictions"]
    artifact = opened(path)
    assert artifact.contents.weights is Tri.PARTLY
    assert "2 weights that the file lists cannot be found in it" in artifact.notes[0]
    assert "dense_1/kernel:0, predictions" in artifact.notes[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace a file that is open")
def test_a_file_replaced_while_open_still_answers(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes((corpus / "notes_tf20/functional/3_model.h5").read_bytes())
    artifact = opened(path)
    new = tmp_path / "new.h5"
    new.write_bytes((corpus / "emotion_model.hdf5").read_bytes())
    os.replace(new, path)  # noqa: PTH105 - what saving does
    assert artifact.tensors()[0].read().shape == (64,)
    assert opened(path).parameters() == 58_423


@pytest.mark.parametrize("kept", [0, 1000, 872_856])
def test_a_file_written_to_while_open_is_an_error_in_words(
    corpus: Path, tmp_path: Path, opened: Any, kept: int
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes((corpus / "emotion_model.hdf5").read_bytes())
    artifact = opened(path)
    tensors = artifact.tensors()
    path.write_bytes(path.read_bytes()[:kept])
    os.utime(path, ns=(1, 1))
    with pytest.raises(TensorUnreadable, match=r"the file was written to\. .*open it again"):
        tensors[-1].read()


def test_a_closed_artifact_says_so(corpus: Path) -> None:
    artifact = open_artifact(str(corpus / "emotion_model.hdf5"))
    tensors = artifact.tensors()
    group = below(artifact.root, "model_weights")
    artifact.close()
    artifact.close()
    with pytest.raises(TensorUnreadable, match="open it again"):
        tensors[0].read()
    with pytest.raises(UnreadableArtifact, match="open it again"):
        group.child_count()
    assert artifact.root.attributes()[0][0] == "damaged"


def test_threads_read_at_once(corpus: Path, opened: Any) -> None:
    artifact = opened(corpus / "emotion_model.hdf5")
    tensors = artifact.tensors() * 3
    expected = [t.read() for t in tensors]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(expected, pool.map(lambda t: t.read(), tensors), strict=True):
            np.testing.assert_array_equal(one, other)


def test_one_damaged_object_leaves_the_others_readable(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        file["bad"], file["good"] = np.arange(3.0), np.arange(4.0)
        address = h5py.h5o.get_info(file["bad"].id).addr
    data = bytearray(path.read_bytes())
    data[address : address + 4] = b"\xff" * 4
    path.write_bytes(data)
    artifact = opened(path)
    shown = {node.name: node for node in artifact.root.children()}
    assert shown["bad"].kind == "damaged"
    assert [t.path for t in artifact.tensors()] == ["good"]


def test_names_that_are_not_text_are_shown(tmp_path: Path, opened: Any) -> None:
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file[b"caf\xe9"] = np.arange(3.0)
        file.attrs[b"na\xefve"] = 1
        file[b"caf\xe9"].attrs["text"] = b"\xff\xfe"
    artifact = opened(tmp_path / "odd.h5")
    attribute, node = artifact.root.children()
    assert (attribute.name, node.name) == ("na\ufffdve", "caf\ufffd")
    assert node.attributes() == [("text", "\ufffd\ufffd")]
    assert artifact.tensors()[0].read().tolist() == [0, 1, 2]


@pytest.mark.parametrize("keep", [40, 2000, 44_000])
def test_a_file_cut_short(corpus: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes((corpus / "notes_tf20/functional/1_weight.h5").read_bytes()[:keep])
    with pytest.raises(UnreadableArtifact) as caught:
        open_artifact(str(path))
    message = str(caught.value)
    if keep == 40:
        assert "ends in the middle of its first block" in message
    else:
        assert f"its header says 44,200 bytes, but there are only {keep:,}" in message


def test_a_user_block_before_the_signature(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "block.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["d"] = np.arange(3.0)
    assert opened(path).tensors()[0].read().tolist() == [0, 1, 2]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UnreadableArtifact, match="is cut short"):
        open_artifact(str(path))


def test_damage_after_the_header_is_refused_in_words(corpus: Path, tmp_path: Path) -> None:
    data = bytearray((corpus / "notes_tf20/functional/1_weight.h5").read_bytes())
    data[96:800] = bytes(704)
    (tmp_path / "zeros.h5").write_bytes(data)
    with pytest.raises(UnreadableArtifact, match="opy or download it again"):
        open_artifact(str(tmp_path / "zeros.h5"))
