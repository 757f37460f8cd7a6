"""Layers of models that Keras 1.2, 2.2.4, 2.4 and 2.13 saved whole: what those versions say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from explorer.formats.artifact import Layer
from explorer.formats.keras.config import read_config
from explorer.formats.keras.flow import output_shapes
from explorer.formats.registry import open_artifact
from tests.formats.old_versions.expected import old_files, with_key

_WHOLE = [
    name
    for name in with_key("layers")
    if name.endswith((".h5", ".keras")) and not name.endswith("weights.h5")
]
_WHOLE += [name for name in with_key("layers") if name.endswith("keras_saved")]

Said = Mapping[str, Any]


def pairs(ours: tuple[Layer, ...], theirs: list[Said]) -> Iterator[tuple[Layer, Said]]:
    """Each layer with what was said of it, nested ones as well.

    A Sequential model does not say that it has an input layer, but writes it down.
    """
    kept = ours[len(ours) - len(theirs) :]
    assert {layer.class_name for layer in ours[: len(ours) - len(theirs)]} <= {"InputLayer"}
    assert len(kept) == len(theirs), ([one.name for one in ours], [one["name"] for one in theirs])
    by_name = {said["name"]: said for said in theirs}
    for layer, said in zip(kept, theirs, strict=True):
        yield layer, by_name.get(layer.name, said)
        if layer.children and said["layers"]:
            yield from pairs(layer.children, by_name.get(layer.name, said)["layers"])


@pytest.mark.parametrize("name", _WHOLE)
def test_layers_are_those_of_the_old_version(name: str) -> None:
    file = old_files()[name]
    artifact = open_artifact(str(file.path))
    try:
        found = list(pairs(tuple(artifact.layers()), file.about["layers"]))
    finally:
        artifact.close()
    assert len(found) >= len(file.about["layers"])
    for layer, said in found:
        where = f"{layer.name} ({said['name']})"
        assert layer.class_name == said["class_name"], where
        shape = None if layer.output_shape is None else list(layer.output_shape)
        assert shape == said["output_shape"], where
        if layer.class_name == "Merge" and layer.children:
            assert layer.parameters == sum(branch.parameters or 0 for branch in layer.children)
        else:
            assert layer.parameters == said["parameters"], where


def test_layers_that_keras_2_13_counts_twice_have_their_weights() -> None:
    file = old_files()["tf213/words.keras"]
    (deep,) = (said for said in file.about["layers"] if said["name"] == "deep")
    artifact = open_artifact(str(file.path))
    labels = [tensor.label for tensor in artifact.tensors()]
    artifact.close()
    expected = [f"deep/{name.removesuffix(':0')}" for name in deep["weights"]]
    assert [
        label for label in labels if label.startswith("deep/") and " · " not in label
    ] == expected


@pytest.mark.parametrize(
    "name", [name for name in with_key("parameters") if name.endswith((".h5", ".keras"))]
)
def test_parameters_are_as_many_as_the_old_version_says(name: str) -> None:
    file = old_files()[name]
    artifact = open_artifact(str(file.path))
    try:
        assert artifact.parameters() == file.about["parameters"]
    finally:
        artifact.close()


def test_nested_models_nest() -> None:
    artifact = open_artifact(str(old_files()["tf24/functional.h5"].path))
    deep = next(layer for layer in artifact.layers() if layer.name == "deep")
    assert [layer.name for layer in deep.children] == ["inner_input", "inner", "outside"]
    assert [layer.name for layer in deep.children[1].children] == ["inside", "within"]
    artifact.close()


def test_the_branches_of_a_merge_are_in_it() -> None:
    artifact = open_artifact(str(old_files()["tf14/merged.h5"].path))
    merge, top = artifact.layers()
    assert [[one.name for one in branch.children] for branch in merge.children] == [
        ["left_1"],
        ["right_1", "right_2"],
    ]
    assert [branch.parameters for branch in merge.children] == [16, 39]
    assert (top.name, top.parameters) == ("top", 18)
    artifact.close()


# What does not follow is not guessed


def operation(function: str, nodes: list[Any]) -> dict[str, Any]:
    """A model of an input of (?, 3) and an operation on it."""
    first = {"name": "x", "batch_input_shape": [None, 3]}
    return {
        "class_name": "Functional",
        "config": {
            "layers": [
                {"class_name": "InputLayer", "name": "x", "config": first, "inbound_nodes": []},
                {
                    "class_name": "TFOpLambda",
                    "name": "op",
                    "config": {"name": "op", "function": function},
                    "inbound_nodes": nodes,
                },
            ]
        },
    }


@pytest.mark.parametrize(
    ("function", "nodes", "expected"),
    [
        ("nn.relu", [["x", 0, 0, {"name": None}]], (None, 3)),
        ("math.multiply", [["x", 0, 0, {"y": 2.0}]], (None, 3)),
        ("__operators__.add", [["x", 0, 0, {"y": ["x", 0, 0]}]], (None, 3)),
        ("__operators__.add", [["x", 0, 0, {"y": [[1.0], [2.0]]}]], (2, 3)),
        ("__operators__.getitem", [["x", 0, 0, {"slice_spec": {"start": 1}}]], (None, 3)),
        ("nn.relu", [["gone", 0, 0, {}]], None),
        ("nn.relu", [["x", 0, 1, {}]], None),
        ("nn.relu", "damaged", None),
    ],
)
def test_operations_as_layers(function: str, nodes: list[Any], expected: object) -> None:
    model = read_config(operation(function, nodes))
    assert model is not None
    assert output_shapes(model)["op"] == expected


def test_models_that_call_each_other_twice_are_not_followed_without_end() -> None:
    first = {"class_name": "InputLayer", "name": "i", "config": {"batch_input_shape": [None, 3]}}
    joined = {"class_name": "Concatenate", "name": "x", "config": {"axis": -1}}
    inner: dict[str, Any] = {**joined, "inbound_nodes": [[["i", 0, 0, {}], ["i", 0, 0, {}]]]}
    output = 0
    for _ in range(28):
        config = {"layers": [first, inner], "input_layers": [["i", 0, 0]]}
        config["output_layers"] = [["x", output, 0]]
        twice = [[["i", 0, 0, {}]], [["x", 1, 0, {}]]]
        inner = {"class_name": "Functional", "name": "x", "config": config, "inbound_nodes": twice}
        output = 2
    model = read_config(inner)
    assert model is not None
    assert output_shapes(model) == {"i": (None, 3), "x": None}
