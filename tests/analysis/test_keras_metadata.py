"""What Keras 2 writes beside a SavedModel, and what an attacker would do to it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from explorer.analysis.safety import scan
from explorer.formats.registry import open_artifact


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tf_keras

    out = tmp_path_factory.mktemp("keras2")
    layers = [tf_keras.layers.Dense(2), tf_keras.layers.Lambda(lambda x: x + 1, name="trap")]
    tf_keras.Sequential([tf_keras.Input((2,)), *layers]).save(out, save_format="tf")
    return out


def rules(path: Path) -> set[tuple[str, str]]:
    with closing(open_artifact(str(path))) as artifact:
        return {(found.severity.value, found.rule) for found in scan(artifact)}


def nested(metadata: Any) -> None:
    for node in metadata.nodes:
        node.metadata = '{"deep": ' + "[" * 100_000 + "]" * 100_000 + "," + node.metadata[1:]


def cut(metadata: Any) -> None:
    for node in metadata.nodes:
        node.metadata = node.metadata[:-1]


def beside_the_graph(metadata: Any) -> None:
    """Keras makes the layers of every entry, whether or not the graph has the object."""
    for node in metadata.nodes:
        if "trap" in node.metadata:
            node.node_id += 10_000


@pytest.mark.parametrize(
    ("tamper", "rule"),
    [
        (lambda metadata: None, "lambda-code"),
        (nested, "not-scanned"),
        (cut, "not-scanned"),
        (beside_the_graph, "lambda-code"),
    ],
)
def test_no_config_is_passed_over(
    saved: Path, tmp_path: Path, tamper: Callable[[Any], None], rule: str
) -> None:
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    metadata = SavedMetadata.FromString((saved / "keras_metadata.pb").read_bytes())
    tamper(metadata)
    (tmp_path / "saved_model.pb").write_bytes((saved / "saved_model.pb").read_bytes())
    (tmp_path / "keras_metadata.pb").write_bytes(metadata.SerializeToString())
    assert rules(tmp_path) == {("danger", rule)}


def test_a_metadata_file_that_is_no_message_is_a_danger(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes((saved / "saved_model.pb").read_bytes())
    (tmp_path / "keras_metadata.pb").write_bytes((saved / "keras_metadata.pb").read_bytes()[:-1])
    assert rules(tmp_path) == {("danger", "not-scanned")}
