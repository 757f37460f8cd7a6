"""A zip archive behind a file of another format: what Keras makes of it, and what is told."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import safetensors.numpy

from explorer.analysis.safety import scan
from explorer.formats.artifact import Artifact
from tests.formats.packing import pack_tar

Open = Callable[[Path], Artifact]


def named(name: str, path: Path) -> bytes:
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name=name).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def beginnings(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    array = io.BytesIO()
    np.save(array, np.arange(3))
    return {
        "keras_hdf5": named("first", tmp_path_factory.mktemp("first") / "a.h5"),
        "tflite": (corpus / "face_detection_short_range.tflite").read_bytes(),
        "numpy": array.getvalue(),
        "safetensors": safetensors.numpy.save({"a": np.zeros(2)}),
        "graph_def": b"\x0a\x08\x0a\x01a\x12\x03Abs",
        "unknown": b"x" * 100,
    }


def dangers(artifact: Artifact) -> list[tuple[str, str]]:
    return [(f.rule, f.where) for f in scan(artifact) if f.severity.value == "danger"]


@pytest.mark.parametrize(
    "format", ["keras_hdf5", "tflite", "numpy", "safetensors", "graph_def", "unknown"]
)
def test_what_keras_reads_instead_is_named(
    format: str, beginnings: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    path = tmp_path / "both.keras"
    path.write_bytes(beginnings[format] + named("second", tmp_path / "second.keras"))
    assert keras.models.load_model(path).name == "second"
    artifact = opened(path)
    assert dangers(artifact) == [("two-formats", "both.keras")]
    assert "config.json" in scan(artifact)[0].message
    if format != "graph_def":  # a message goes on to the end of the file, so this one is damaged
        assert artifact.format == format


@pytest.mark.parametrize("format", ["keras_hdf5", "numpy", "unknown"])
def test_a_file_alone_is_no_danger(
    format: str, beginnings: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    path = tmp_path / "one"
    path.write_bytes(beginnings[format] + b"PK\x05\x06" * 9)
    assert dangers(opened(path)) == []


def test_the_files_of_a_tflite_model_are_none_of_another_format(
    beginnings: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(beginnings["tflite"])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "one\ntwo\n")
    assert dangers(opened(path)) == []


def test_a_zip_in_a_tar_is_a_member_of_it(tmp_path: Path, opened: Open) -> None:
    path = pack_tar(tmp_path / "a.tar", {"m.keras": named("only", tmp_path / "m.keras")})
    assert zipfile.is_zipfile(path)
    artifact: Any = opened(path)
    assert (artifact.format, dangers(artifact)) == ("keras_archive", [])
