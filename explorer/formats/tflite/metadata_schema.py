"""Numbers of the schema of TensorFlow Lite's model metadata, version 1.1.

Source: ``tensorflow_lite_support/metadata/metadata_schema.fbs``.
"""

from __future__ import annotations

from enum import IntEnum

IDENTIFIER = b"M001"


class ModelMetadata(IntEnum):
    """Fields of the root table."""

    NAME = 0
    DESCRIPTION = 1
    VERSION = 2
    SUBGRAPH_METADATA = 3
    AUTHOR = 4
    LICENSE = 5
    ASSOCIATED_FILES = 6
    MIN_PARSER_VERSION = 7


class SubGraphMetadata(IntEnum):
    """Fields of what is said of a graph."""

    NAME = 0
    DESCRIPTION = 1
    INPUT_TENSOR_METADATA = 2
    OUTPUT_TENSOR_METADATA = 3
    ASSOCIATED_FILES = 4
    INPUT_PROCESS_UNITS = 5
    OUTPUT_PROCESS_UNITS = 6


class TensorMetadata(IntEnum):
    """Fields of what is said of an input or output."""

    NAME = 0
    DESCRIPTION = 1
    DIMENSION_NAMES = 2
    CONTENT = 3
    PROCESS_UNITS = 4
    STATS = 5
    ASSOCIATED_FILES = 6


class AssociatedFile(IntEnum):
    """Fields of what is said of a file."""

    NAME = 0
    DESCRIPTION = 1
    TYPE = 2
    LOCALE = 3


class Content(IntEnum):
    """Fields of what the values mean."""

    CONTENT_PROPERTIES_TYPE = 0
    CONTENT_PROPERTIES = 1


class ImageProperties(IntEnum):
    """Fields of what is said of an image."""

    COLOR_SPACE = 0


class ProcessUnit(IntEnum):
    """Fields of a step before or after the model."""

    OPTIONS_TYPE = 0
    OPTIONS = 1


class NormalizationOptions(IntEnum):
    """Fields of a step that takes the mean away and divides by the standard deviation."""

    MEAN = 0
    STD = 1


class ScoreThresholdingOptions(IntEnum):
    """Fields of a step that drops low scores."""

    GLOBAL_SCORE_THRESHOLD = 0


class Stats(IntEnum):
    """Fields of the range of the values."""

    MAX = 0
    MIN = 1


CONTENTS = ("", "feature", "image", "bounding box")
IMAGE = 2
COLOR_SPACES = ("", "RGB", "grayscale")
NORMALIZATION, THRESHOLDING = 1, 3
STEPS = (
    "",
    "normalization",
    "score calibration",
    "score thresholding",
    "BERT tokenizer",
    "SentencePiece tokenizer",
)
FILE_KINDS = (
    "file",
    "description",
    "labels of a tensor's axis",
    "labels of a tensor's values",
    "score calibration",
    "vocabulary",
)
