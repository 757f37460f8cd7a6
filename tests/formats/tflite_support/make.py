"""Makes ``labelled.tflite`` and ``labelled.json``: ``python make.py MODEL OUT``.

Run once with tflite-support 0.4.4 (and libusb, which it wants), the last release of the library
that defines the metadata of TensorFlow Lite models. ``MODEL`` is one with one input and two
outputs, ``../old_versions/files/tf213/signatures.tflite``. The description is written and packed
by the library, and ``labelled.json`` is what it says of the result.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import flatbuffers
from tensorflow_lite_support.metadata import metadata_schema_py_generated as schema
from tensorflow_lite_support.metadata.python import metadata

_FILES = {
    "labels.txt": "cat\ndog\n",
    "labels_de.txt": "Katze\nHund\n",
    "vocabulary.txt": "\n".join(f"word{number}" for number in range(200)),
    "README.md": "# Which animal?\n",
}


def _file(name: str, description: str, kind: int, locale: str = "") -> Any:
    made = schema.AssociatedFileT()
    made.name, made.description, made.type, made.locale = name, description, kind, locale or None
    return made


def _step(kind: int, options: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(options, name, value)
    made = schema.ProcessUnitT()
    made.optionsType, made.options = kind, options
    return made


def _image() -> Any:
    made = schema.TensorMetadataT()
    made.name, made.description = "picture", "The picture to look at."
    made.dimensionNames = ["batch", "channel"]
    made.content = schema.ContentT()
    made.content.contentPropertiesType = schema.ContentProperties.ImageProperties
    made.content.contentProperties = schema.ImagePropertiesT()
    made.content.contentProperties.colorSpace = schema.ColorSpaceType.RGB
    made.stats = schema.StatsT()
    made.stats.min, made.stats.max = [0.0], [255.0, 254.0]
    kinds = schema.ProcessUnitOptions
    options = schema.NormalizationOptionsT()
    made.processUnits = [
        _step(kinds.NormalizationOptions, options, mean=[127.5, 1.25], std=[128.0])
    ]
    return made


def _scores() -> Any:
    made = schema.TensorMetadataT()
    made.name = "scores"
    made.content = schema.ContentT()
    made.content.contentPropertiesType = schema.ContentProperties.FeatureProperties
    made.content.contentProperties = schema.FeaturePropertiesT()
    kinds = schema.ProcessUnitOptions
    options = schema.ScoreThresholdingOptionsT()
    made.processUnits = [_step(kinds.ScoreThresholdingOptions, options, globalScoreThreshold=0.25)]
    labels = schema.AssociatedFileType.TENSOR_AXIS_LABELS
    made.associatedFiles = [
        _file("labels.txt", "The animals.", labels, "en"),
        _file("labels_de.txt", "The animals in German.", labels, "de"),
    ]
    return made


def _description() -> Any:
    graph = schema.SubGraphMetadataT()
    graph.name, graph.description = "animals", "One picture at a time."
    boxes = schema.TensorMetadataT()
    boxes.name = "boxes"
    graph.inputTensorMetadata, graph.outputTensorMetadata = [_image()], [_scores(), boxes]
    kinds = schema.AssociatedFileType
    graph.associatedFiles = [_file("vocabulary.txt", "All words.", kinds.VOCABULARY)]
    model = schema.ModelMetadataT()
    model.name, model.version = "Animal finder", "v2"
    model.description = "Finds animals in pictures."
    model.author, model.license = "A. Uthor", "Apache License 2.0"
    model.subgraphMetadata = [graph]
    model.associatedFiles = [_file("README.md", "Read this first.", kinds.DESCRIPTIONS)]
    return model


def main() -> None:
    """Pack the description and the files into the model."""
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    builder = flatbuffers.Builder()
    description = _description().Pack(builder)
    builder.Finish(description, metadata.MetadataPopulator.METADATA_FILE_IDENTIFIER)
    target = out / "labelled.tflite"
    target.write_bytes(source.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        for name, text in _FILES.items():
            (Path(folder) / name).write_text(text)
        populator = metadata.MetadataPopulator.with_model_file(str(target))
        populator.load_metadata_buffer(bytes(builder.Output()))
        populator.load_associated_files([str(Path(folder) / name) for name in _FILES])
        populator.populate()
    shown = metadata.MetadataDisplayer.with_model_file(str(target))
    files = {
        name: shown.get_associated_file_buffer(name).decode()
        for name in shown.get_packed_associated_file_list()
    }
    described = {"metadata": json.loads(shown.get_metadata_json()), "files": files}
    text = json.dumps(described, indent=1, sort_keys=True)
    (out / "labelled.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
