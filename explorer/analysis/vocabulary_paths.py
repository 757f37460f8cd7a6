"""Vocabularies that a layer or tokenizer reads from a path when it is built (CVE-2025-12058)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from explorer.analysis.finding import Judgement, Severity, leads_outside, shortened

_LAYERS = {"IntegerLookup", "StringLookup", "TextVectorization", "IndexLookup"}
_KEYS = {"vocabulary": "vocabulary is", "merges": "merges are", "proto": "vocabulary is"}
"""What names the file: the first in layers of Keras, all of them in tokenizers of KerasHub."""
_LONGEST_PATH = 2048


def vocabulary_path(class_name: str, config: Mapping[str, Any]) -> Iterator[Judgement]:
    """Of other classes than Keras's own, any text that is no path outside may mean anything."""
    for key, what in _KEYS.items():
        path = config.get(key)
        if not isinstance(path, str) or (key == "proto" and _is_kept(path)):
            continue
        outside = leads_outside(path)
        if outside or (class_name in _LAYERS and key == "vocabulary"):
            yield (
                Severity.DANGER if outside else Severity.WARNING,
                "reads-vocabulary",
                f"Its {what} read from the path {shortened(path)} when the model is built.",
            )


def _is_kept(proto: str) -> bool:
    """Whether it is the vocabulary itself (``set_proto`` of KerasHub's SentencePieceTokenizer)."""
    if len(proto) <= _LONGEST_PATH:
        return False
    try:
        base64.b64decode(proto.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    return True
