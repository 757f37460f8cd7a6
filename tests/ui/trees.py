"""Small artifacts made by hand, for tests of the Browse page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from explorer.formats.artifact import (
    Artifact,
    FunctionVariant,
    Location,
    Node,
    NodeList,
    NodeType,
    Producer,
    SavedFunction,
    Selection,
    Signature,
    SignatureTensor,
    Tensor,
    TensorUnreadable,
)
from explorer.ui.session import ArtifactEntry, Places, Session

KERNEL = np.random.default_rng(1).normal(0, 0.1, (3, 39, 8, 8)).astype(np.float32)
WORDS = np.array([b"plain", "größer".encode(), b"\xff\xfe"], object)


def array_tensor(path: str, values: np.ndarray, dtype: str = "") -> Tensor:
    """A tensor over an array."""

    def read(selection: Selection) -> np.ndarray:
        return np.asarray(values[selection])

    where = Location(
        "variables/variables.data-00000-of-00001", 0x1A2F0, values.nbytes, "crc32c 3f9b1c02"
    )
    return Tensor(
        path, dtype or str(values.dtype), values.shape, values.nbytes, location=where, reader=read
    )


def unreadable(path: str) -> Tensor:
    """A tensor whose bytes are damaged."""

    def read(_: Selection) -> np.ndarray:
        raise TensorUnreadable("The block at byte 99 is damaged. Save the model again.")

    return Tensor(path, "float32", (4, 4), 64, reader=read)


def tensor_node(tensor: Tensor, attributes: Sequence[tuple[str, str]] = ()) -> Node:
    return Node(
        tensor.path,
        NodeType.TENSOR,
        "variable",
        tensor.nbytes,
        tensor=tensor,
        attributes=lambda: attributes,
    )


def folder(name: str, children: Sequence[Node] | Callable[[], Sequence[Node]]) -> Node:
    return Node(name, NodeType.DIRECTORY, "folder", source=NodeList(children))


SIGNATURE = Signature(
    "serving_default",
    "tensorflow/serving/predict",
    ("serve",),
    (SignatureTensor("digits", "float32", (None, 32), "serving_default_digits:0"),),
    (
        SignatureTensor("predictions", "float32", (None, 10), "StatefulPartitionedCall:0"),
        SignatureTensor("scores", "float32", None, "StatefulPartitionedCall:1"),
    ),
)


def broken() -> Sequence[Node]:
    raise ValueError("a length of 4,000,000,000 at byte 12")


def sample_artifact(name: str = "sample") -> Artifact:
    """A SavedModel with tensors of several kinds, a signature, functions and damage."""
    tensors = [
        array_tensor("conv/kernel", KERNEL),
        array_tensor("dense/bias", np.arange(64, dtype=np.float32)),
        array_tensor("step", np.array(7, np.int64)),
        array_tensor("words", WORDS, "string"),
        unreadable("damaged"),
    ]
    config = (
        "config",
        '{"class_name": "Conv2D", "config": {"filters": 8, "kernel_size": [3, 39]}}',
    )
    root = folder(
        name,
        [
            folder(
                "saved_model.pb",
                [
                    Node(
                        "serving_default",
                        NodeType.SIGNATURE,
                        "signature",
                        summary="1 in → 2 out",
                        signature=SIGNATURE,
                    ),
                    Node("object graph", NodeType.OBJECT, "objects", source=NodeList(broken)),
                ],
            ),
            folder("variables", [tensor_node(tensor, (config,)) for tensor in tensors]),
        ],
    )
    functions = [
        SavedFunction(
            "__call__",
            (
                FunctionVariant(
                    "f1", ("inputs: float32 (?, 32)", "training: bool = False"), ("out",)
                ),
                FunctionVariant(
                    "f2", ("inputs: float32 (?, 32)", "training: bool = True"), ("out",)
                ),
            ),
        )
    ]
    return Artifact(
        f"/models/{name}",
        name,
        "saved_model",
        "SavedModel",
        1_363_148,
        root,
        Producer("2.4.1", "2.4.0"),
        signatures=(SIGNATURE,),
        functions=lambda: functions,
        tensors=lambda: tensors,
        notes=("variables.data-00001-of-00002 is missing: 3 tensors have no values.",),
    )


def entry_of(artifact: Artifact) -> ArtifactEntry:
    return ArtifactEntry(
        artifact.path,
        artifact,
        tensor_count=len(artifact.tensors()),
        parameters=artifact.parameters(),
    )


def session_in(folder: Path) -> Session:
    return Session(Places(folder, folder, folder))
