"""The tree of an HDF5 file against what the HDF5 group's own ``h5dump`` lists."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from explorer.formats.artifact import Node, NodeType
from explorer.formats.registry import open_artifact

pytestmark = pytest.mark.skipif(
    shutil.which("h5dump") is None, reason="h5dump comes with the system's package hdf5-tools"
)

_KINDS = ("group", "dataset", "attribute")


def listed_by_h5dump(path: Path) -> set[tuple[str, str]]:
    """Kind and path of every group, dataset and attribute of a group; ``-n 1`` lists them."""
    done = subprocess.run(["h5dump", "-n", "1", path], capture_output=True, text=True, check=True)
    lines = (line.split(None, 1) for line in done.stdout.splitlines())
    found = {(words[0], words[1]) for words in lines if len(words) == 2 and words[0] in _KINDS}
    datasets = tuple(f"{name}/" for kind, name in found if kind == "dataset")
    return {item for item in found if not item[1].startswith(datasets)} - {("group", "/")}


def shown(path: Path) -> set[tuple[str, str]]:
    """The same of our tree."""
    artifact = open_artifact(str(path))
    try:
        return set(below(artifact.root))
    finally:
        artifact.close()


def below(node: Node, above: str = "") -> Iterator[tuple[str, str]]:
    """Kind and path of everything below a node."""
    for child in node.children():
        path = f"{above}/{child.name}"
        if child.type is NodeType.ATTRIBUTE:
            yield "attribute", path
        elif child.type is NodeType.TENSOR:
            yield "dataset", path
        else:
            yield "group", path
            yield from below(child, path)


def test_the_corpus_is_listed_as_by_h5dump(corpus: Path) -> None:
    for name in (
        "emotion_model.hdf5",
        "notes_tf20/functional/1_weight.h5",
        "notes_tf20/functional/3_model.h5",
        "notes_tf20/subclass/1_weight.h5",
    ):
        path = corpus / name
        assert shown(path) == listed_by_h5dump(path)


@pytest.mark.parametrize("version", ["earliest", "v110"])
def test_groups_of_every_kind_are_listed_as_by_h5dump(tmp_path: Path, version: str) -> None:
    path = tmp_path / "kinds.h5"
    with h5py.File(path, "w", libver=version) as file:
        file.attrs["note"] = "über"
        for number in range(40):
            group = file.create_group(f"layer_{number}/inner")
            group["kernel"] = np.full((2, 3), number, np.float32)
            group.attrs[f"attribute_{number}"] = number
        many = file.create_group("many")
        for number in range(500):
            many[f"weight_{number}"] = number
        for number in range(60):
            many.attrs[f"name_{number}"] = np.arange(number)
    assert shown(path) == listed_by_h5dump(path)
