"""The Python code that does what a call on the Predict page does."""

from __future__ import annotations

from explorer.analysis.snippets import model_code, signature_code
from explorer.engine.messages import CallSignature, Loaded
from explorer.formats.artifact import Artifact, SignatureTensor


def code_of(artifact: Artifact, loaded: Loaded, signature: CallSignature) -> str:
    """A script that loads and runs it with zeros."""
    stored = [found for found in artifact.signatures if found.key == signature.key]
    if stored:
        return signature_code(artifact, stored[0])
    inputs = [SignatureTensor(t.name, t.dtype, t.shape) for t in signature.inputs]
    return model_code(loaded.call, inputs)
