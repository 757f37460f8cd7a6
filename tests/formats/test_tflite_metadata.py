"""What a TensorFlow Lite model says of itself, and the files behind it.

``labelled.tflite`` was written by the library that defines this metadata, ``labelled.json`` is what
that library says of it; ``tflite_support/make.py`` made both.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tensorflow.lite.python import schema_py_generated as schema

from explorer.formats.artifact import Artifact, HazardKind, Node, UnreadableArtifact
from explorer.formats.registry import open_artifact
from tests.formats.tflite_originals import built
from tests.formats.walking import below

FOLDER = Path(__file__).parent / "tflite_support"
LABELLED = FOLDER / "labelled.tflite"
ORIGINAL = json.loads((FOLDER / "labelled.json").read_text())
FILE_KINDS = {
    "DESCRIPTIONS": "description",
    "TENSOR_AXIS_LABELS": "labels of a tensor's axis",
    "VOCABULARY": "vocabulary",
}


def description_of(artifact: Artifact) -> Node:
    return below(artifact.root, "metadata", "TFLITE_METADATA")


def listed(lines: Any, name: str) -> list[str]:
    return [text for label, text in lines if label == name]


def texts_of(said: dict[str, Any], *names: str) -> dict[str, str]:
    return {name: said[name] for name in names if name in said}


def problems(artifact: Artifact) -> list[tuple[str, str]]:
    return [(check.rule, check.where) for check in artifact.checks() if check.problem]


# As the library wrote it


def test_the_description_of_the_model(opened: Any) -> None:
    said = ORIGINAL["metadata"]
    lines = description_of(opened(LABELLED)).attributes()
    expected = texts_of(said, "name", "description", "version", "author", "license")
    expected["needs parser version"] = said["min_parser_version"]
    assert expected.items() <= dict(lines).items()
    assert listed(lines, "file") == [file["name"] for file in said["associated_files"]]


def test_the_description_of_the_graph(opened: Any) -> None:
    (said,) = ORIGINAL["metadata"]["subgraph_metadata"]
    (node,) = description_of(opened(LABELLED)).children()
    lines = node.attributes()
    assert node.name == said["name"]
    assert dict(lines)["description"] == said["description"]
    assert listed(lines, "file") == [file["name"] for file in said["associated_files"]]


def test_the_description_of_inputs_and_outputs(opened: Any) -> None:
    (said,) = ORIGINAL["metadata"]["subgraph_metadata"]
    (graph,) = description_of(opened(LABELLED)).children()
    nodes = graph.children()
    ends = said["input_tensor_metadata"] + said["output_tensor_metadata"]
    assert [(node.name, node.kind) for node in nodes] == [
        (ends[0]["name"], "input 0"),
        (ends[1]["name"], "output 0"),
        (ends[2]["name"], "output 1"),
    ]
    for node, end in zip(nodes, ends, strict=True):
        lines = node.attributes()
        assert texts_of(end, "description").items() <= dict(lines).items()
        files = [file["name"] for file in end.get("associated_files", [])]
        assert listed(lines, "file") == files
        assert listed(lines, "dimensions") == [
            ", ".join(names) for names in [end.get("dimension_names")] if names
        ]


def test_what_inputs_and_outputs_mean(opened: Any) -> None:
    (said,) = ORIGINAL["metadata"]["subgraph_metadata"]
    (graph,) = description_of(opened(LABELLED)).children()
    picture, scores, boxes = graph.children()
    image = said["input_tensor_metadata"][0]
    lines = dict(picture.attributes())
    assert image["content"]["content_properties_type"] == "ImageProperties"
    assert lines["content"] == "image"
    assert lines["color space"] == image["content"]["content_properties"]["color_space"]
    assert lines["step"] == "normalization"
    options = image["process_units"][0]["options"]
    for name, expected in (
        ("mean", options["mean"]),
        ("std", options["std"]),
        ("minimum", image["stats"]["min"]),
        ("maximum", image["stats"]["max"]),
    ):
        assert [float(part) for part in lines[name].split(", ")] == expected
    lines = dict(scores.attributes())
    (step,) = said["output_tensor_metadata"][0]["process_units"]
    assert (lines["content"], lines["step"]) == ("feature", "score thresholding")
    assert float(lines["threshold"]) == step["options"]["global_score_threshold"]
    assert boxes.attributes() == []


def test_the_files_behind_the_model(opened: Any) -> None:
    artifact = opened(LABELLED)
    nodes = below(artifact.root, "associated files").children()
    found = {node.name: dict(node.attributes()) for node in nodes}
    assert {name: lines["text"] for name, lines in found.items()} == ORIGINAL["files"]
    assert {node.name: node.size for node in nodes} == {
        name: len(text.encode()) for name, text in ORIGINAL["files"].items()
    }
    (graph,) = ORIGINAL["metadata"]["subgraph_metadata"]
    lists = [ORIGINAL["metadata"], graph, *graph["output_tensor_metadata"]]
    said = [file for each in lists for file in each.get("associated_files", [])]
    assert len(said) == len(nodes)
    kinds = {node.name: node.kind for node in nodes}
    for file in said:
        assert kinds[file["name"]] == FILE_KINDS[file["type"]]
        lines = found[file["name"]]
        assert lines["description"] == file["description"]
        assert lines.get("locale") == file.get("locale")


def test_the_files_are_verified(opened: Any) -> None:
    artifact = opened(LABELLED)
    assert problems(artifact) == []
    checked = [(check.rule, check.where) for check in artifact.checks()]
    for name in ORIGINAL["files"]:
        assert ("zip crc-32", name) in checked
        assert ("file present", name) in checked
    assert list(artifact.hazards()) == []


def test_the_model_in_an_archive_shows_its_files_too(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "models.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(LABELLED, "inner/labelled.tflite")
    artifact = opened(path)
    assert artifact.format == "tflite"
    node = below(artifact.root, "associated files", "labels.txt")
    assert dict(node.attributes())["text"] == ORIGINAL["files"]["labels.txt"]


# Damaged


def changed(tmp_path: Path, old: bytes, new: bytes) -> Path:
    data = LABELLED.read_bytes()
    assert data.count(old) == 1
    path = tmp_path / "changed.tflite"
    path.write_bytes(data.replace(old, new))
    return path


def test_a_damaged_file_is_found(tmp_path: Path, opened: Any) -> None:
    path = changed(tmp_path, b"cat\ndog\n", b"cat\ncow\n")
    assert problems(opened(path)) == [("zip crc-32", "labels.txt")]


def test_files_that_were_cut_off_are_missed(tmp_path: Path, opened: Any) -> None:
    data = LABELLED.read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(data[: data.index(b"PK\3\4")])
    artifact = opened(path)
    assert "associated files" not in [node.name for node in artifact.root.children()]
    assert sorted(problems(artifact)) == [
        ("file present", name) for name in sorted(ORIGINAL["files"])
    ]


def test_a_damaged_list_of_files_is_said(tmp_path: Path, opened: Any) -> None:
    data = bytearray(LABELLED.read_bytes())
    data[data.index(b"PK\1\2")] ^= 1
    path = tmp_path / "damaged.tflite"
    path.write_bytes(data)
    artifact = opened(path)
    assert ("zip list", "associated files") in problems(artifact)
    assert artifact.notes == (
        "The archive with associated files at the end of damaged.tflite is damaged, so they "
        "cannot be listed. Copy or download the model again.",
    )


def test_a_file_that_would_be_unpacked_elsewhere(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "escaping.tflite"
    path.write_bytes(LABELLED.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../outside.txt", "x")
    artifact = opened(path)
    (hazard,) = artifact.hazards()
    assert (hazard.kind, hazard.where) == (HazardKind.ESCAPING_MEMBER, "../../outside.txt")
    names = [node.name for node in below(artifact.root, "associated files").children()]
    assert names == sorted(ORIGINAL["files"])


def test_a_description_of_another_schema_is_shown_as_bytes(tmp_path: Path, opened: Any) -> None:
    node = description_of(opened(changed(tmp_path, b"M001", b"M002")))
    assert node.children() == []
    assert "value" in dict(node.attributes())


def test_a_damaged_description_hides_nothing_else(tmp_path: Path, opened: Any) -> None:
    data = bytearray(LABELLED.read_bytes())
    start = data.index(b"M001") - 4
    data[start : start + 4] = b"\xff\xff\xff\x7f"
    path = tmp_path / "damaged.tflite"
    path.write_bytes(data)
    artifact = opened(path)
    assert "is damaged" in dict(description_of(artifact).attributes())["problem"]
    assert len(below(artifact.root, "associated files").children()) == 4


def test_a_note_of_any_other_name(tmp_path: Path, opened: Any) -> None:
    entries = []
    for number, name in enumerate(("mine", "bytes", "missing"), 1):
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, number
        entries.append(entry)
    path = built(tmp_path, [], [b"some text\0", b"\xff\xfe" * 40], metadata=entries)
    metadata = below(opened(path).root, "metadata")
    values = {node.name: dict(node.attributes())["value"] for node in metadata.children()}
    assert values["mine"] == "some text"
    assert values["bytes"] == bytes.fromhex("fffe" * 32).hex(" ") + " …"
    assert values["missing"] == ""


def test_files_behind_a_model_that_says_nothing_of_them(tmp_path: Path, opened: Any) -> None:
    path = built(tmp_path, [], [])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("picture.bin", b"\0\1\2")
    node = below(opened(path).root, "associated files", "picture.bin")
    assert (node.kind, node.size, node.attributes()) == ("file", 3, [])


@pytest.mark.parametrize("kept", [200, 1000, 2000])
def test_a_labelled_model_cut_short(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(LABELLED.read_bytes()[:kept])
    with pytest.raises(UnreadableArtifact, match="Copy or download it again"):
        open_artifact(str(path))
