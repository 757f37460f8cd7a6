"""The hashes of SavedModels, against those that TensorFlow made and wrote into the folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer.formats.artifact import Check
from explorer.formats.registry import open_artifact
from explorer.formats.saved_model.farmhash import fingerprint64
from tests.formats.originals import Originals

_BY_TENSORFLOW = ("keras2_functional", "keras3_branched_export", "everything", "no_variables")
_OLD = Path(__file__).parent / "old_versions" / "files" / "tf213"
_PARTS = [
    "saved_model.pb",
    "graph",
    "signatures",
    "concrete functions",
    "variables/variables.index",
]


def fingerprints(model: Path) -> list[Check]:
    artifact = open_artifact(str(model))
    return [check for check in artifact.checks() if check.rule == "fingerprint"]


def test_farmhash_is_that_of_tensorflow(made: Path) -> None:
    theirs = json.loads((made / "fingerprints.json").read_text())
    for size, expected in enumerate(theirs, 1):
        data = bytes((i * 37 + size) % 256 for i in range(size))
        assert fingerprint64(data).to_bytes(8, "little").hex() == expected, size


@pytest.mark.parametrize("name", _BY_TENSORFLOW)
def test_a_model_has_the_hashes_it_was_saved_with(name: str, originals: Originals) -> None:
    assert fingerprints(originals[name].path) == [Check("fingerprint", part) for part in _PARTS]


@pytest.mark.parametrize("name", ["two", "exported", "keras_saved"])
def test_a_model_of_tensorflow_2_13(name: str) -> None:
    """Version 1 of the hashes."""
    assert fingerprints(_OLD / name) == [Check("fingerprint", part) for part in _PARTS]


def flip(find: Callable[[bytes], int]) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[find(bytes(data))] ^= 0x01
        file.write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("file", "find", "damaged"),
    [
        ("saved_model.pb", lambda data: data.index(b"MatMul") + 2, ["saved_model.pb"]),
        (
            "saved_model.pb",
            lambda data: data.index(b"saver_filename") + 2,
            ["saved_model.pb", "graph"],
        ),
        (
            "saved_model.pb",
            lambda data: data.index(b"tensorflow/serving/predict") + 3,
            ["saved_model.pb", "signatures"],
        ),
        ("variables/variables.index", lambda data: len(data) // 2, ["variables/variables.index"]),
        ("fingerprint.pb", lambda data: 3, ["saved_model.pb"]),
    ],
)
def test_a_flipped_bit_is_found(
    file: str,
    find: Callable[[bytes], int],
    damaged: list[str],
    originals: Originals,
    tmp_path: Path,
) -> None:
    model = Path(shutil.copytree(originals["keras2_functional"].path, tmp_path / "model"))
    flip(find)(model / file)
    found = [check for check in fingerprints(model) if check.problem]
    assert [check.where for check in found] == damaged
    assert "were changed or damaged after the model was saved" in found[0].problem


def test_the_hashes_that_are_told_are_those_of_tensorflow(
    originals: Originals, tmp_path: Path
) -> None:
    from explorer.formats.schema import saved_model_pb2 as pb

    model = Path(shutil.copytree(originals["everything"].path, tmp_path / "model"))
    theirs = pb.FingerprintDef.FromString((model / "fingerprint.pb").read_bytes())
    hashes = [
        theirs.saved_model_checksum,
        theirs.graph_def_program_hash,
        theirs.signature_def_hash,
        theirs.saved_object_graph_hash,
        theirs.checkpoint_hash,
    ]
    empty = pb.FingerprintDef(version=theirs.version)
    (model / "fingerprint.pb").write_bytes(empty.SerializeToString())
    told = [check.problem for check in fingerprints(model)]
    for text, value in zip(told, hashes, strict=True):
        assert f"but the hash is {value:016x}: these bytes or fingerprint.pb itself were" in text


def test_a_version_not_known_is_not_judged(originals: Originals, tmp_path: Path) -> None:
    from explorer.formats.schema import saved_model_pb2 as pb

    model = Path(shutil.copytree(originals["no_variables"].path, tmp_path / "model"))
    fingerprint = pb.FingerprintDef.FromString((model / "fingerprint.pb").read_bytes())
    fingerprint.version.producer = 99
    (model / "fingerprint.pb").write_bytes(fingerprint.SerializeToString())
    assert fingerprints(model) == []
