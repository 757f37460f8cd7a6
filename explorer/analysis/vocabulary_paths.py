"""Vocabularies that a layer or tokenizer reads from a path when it is built (CVE-2025-12058).

So do the columns of features of ``tf.feature_column``, some from a checkpoint.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from explorer.analysis.finding import Judgement, Severity, leads_outside, shortened

_LAYERS = {"IntegerLookup", "StringLookup", "TextVectorization", "IndexLookup"}
_KEYS = {
    "vocabulary": "vocabulary is",
    "merges": "merges are",
    "proto": "vocabulary is",
    "vocabulary_file": "vocabulary is",
    "ckpt_to_load_from": "values are",
}
"""What names the file: the first in layers of Keras, the first three in tokenizers of KerasHub, the
others in columns of features (``feature_column_v2.py`` of TensorFlow).
"""
_OF_COLUMNS = ("vocabulary_file", "ckpt_to_load_from")
_LONGEST_PATH = 2048


def vocabulary_path(class_name: str, config: Mapping[str, Any]) -> Iterator[Judgement]:
    """Of other classes than Keras's own, any text that is no path outside may mean anything."""
    for key, what in _KEYS.items():
        path = config.get(key)
        if not isinstance(path, str) or (key == "proto" and _is_kept(path)):
            continue
        outside = leads_outside(path)
        is_path = key in _OF_COLUMNS or (key == "vocabulary" and class_name in _LAYERS)
        if outside or is_path:
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
