"""Unpacked ``.keras`` folders, pickled weights and sharded weights: sound, incomplete, hostile."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest

from explorer.formats.artifact import (
    Artifact,
    HazardKind,
    NodeType,
    TensorUnreadable,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.keras.pickled_arrays import PickleReader, as_array
from explorer.formats.storage import LocalStorage, Pages
from tests.formats import keras_originals, keras_seeds
from tests.formats.walking import below, tensor, values

Opener = Callable[[Path], Artifact]


def problems(artifact: Artifact) -> dict[str, str]:
    """What the checks found, by rule and place."""
    return {f"{c.rule}: {c.where}": c.problem for c in artifact.checks() if c.problem}


@pytest.fixture
def whole(corpus: Path, opened: Opener) -> Artifact:
    """The archive that the others are made of."""
    return opened(corpus / "sleep_stages.keras")


# In a folder


def test_an_unpacked_archive_is_the_same_model(
    whole: Artifact, tmp_path: Path, opened: Opener
) -> None:
    folder = opened(keras_seeds.unpacked(tmp_path))
    assert (folder.format, folder.root.type) == ("keras_v3_dir", NodeType.DIRECTORY)
    assert folder.producer == whole.producer
    assert folder.contents == whole.contents
    assert folder.layers() == whole.layers()
    assert keras_originals.bag(values(folder)) == keras_originals.bag(values(whole))
    assert [t.label for t in folder.tensors()] == [t.label for t in whole.tensors()]
    assert (folder.notes, problems(folder)) == ((), {})


def test_a_vocabulary_is_shown_as_text(tmp_path: Path, opened: Opener) -> None:
    root = opened(keras_seeds.unpacked(tmp_path)).root
    vocabulary = below(root, "assets", "layers", "lookup", "vocabulary.txt")
    assert dict(vocabulary.attributes()) == {"text": "a\nb\n"}
    assert (vocabulary.kind, vocabulary.size) == ("asset", 4)


def test_a_vocabulary_that_is_not_there_is_told(tmp_path: Path, opened: Opener) -> None:
    k = keras_originals.line("keras")
    text = k.layers.TextVectorization(name="text")
    words = k.layers.StringLookup(name="words")
    given = k.layers.StringLookup(vocabulary=["a", "b"], name="given")
    for layer in (text, words):
        layer.adapt(["one two", "two"])
    start = k.Input((), dtype="string")
    inner = k.Model(start, words(start), name="inner")
    outputs = [text(start), words(start), given(start), inner(start)]
    path, without = tmp_path / "m.keras", tmp_path / "without.keras"
    k.Model(start, outputs).save(path)
    checks = [check for check in opened(path).checks() if check.rule == "asset present"]
    assert [check.problem for check in checks] == ["", ""]
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(without, "w") as rest:
        kept = [name for name in whole.namelist() if not name.endswith("vocabulary.txt")]
        assert len(kept) < len(whole.namelist())
        for name in kept:
            rest.writestr(name, whole.read(name))
    told = problems(opened(without))
    assert {line.rpartition("assets/")[2] for line in told} == {
        "layers/text_vectorization/vocabulary.txt",
        "layers/string_lookup/vocabulary.txt",
    }


def test_labels_are_in_the_tree(tmp_path: Path, opened: Opener) -> None:
    root = opened(keras_seeds.unpacked(tmp_path)).root
    variables = below(root, "model.weights.h5", "layers", "dense", "vars").children()
    labels = [node.tensor.label for node in variables if node.tensor]
    assert labels == ["dense/kernel", "dense/bias"]
    assert [node.text for node in variables] == ["0 · dense/kernel", "1 · dense/bias"]


def test_without_the_metadata_the_version_is_not_known(tmp_path: Path, opened: Opener) -> None:
    folder = keras_seeds.unpacked(tmp_path)
    (folder / "metadata.json").unlink()
    artifact = opened(folder)
    assert artifact.producer.keras == ""
    assert artifact.notes[0].startswith("metadata.json is missing")


def test_damaged_weights_are_told_and_the_layers_shown(tmp_path: Path, opened: Opener) -> None:
    folder = keras_seeds.unpacked(tmp_path)
    weights = folder / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:5000])
    artifact = opened(folder)
    assert artifact.contents.weights is Tri.NO
    assert len(artifact.layers()) == 8
    assert artifact.notes[0].startswith("model.weights.h5 is cut short: ")
    assert "hdf5 structure: model.weights.h5/layers" in problems(artifact)


def test_a_link_out_of_the_folder_is_a_hazard_and_not_followed(
    tmp_path: Path, opened: Opener
) -> None:
    folder = keras_seeds.unpacked(tmp_path)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (folder / "assets" / "link.txt").symlink_to(secret)
    artifact = opened(folder)
    (hazard,) = artifact.hazards()
    assert (hazard.kind, hazard.where) == (HazardKind.SYMBOLIC_LINK, "assets/link.txt")
    assert below(artifact.root, "assets", "link.txt").attributes() == ()


def test_a_folder_with_some_other_config_is_no_model(tmp_path: Path) -> None:
    from explorer.formats.keras import folder as keras_folder

    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "metadata.json").write_text("{}")
    assert keras_folder.match(LocalStorage(tmp_path)) is None


# Pickled


def test_pickled_weights_are_found_without_unpickling(
    whole: Artifact, tmp_path: Path, opened: Opener
) -> None:
    artifact = opened(keras_seeds.pickled(tmp_path))
    expected = {t.path: t for t in whole.tensors()}
    assert {t.path for t in artifact.tensors()} == set(expected)
    for found in artifact.tensors():
        np.testing.assert_array_equal(found.read(), expected[found.path].read())
        assert found.label == expected[found.path].label
    assert artifact.layers() == whole.layers()
    assert (artifact.notes, problems(artifact)) == ((), {})
    assert {hazard.kind for hazard in artifact.hazards()} == {HazardKind.PICKLE}


def test_weights_that_keras_writes_as_npz_to_a_folder_are_read(
    tmp_path: Path, opened: Opener
) -> None:
    from keras.src.saving import saving_lib

    model = keras_originals.functional(keras_originals.line("keras"))
    saving_lib.save_model(model, tmp_path / "it", weights_format="npz", zipped=False)
    artifact = opened(tmp_path / "it")
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    assert below(artifact.root, "model.weights.h5").kind == "NumPy weights"


def test_weights_that_are_pickled_as_tensors_are_read(tmp_path: Path, opened: Opener) -> None:
    from keras.src.saving import saving_lib

    k = keras_originals.line("keras")
    model = k.Sequential([k.Input((5,)), k.layers.Dense(4, name="dense")])
    model.layers[0].enable_lora(2)
    expected = np.asarray(model.layers[0].kernel)
    saving_lib.save_model(model, tmp_path / "lora.keras", weights_format="npz")
    artifact = opened(tmp_path / "lora.keras")
    assert (artifact.notes, artifact.contents.weights) == ((), Tri.YES)
    kernel = next(t for t in artifact.tensors() if t.label == "dense/kernel")
    assert kernel.dtype == "float32"
    np.testing.assert_array_equal(kernel.read(), expected)


def test_a_pickled_object_that_holds_no_array_is_told(tmp_path: Path, opened: Opener) -> None:
    source = keras_seeds.pickled(tmp_path)
    held = io.BytesIO()
    np.save(held, np.array({"0": complex(1, 2)}, object), allow_pickle=True)
    changed = _with_member(source, tmp_path / "other.keras", held.getvalue())
    artifact = opened(changed)
    assert artifact.contents.weights is Tri.PARTLY
    assert "only unpickling would give" in artifact.notes[0]
    (unknown,) = (t for t in artifact.tensors() if t.dtype == "unknown")
    with pytest.raises(TensorUnreadable, match="only unpickling would give"):
        unknown.read()


class _Harmful:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "harm")


def _with_member(source: Path, target: Path, data: bytes) -> Path:
    """The archive with other bytes in the dense layer's member of the pickled weights."""
    with zipfile.ZipFile(source) as outer:
        members = {name: outer.read(name) for name in outer.namelist()}
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(members["model.weights.npz"])) as old,
        zipfile.ZipFile(packed, "w") as new,
    ):
        for name in old.namelist():
            new.writestr(name, data if name == "layers/dense.npy" else old.read(name))
    members["model.weights.npz"] = packed.getvalue()
    with zipfile.ZipFile(target, "w") as outer:
        for name, content in members.items():
            outer.writestr(name, content)
    return target


def test_a_pickle_that_would_do_harm_does_nothing(tmp_path: Path, opened: Opener) -> None:
    harmed = tmp_path / "harmed"
    hostile = np.array({"0": _Harmful(harmed)}, dtype=object)
    packed = io.BytesIO()
    np.save(packed, hostile)
    source = keras_seeds.pickled(tmp_path)
    artifact = opened(_with_member(source, tmp_path / "hostile.keras", packed.getvalue()))
    unknown = tensor(artifact, "layers/dense/vars/0")
    assert (unknown.dtype, unknown.shape) == ("unknown", None)
    assert not harmed.exists()
    np.load(io.BytesIO(packed.getvalue()), allow_pickle=True)
    assert harmed.exists()  # by NumPy, so it would have


def test_a_pickle_that_ends_early_is_told(tmp_path: Path, opened: Opener) -> None:
    source = keras_seeds.pickled(tmp_path)
    packed = io.BytesIO()
    np.save(packed, np.array({"0": np.ones(100)}, dtype=object))
    cut = packed.getvalue()[:-200]
    artifact = opened(_with_member(source, tmp_path / "cut.keras", cut))
    (note,) = artifact.notes
    assert note.startswith("layers/dense.npy in model.weights.npz cannot be read: ")


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        np.ones((2, 2), ml_dtypes.bfloat16),
        np.array(True),
        np.zeros((0, 4), np.complex64),
        np.float64(1.5),
        np.int64(-3),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_arrays_are_found_in_pickles(array: np.ndarray, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pickle"
    path.write_bytes(b"before" + pickle.dumps(array, protocol))
    with closing(Pages(LocalStorage(path))) as pages:
        found = as_array(PickleReader().read(pages, 6))
    assert found is not None
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    start, length = found.stored.offset, found.stored.length
    order = "F" if found.fortran_order else "C"
    assert path.read_bytes()[start : start + length] == array.tobytes(order)


@pytest.mark.parametrize("data", [b"", b"h\x00.", b"}(1", b"R.", b"\x80\x05\x96", b"Ib\n."])
def test_what_no_array_needs_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pickle"
    path.write_bytes(data + bytes(8))
    with closing(Pages(LocalStorage(path))) as pages, pytest.raises(ValueError, match="it"):
        PickleReader().read(pages, 0)


# Sharded


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    with zipfile.ZipFile(keras_seeds.sharded(tmp_path)) as archive:
        archive.extractall(tmp_path / "shards")
    return tmp_path / "shards"


def test_sharded_weights_open_by_their_index_and_by_every_shard(
    whole: Artifact, shards: Path, opened: Opener
) -> None:
    assert len(list(shards.iterdir())) == 3
    for path in shards.iterdir():
        artifact = opened(path)
        assert artifact.format == "keras_sharded_weights"
        assert artifact.path == str(shards / "parts.weights.json")
        assert artifact.size == sum(file.stat().st_size for file in shards.iterdir())
        assert keras_originals.bag(values(artifact)) == keras_originals.bag(values(whole))
        assert problems(artifact) == {}
        assert {t.location.file for t in artifact.tensors() if t.location} == {
            "parts_00000.weights.h5",
            "parts_00001.weights.h5",
        }


def test_shards_of_a_subclass_are_read_as_one_file(tmp_path: Path, opened: Opener) -> None:
    k = keras_originals.line("keras")

    class Around(k.layers.Layer):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__(name="around")
            self.inner = k.layers.Dense(3)

        def build(self, shape: Any) -> None:
            self.factor = self.add_weight(name="factor", shape=(3, 3))
            self.inner.build((None, 3))

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs @ self.factor)

    class Blocks(k.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.around = Around()
            self.blocks = [k.layers.Dense(3, name=name) for name in ("first", "last")]

        def call(self, inputs: Any) -> Any:
            return self.around(self.blocks[1](self.blocks[0](inputs)))

    model = Blocks()
    model(np.zeros((1, 3), np.float32))
    model.save_weights(tmp_path / "one.weights.h5")
    model.save_weights(tmp_path / "many.weights.json", max_shard_size=60 / (1 << 30))
    one, many = opened(tmp_path / "one.weights.h5"), opened(tmp_path / "many.weights.json")
    assert len(many.root.children()) == 5
    assert {layer.name: layer.parameters for layer in many.layers()} == {
        layer.name: layer.count_params() for layer in model.layers
    }
    assert set(many.layers()) == set(one.layers())
    labels = {t.path: t.label for t in many.tensors()}
    assert labels == {t.path: t.label for t in one.tensors()}
    assert "first/kernel" in labels.values()


def test_a_folder_of_one_sharded_model_opens_as_it(shards: Path, opened: Opener) -> None:
    inside, index = opened(shards), opened(shards / "parts.weights.json")
    assert (inside.format, inside.path) == (index.format, index.path)
    assert inside.tensors() == index.tensors()
    shutil.copy(shards / "parts.weights.json", shards / "other.weights.json")
    with pytest.raises(UnreadableArtifact, match=r"in it: other\.weights\.json, parts\.w"):
        opened(shards)


def test_a_missing_shard_is_named_with_what_lies_in_it(shards: Path, opened: Opener) -> None:
    (shards / "parts_00001.weights.h5").unlink()
    artifact = opened(shards / "parts.weights.json")
    assert artifact.contents.weights is Tri.PARTLY
    (note,) = artifact.notes
    assert note.startswith("parts_00001.weights.h5 cannot be read, which holds weights of ")
    assert "shard present: parts_00001.weights.h5" in problems(artifact)
    shown = {node.name: node.kind for node in artifact.root.children()}
    assert shown["parts_00001.weights.h5"] == "missing"


def test_a_shard_without_what_the_index_says_is_told(shards: Path, opened: Opener) -> None:
    shutil.copy(shards / "parts_00000.weights.h5", shards / "parts_00001.weights.h5")
    found = problems(opened(shards / "parts.weights.json"))
    listed = json.loads((shards / "parts.weights.json").read_text())["weight_map"]
    absent = [place for place, name in listed.items() if name == "parts_00001.weights.h5"]
    assert {f"weight present: {place}" for place in absent} <= set(found)
    assert "byte count: parts.weights.json" in found


@pytest.mark.parametrize("left_out", [1, 40_000])
def test_a_shard_that_is_cut_short_is_told(
    left_out: int, shards: Path, tmp_path: Path, opened: Opener
) -> None:
    shard = shards / "parts_00001.weights.h5"
    size = shard.stat().st_size
    os.truncate(shard, size - left_out)
    with pytest.raises(OSError, match="truncated file"):
        h5py.File(shard)
    artifact = opened(shards / "parts.weights.json")
    told = problems(artifact)["byte count: parts_00001.weights.h5"]
    assert f"is cut short: its header says {size:,} bytes, but there are only" in told
    assert told in artifact.notes


def test_shards_elsewhere_are_not_read(shards: Path, opened: Opener) -> None:
    inside = shards / "inside"
    inside.mkdir()
    names = ["../parts_00000.weights.h5", str(shards / "parts_00001.weights.h5")]
    weight_map = {f"/layers/{number}/vars": name for number, name in enumerate(names)}
    (inside / "x.weights.json").write_text(json.dumps({"weight_map": weight_map}))
    artifact = opened(inside / "x.weights.json")
    assert artifact.tensors() == ()
    assert all("points outside" in note for note in artifact.notes)
    hazards = [(h.kind, h.where, h.target) for h in artifact.hazards()]
    assert hazards == [(HazardKind.EXTERNAL_STORAGE, "x.weights.json", name) for name in names]


def test_a_shard_that_no_index_lists_is_a_file_of_its_own(shards: Path, opened: Opener) -> None:
    shutil.copy(shards / "parts_00000.weights.h5", shards / "parts_00007.weights.h5")
    assert opened(shards / "parts_00007.weights.h5").format == "keras_weights_hdf5"


# Which variables are weights


def test_a_part_called_generator_is_a_part_and_not_a_random_generator(
    tmp_path: Path, opened: Opener
) -> None:
    k = keras_originals.line("keras")

    class Adversarial(k.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.generator = k.layers.Dense(3, use_bias=False)
            self.flip = k.layers.RandomFlip()

        def call(self, inputs: Any) -> Any:
            return self.generator(self.flip(inputs))

    model = Adversarial()
    model(np.zeros((1, 4, 4, 2), np.float32))
    model.save_weights(tmp_path / "it.weights.h5")
    artifact = opened(tmp_path / "it.weights.h5")
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    assert artifact.parameters() == model.count_params()
