"""What is larger than this program reads: the rest still opens, and no one calls it damaged."""

from __future__ import annotations

import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import safetensors

from explorer.analysis.safety import scan
from explorer.formats.artifact import Artifact, OverLimit, Tri
from explorer.formats.json_tree import LARGEST_JSON, excess, parse_json
from explorer.formats.registry import open_artifact
from explorer.formats.storage import Pages
from tests.cli.running import mfx

Open = Callable[[Path], Artifact]

_START = '{"class_name": "Sequential", "config": {"layers": ['
_TOO_MUCH = {
    "more than 1,000,000 values": _START + "[]," * 600_000 + "[]]}}",
    "more than 200,000 objects": _START + "{}," * 200_000 + "{}]}}",
    "more than 32.0 MB of text": _START + f'"{"a" * LARGEST_JSON}"]}}}}',
}


def saved(model: Any, path: Path, config: str) -> Path:
    """The model with another config, packed as small as can be."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, "config.json": config}.items():
            archive.writestr(name, data)
    return path


@pytest.fixture(scope="module")
def model() -> Any:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


@pytest.mark.parametrize("much", _TOO_MUCH)
def test_a_config_that_is_too_large_leaves_the_weights_readable(
    much: str, model: Any, tmp_path: Path, opened: Open
) -> None:
    path = saved(model, tmp_path / "a.keras", _TOO_MUCH[much])
    artifact = opened(path)
    assert artifact.parameters() == model.count_params()
    assert artifact.contents.architecture is Tri.NO
    assert f"it has {much}, as no model needs" in artifact.notes[0]
    assert [(f.severity.value, f.rule, f.where) for f in scan(artifact)] == [
        ("danger", "not-scanned", "config.json")
    ]
    unmade = [check for check in artifact.checks() if check.problem or check.limit]
    assert [(c.where, c.problem, much in c.limit) for c in unmade] == [("config.json", "", True)]


def test_a_config_of_hdf5_that_is_too_large_is_no_damage(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = "[" + "[]," * 600_000 + "[]]"
    done = mfx("verify", path)
    assert done.returncode == 2
    assert "model_config is not the JSON of a config: it has more than 1,000,000" in done.stdout
    assert "1 could not be made" in done.stdout


def test_a_model_of_ten_thousand_layers_opens(tmp_path: Path, opened: Open) -> None:
    small = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 1, name="conv")])
    small.save(tmp_path / "small.keras")
    config = json.loads(small.to_json())
    first, layer = config["config"]["layers"]
    layers = [json.loads(json.dumps(layer).replace('"conv"', f'"conv_{n}"')) for n in range(10_000)]
    config["config"]["layers"] = [first, *layers]
    artifact = opened(saved(small, tmp_path / "large.keras", json.dumps(config)))
    assert [found.name for found in artifact.layers()] == [
        layer["config"]["name"] for layer in config["config"]["layers"]
    ]
    assert {found.output_shape for found in artifact.layers()} == {(None, 8, 8, 3)}
    assert scan(artifact) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_json_is_bounded_in_each_of_its_encodings(encoding: str) -> None:
    assert parse_json('{"a": [1, 2]}'.encode(encoding)) == {"a": [1, 2]}
    assert excess(('["' + '\\"", "' * 600_000 + '", ' + "[]," * 600_000 + "[]]").encode(encoding))


def safetensors_file(path: Path, count: int) -> Path:
    about = {"dtype": "F32", "shape": [1, 0], "data_offsets": [0, 0]}
    header = json.dumps({f"layer_{number}/weight": about for number in range(count)}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def test_a_header_of_fifty_thousand_tensors_is_read(tmp_path: Path, opened: Open) -> None:
    path = safetensors_file(tmp_path / "a.safetensors", 50_000)
    with safetensors.safe_open(path, "np") as original:
        names = original.keys()
    assert [tensor.path for tensor in opened(path).tensors()] == sorted(names, key=_number)


def _number(name: str) -> int:
    return int(name[len("layer_") : -len("/weight")])


def test_an_archive_of_a_hundred_thousand_members_is_read(tmp_path: Path, opened: Open) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number in range(100_000):
            archive.addfile(tarfile.TarInfo(f"{number % 100}/{number}"))
    children = opened(tmp_path / "a.tar").root.children()
    assert sum(child.child_count() for child in children) == 100_000


def many_names(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(200):
            archive.writestr(f"{number}{'a' * 30_000}", b"")
    return path


def many_fields(path: Path) -> Path:
    path.write_text('node { name: "a" op: "NoOp" }\n' * 200_000)
    return path


_LARGE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a.safetensors": (lambda path: safetensors_file(path, 150_000), "more than 1,000,000 values"),
    "a.zip": (many_names, "up to 4.0 MB are read"),
    "a.pbtxt": (many_fields, "more than 400,000 fields"),
}


@pytest.mark.parametrize("name", _LARGE)
def test_a_file_over_a_limit_is_no_damage(name: str, tmp_path: Path) -> None:
    make, limit = _LARGE[name]
    path = make(tmp_path / name)
    with pytest.raises(OverLimit, match=limit):
        open_artifact(str(path))
    done = mfx("verify", path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert limit in done.stderr
    assert "again" not in done.stderr


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_way_of_compression_that_is_not_read_is_no_damage(
    method: int, model: Any, tmp_path: Path
) -> None:
    model.save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    path = tmp_path / "b.keras"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert keras.models.load_model(path).count_params() == model.count_params()
    with (
        zipfile.ZipFile(path, "a", method) as archive,
        archive.open("assets/zeros.bin", "w", force_zip64=True) as bomb,
    ):
        for _ in range(300):
            bomb.write(bytes(1 << 20))
    verified = mfx("verify", path)
    assert verified.returncode == 2
    assert "is compressed by" in verified.stdout
    scanned = mfx("scan", path)
    assert scanned.returncode == 1
    rows = [line.split("\t")[:3] for line in scanned.stdout.splitlines()]
    assert ["danger", "expanding-member", "assets/zeros.bin"] in rows
    assert ["danger", "not-scanned", "config.json"] in rows


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_arrays_packed_in_a_way_that_is_not_read(method: int, tmp_path: Path, opened: Open) -> None:
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive,
        archive.open("a.npy", "w") as member,
    ):
        np.save(member, np.arange(3))
    assert np.load(tmp_path / "a.npz")["a"].tolist() == [0, 1, 2]
    artifact = opened(tmp_path / "a.npz")
    assert "a cannot be read: a.npy in a.npz is compressed by" in artifact.notes[0]
    assert all(check.limit and not check.problem for check in artifact.checks())
    with zipfile.ZipFile(tmp_path / "outer.zip", "w", method) as archive:
        archive.write(tmp_path / "a.npz", "a.npz")
    outer = opened(tmp_path / "outer.zip")
    assert "It holds a.npz. a.npz in outer.zip is compressed by" in outer.notes[0]


def test_shards_that_are_all_missing_are_told_in_one_note(tmp_path: Path, opened: Open) -> None:
    path = tmp_path / "parts.weights.json"
    several = keras.Sequential([keras.Input((3,)), *(keras.layers.Dense(3) for _ in range(6))])
    several.save_weights(path, max_shard_size=50 / (1 << 30))
    shards = sorted(file.name for file in tmp_path.glob("*.h5"))
    for name in shards:
        (tmp_path / name).unlink()
    with pytest.raises(Exception, match=r"No such file|Unable to"):
        several.load_weights(path)
    (note,) = opened(path).notes
    assert note.startswith(f"{len(shards)} shards cannot be read, which hold weights of ")
    assert f": {', '.join(shards[:6])}" in note


def test_very_many_missing_shards_take_no_time_each(tmp_path: Path, opened: Open) -> None:
    path = tmp_path / "parts.weights.json"
    weight_map = {f"/d{n}/vars": f"parts_{n:05}.weights.h5" for n in range(20_000)}
    path.write_text(json.dumps({"weight_map": weight_map}))
    artifact = opened(path)
    assert "20,000 shards cannot be read" in artifact.notes[0]
    assert sum(bool(check.problem) for check in artifact.checks()) == 20_000


class _Chain(keras.Model):  # type: ignore[misc]
    """A model of layers one after the other, sooner made than a ``Sequential`` of so many."""

    def __init__(self, layers: list[Any]) -> None:
        super().__init__()
        self.chain = layers
        self(np.zeros((1, 1), np.float32))

    def call(self, inputs: Any) -> Any:
        for layer in self.chain:
            inputs = layer(inputs)
        return inputs


@pytest.fixture(scope="module")
def chains() -> list[_Chain]:
    """A model of few layers and one of eight times as many, these among them."""
    layers = [
        keras.layers.Dense(1, kernel_initializer="zeros", name=f"layer{n}") for n in range(160)
    ]
    return [_Chain(layers[:20]), _Chain(layers)]


@pytest.mark.parametrize("ending", ["h5", "json"])
def test_each_of_many_layers_takes_as_many_reads_as_one_of_few(
    ending: str, chains: list[_Chain], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    read = Pages.read

    def counted(pages: Pages, offset: int, length: int) -> bytes:
        lengths.append(length)
        return read(pages, offset, length)

    monkeypatch.setattr(Pages, "read", counted)
    cost = []
    for model in chains:
        path = tmp_path / f"{len(model.layers)}.weights.{ending}"
        size = 4 * len(model.layers) / (1 << 30)
        model.save_weights(path, max_shard_size=None if ending == "h5" else size)
        lengths.clear()
        with closing(open_artifact(str(path))) as artifact:
            assert {layer.name for layer in artifact.layers()} == {
                each.name for each in model.layers
            }
            assert scan(artifact) == []
            assert not any(check.problem for check in artifact.checks())
        cost.append(len(lengths))
    assert cost[1] < 9 * cost[0]


def tensorflow_js(path: Path, groups: int, files: int) -> Path:
    weight = {"name": "w", "shape": [1], "dtype": "float32"}
    group = {"paths": [f"{number}.bin" for number in range(files)], "weights": [weight]}
    path.write_text(json.dumps({"modelTopology": {}, "weightsManifest": [group] * groups}))
    return path


def test_very_many_missing_files_of_tensorflow_js(tmp_path: Path, opened: Open) -> None:
    artifact = opened(tensorflow_js(tmp_path / "model.json", 1, 10_000))
    assert artifact.notes == (
        "10,000 files, which hold weights, are not there: 0.bin, 1.bin, 2.bin, 3.bin, 4.bin, 5.bin "
        "and 9,994 more. Copy them beside the model.",
    )
    assert sum(bool(check.problem) for check in artifact.checks()) == 10_001


@pytest.mark.parametrize(("groups", "files", "what"), [(1, 10_001, "files"), (10_001, 0, "groups")])
def test_more_files_of_tensorflow_js_than_any_model_has(
    groups: int, files: int, what: str, tmp_path: Path
) -> None:
    with pytest.raises(OverLimit, match=f"lists 10,001 {what} of weights"):
        open_artifact(str(tensorflow_js(tmp_path / "model.json", groups, files)))
