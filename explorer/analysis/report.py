"""An artifact as one JSON object: the contract of ``mfx show --json``.

Other programs rely on the keys; add some, never rename one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from explorer.analysis.finding import Finding
from explorer.analysis.safety import scan
from explorer.formats.artifact import (
    Artifact,
    Contents,
    FunctionVariant,
    Layer,
    Location,
    SavedFunction,
    Shape,
    Signature,
    SignatureTensor,
    Tensor,
    Tri,
)

_ANSWERS: dict[Tri, bool | str] = {Tri.YES: True, Tri.NO: False, Tri.PARTLY: "partly"}

Json = dict[str, Any]


def describe(artifact: Artifact) -> Json:
    """Everything that is known of the artifact, as values that JSON has.

    Shapes are lists with ``None`` for an unknown dimension and ``None`` alone for an unknown rank;
    sizes are in bytes; what the file does not say is ``None``. Raises `UnreadableArtifact` where
    the file was changed or closed meanwhile.
    """
    return {
        "path": artifact.path,
        "format": artifact.format,
        "size_bytes": artifact.size,
        "producer": _producer(artifact),
        "contains": contains(artifact.contents),
        "parameters": artifact.parameters(),
        "tensors": [_tensor(tensor) for tensor in artifact.tensors()],
        "signatures": [_signature(signature) for signature in artifact.signatures],
        "functions": [_function(function) for function in artifact.functions()],
        "layers": _layers(artifact.layers()),
        "loaders": [],
        "findings": [_finding(finding) for finding in scan(artifact)],
        "notes": list(artifact.notes),
    }


def contains(contents: Contents) -> dict[str, bool | str]:
    """Each answer as true, false or ``partly``."""
    names = ("weights", "architecture", "optimizer", "compile", "signatures")
    return {name: _ANSWERS[getattr(contents, name)] for name in names}


def _producer(artifact: Artifact) -> dict[str, str | None]:
    producer = artifact.producer
    return {
        "tensorflow": producer.tensorflow or None,
        "keras": producer.keras or None,
        "backend": producer.backend or None,
        "program": producer.program or None,
    }


def _tensor(tensor: Tensor) -> Json:
    return {
        "path": tensor.path,
        "dtype": tensor.dtype,
        "shape": _shape(tensor.shape),
        "bytes": tensor.nbytes,
        "role": tensor.role.value,
        "label": tensor.label or None,
        "location": _location(tensor.location),
    }


def _location(location: Location | None) -> Json | None:
    if location is None:
        return None
    return {
        "file": location.file,
        "offset": location.offset,
        "checksum": location.checksum or None,
    }


def _shape(shape: Shape) -> list[int | None] | None:
    return None if shape is None else list(shape)


def _signature(signature: Signature) -> Json:
    return {
        "key": signature.key,
        "method": signature.method,
        "tag_set": list(signature.tag_set),
        "inputs": _signature_tensors(signature.inputs),
        "outputs": _signature_tensors(signature.outputs),
    }


def _signature_tensors(tensors: Sequence[SignatureTensor]) -> list[Json]:
    return [
        {
            "name": tensor.name,
            "dtype": tensor.dtype,
            "shape": _shape(tensor.shape),
            "graph_tensor": tensor.graph_tensor,
            **({"default": tensor.default} if tensor.default else {}),
        }
        for tensor in tensors
    ]


def _function(function: SavedFunction) -> Json:
    return {
        "name": function.name,
        "owner": function.owner,
        "concrete_functions": [_variant(variant) for variant in function.variants],
    }


def _variant(variant: FunctionVariant) -> Json:
    return {
        "name": variant.concrete_name,
        "arguments": list(variant.arguments),
        "returns": list(variant.returns),
    }


def _layers(layers: Iterable[Layer]) -> list[Json]:
    return [
        {
            "name": layer.name,
            "class": layer.class_name,
            "output_shape": _shape(layer.output_shape),
            "parameters": layer.parameters,
            "layers": _layers(layer.children),
            "inbound": list(layer.inbound),
        }
        for layer in layers
    ]


def _finding(finding: Finding) -> Json:
    return {
        "severity": finding.severity.value,
        "rule": finding.rule,
        "where": finding.where,
        "message": finding.message,
    }
