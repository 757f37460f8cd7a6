"""What the lab tells about models: pure data, shared with the messages of the engine."""

from __future__ import annotations

import msgspec


class LayerRow(msgspec.Struct, frozen=True):
    """A line of ``model.summary()``, with the layer's activation where it has one.

    ``attribute`` is where a subclassed model keeps the layer, which may have another name.
    """

    name: str
    class_name: str
    output_shape: tuple[int | None, ...] | None
    parameters: int
    activation: str = ""
    attribute: str = ""


class CallTensor(msgspec.Struct, frozen=True):
    """An input or output of something callable; dimensions as in `formats.artifact.Shape`."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


class CallSignature(msgspec.Struct, frozen=True):
    """Something that can be run: a SavedModel signature, or ``predict`` of a Keras model."""

    key: str
    inputs: tuple[CallTensor, ...]
    outputs: tuple[CallTensor, ...]
