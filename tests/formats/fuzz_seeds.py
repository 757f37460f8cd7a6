"""The sound files that are damaged: small ones of every format."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tests import corpus
from tests.formats import keras_seeds


@dataclass(frozen=True)
class Seed:
    """A sound file, copied from the corpus or made.

    ``damaged`` names the files of a folder that are damaged.
    """

    name: str
    source: str | Callable[[Path], Path]
    damaged: tuple[str, ...] = ()


def make_seed(seed: Seed, folder: Path) -> Path:
    """The file or folder itself, in ``folder``."""
    folder.mkdir()
    if not isinstance(seed.source, str):
        return seed.source(folder)
    source = corpus.folder() / seed.source
    target = folder / source.name
    if source.is_file():
        shutil.copyfile(source, target)
        return target
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755)
    return target


def _described(folder: Path) -> Path:
    """A small model with two graphs, a description and files behind it."""
    source = Path(__file__).parent / "tflite_support" / "labelled.tflite"
    return shutil.copyfile(source, folder / source.name)


def _of_old_version(name: str) -> Callable[[Path], Path]:
    source = Path(__file__).parent / "old_versions" / "files" / name
    return lambda folder: shutil.copyfile(source, folder / source.name)


def _saved_model_text(folder: Path) -> Path:
    from google.protobuf import text_format

    from explorer.formats.schema import saved_model_pb2

    target = make_seed(SEEDS["saved_model_tf1"], folder / "whole")
    binary = target / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(binary.read_bytes())
    (target / "saved_model.pbtxt").write_text(text_format.MessageToString(model))
    binary.unlink()
    return target


def _npy(folder: Path) -> Path:
    np.save(folder / "x.npy", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    return folder / "x.npy"


def _npz(folder: Path) -> Path:
    np.savez_compressed(folder / "x.npz", a=np.arange(50), b=np.ones((3, 4), np.float32))
    return folder / "x.npz"


def _safetensors(folder: Path) -> Path:
    from safetensors.numpy import save_file

    tensors = {"a": np.arange(50), "b": np.ones((3, 4), np.float32)}
    save_file(tensors, folder / "x.safetensors", metadata={"format": "tf"})
    return folder / "x.safetensors"


def _onnx(folder: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((3, 4), np.float32), "w")
    typed = helper.make_tensor("t", TensorProto.INT32, [3], [1, 2, 3])
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "then", [], [])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=typed),
        helper.make_node("If", ["b"], ["y"], then_branch=inner, else_branch=inner),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(nodes, "net", [given], [given], [weight, typed])
    onnx.save(helper.make_model(graph, producer_name="hand"), folder / "x.onnx")
    return folder / "x.onnx"


def _tfjs(folder: Path) -> Path:
    weights = [
        {"name": "dense/kernel", "shape": [3, 4], "dtype": "float32"},
        {"name": "words", "shape": [2], "dtype": "string"},
        {
            "name": "q",
            "shape": [5],
            "dtype": "float32",
            "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
        },
    ]
    layer = {"class_name": "Dense", "config": {"name": "dense", "units": 4}}
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}
    value = {
        "format": "layers-model",
        "modelTopology": {"keras_version": "2.4.0", "model_config": config},
        "weightsManifest": [{"paths": ["a.bin", "b.bin"], "weights": weights}],
    }
    model = folder / "model"
    model.mkdir()
    (model / "model.json").write_text(json.dumps(value))
    (model / "a.bin").write_bytes(bytes(30))
    (model / "b.bin").write_bytes(bytes(18) + b"\1\0\0\0a\2\0\0\0bc" + bytes(5))
    return model


def _zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in _members():
            archive.write(path, name)
    return folder / "x.zip"


def _tar(folder: Path) -> Path:
    return _tarred(folder / "x.tar", "w")


def _targz(folder: Path) -> Path:
    return _tarred(folder / "x.tar.gz", "w:gz")


def _tarred(target: Path, mode: Literal["w", "w:gz"]) -> Path:
    with tarfile.open(target, mode) as archive:
        for path, name in _members():
            archive.add(path, name)
    return target


def _members() -> Iterator[tuple[Path, str]]:
    """The files of a SavedModel, and their names in an archive."""
    model = corpus.folder() / "half_plus_two_tf1"
    for path in sorted(model.rglob("*")):
        if path.is_file():
            yield path, f"m/{path.relative_to(model)}"


_VARIABLES = ("variables/variables.index", "variables/variables.data-00000-of-00001")

SEEDS = {
    seed.name: seed
    for seed in (
        Seed("saved_model", "notes_tf20/functional/2_model", ("saved_model.pb", *_VARIABLES)),
        Seed("saved_model_tf1", "half_plus_two_tf1", ("saved_model.pb", *_VARIABLES)),
        Seed("saved_model_text", _saved_model_text, ("saved_model.pbtxt",)),
        Seed("graph", _of_old_version("tf14/frozen.pb")),
        Seed("graph_text", _of_old_version("tf14/frozen.pbtxt")),
        Seed("meta_graph", _of_old_version("tf14/ckpt/model.ckpt-2.meta")),
        Seed(
            "checkpoint",
            "notes_tf20/subclass/checkpoints",
            (
                "checkpoint",
                "mannal_checkpoint.index",
                "mannal_checkpoint.data-00000-of-00001",
            ),
        ),
        Seed("checkpoint_v1", _of_old_version("tf14/ckpt_v1/model.ckpt")),
        Seed("keras_hdf5", "notes_tf20/functional/3_model.h5"),
        Seed("weights_hdf5", "notes_tf20/functional/1_weight.h5"),
        Seed("keras_archive", "sleep_stages.keras"),
        Seed("keras_folder", keras_seeds.unpacked, ("config.json", "model.weights.h5")),
        Seed("keras_npz", keras_seeds.pickled),
        Seed("keras_shards", keras_seeds.sharded),
        Seed("tflite", "face_detection_short_range.tflite"),
        Seed("tflite_described", _described),
        Seed("npy", _npy),
        Seed("npz", _npz),
        Seed("safetensors", _safetensors),
        Seed("onnx", _onnx),
        Seed("tfjs", _tfjs, ("model.json", "a.bin", "b.bin")),
        Seed("zip", _zip),
        Seed("tar", _tar),
        Seed("tar_gz", _targz),
    )
}
