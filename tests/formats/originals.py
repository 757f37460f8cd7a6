"""What a process with TensorFlow said of models, for tests to compare with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2

_SCRIPT = Path(__file__).with_name("tensorflow_originals.py")


@dataclass(frozen=True)
class Original:
    """TensorFlow's word on one artifact at ``path``."""

    path: Path
    folder: Path

    def _json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    @property
    def cli(self) -> str:
        """The output of ``saved_model_cli show --all``."""
        return (self.folder / "cli.txt").read_text()

    @property
    def graphs(self) -> list[dict[str, Any]]:
        """Of each meta graph: nodes, functions with their node counts, objects, tags, versions."""
        found: list[dict[str, Any]] = self._json("graphs.json")
        return found

    @property
    def keras(self) -> dict[str, Any]:
        """Of the Keras model that was saved: parameters, layers, optimizer variables."""
        found: dict[str, Any] = self._json("keras.json")
        return found

    @cached_property
    def tensors(self) -> dict[str, tuple[str, list[int], bytes | list[bytes]]]:
        """By name: dtype, shape, and the bytes of the value or the strings in it."""
        about = self._json("tensors.json")
        with np.load(self.folder / "values.npz") as values:
            return {
                name: (
                    tensor["dtype"],
                    tensor["shape"],
                    [bytes.fromhex(text) for text in tensor["strings"]]
                    if "strings" in tensor
                    else values[str(index)].tobytes(),
                )
                for index, (name, tensor) in enumerate(about.items())
            }


@dataclass(frozen=True)
class Originals:
    """All that one run of the script left; ``paths`` are those of artifacts it did not make."""

    folder: Path
    paths: Mapping[str, Path]

    def __getitem__(self, name: str) -> Original:
        given = f"given_{list(self.paths).index(name)}" if name in self.paths else name
        path = self.paths.get(name, self.folder / "models" / name)
        return Original(path, self.folder / "originals" / given)

    @property
    def descriptors(self) -> descriptor_pb2.FileDescriptorSet:
        """TensorFlow's own description of its messages."""
        data = (self.folder / "descriptors.binpb").read_bytes()
        return descriptor_pb2.FileDescriptorSet.FromString(data)


def make_originals(out: Path, paths: Mapping[str, Path] | None = None) -> Originals:
    """Run the script: for the artifacts at ``paths``, or for models that it makes."""
    named = paths or {}
    command = [sys.executable, str(_SCRIPT), str(out), *map(str, named.values())]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return Originals(out, named)
