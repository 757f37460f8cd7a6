"""Files that old versions of TensorFlow and Keras wrote, and what those versions say of them.

``files/tf14`` holds what ``make_tf14.py`` made, ``files/tf14.json`` what was said: by the path in
the folder, or a checkpoint's prefix, a mapping with those keys that make sense for the file:

- ``layers``: ``name``, ``class_name``, ``output_shape`` (of the first call; null where the library
  has none), ``parameters``, names of ``weights``, nested ``layers``;
- ``parameters``; ``weights`` in the order of ``get_weights()``; ``optimizer_weights`` alike;
- ``tensors``: those of a checkpoint, or of a graph's constants;
- ``meta_graphs`` of a SavedModel: ``tags``, ``signatures``, ``collections``, ``assets``,
  ``graph`` with ``nodes``, ``ops`` (how many of each) and ``functions`` (their ``ops``);
- ``tflite``: ``tensors``, ``inputs``, ``outputs``, ``signatures`` of the interpreter.

An array is described by `describe.array`: ``name``, ``dtype``, ``shape``, and ``sha256`` of its
little-endian bytes with its ``first`` values, or its ``strings`` in hexadecimal. The key
``writer`` has the versions. The scripts are run once, in virtual environments of old interpreters;
tests only read what they left.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FILES = Path(__file__).with_name("files")
VERSIONS = tuple(sorted(path.stem for path in FILES.glob("*.json")))


@dataclass(frozen=True)
class OldFile:
    """One file, folder or checkpoint prefix with what its writer says of it."""

    version: str
    name: str
    about: dict[str, Any]

    @property
    def path(self) -> Path:
        return FILES / self.version / self.name

    def __str__(self) -> str:
        return f"{self.version}/{self.name}"


@cache
def old_files() -> dict[str, OldFile]:
    """All of them by names such as ``tf14/conv_tf.h5``."""
    found = (
        OldFile(version, name, about)
        for version in VERSIONS
        for name, about in json.loads((FILES / f"{version}.json").read_text()).items()
        if name != "writer"
    )
    return {str(file): file for file in found}


def with_key(key: str) -> list[str]:
    """The names of those that say something under ``key``, for example ``layers``."""
    return [name for name, file in old_files().items() if key in file.about]


def is_same(array: np.ndarray, about: dict[str, Any]) -> bool:
    """Whether an array has the shape and every value that were written."""
    if list(array.shape) != about["shape"]:
        return False
    if "strings" in about:
        return bool([value.hex() for value in array.reshape(-1)] == about["strings"])
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return bool(digest == about["sha256"])
