"""Models of KerasHub and its forerunners: their classes, and the vocabularies that these read.

The configs are as KerasHub 0.32 writes them, and what it does with them is said beside each.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from explorer.analysis.unsafe_configs import config_findings
from explorer.formats.artifact import Config

_SRC = "keras_hub.src"
_CUSTOM, _DANGER = ("warning", "custom-object"), ("danger", "function-outside-modelling")
_READS = ("danger", "reads-vocabulary")


def found(module: str, name: str, **config: Any) -> set[tuple[str, str]]:
    value = {
        "module": module,
        "class_name": name,
        "config": {"name": "hub", **config},
        "registered_name": f"keras_hub>{name}",
    }
    findings = config_findings([Config("config.json", value)])
    return {(finding.severity.value, finding.rule) for finding in findings}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (f"{_SRC}.tokenizers.word_piece_tokenizer", "WordPieceTokenizer"),
        (f"{_SRC}.tokenizers.sentence_piece_tokenizer", "SentencePieceTokenizer"),
        (f"{_SRC}.tokenizers.byte_pair_tokenizer", "BytePairTokenizer"),
        (f"{_SRC}.samplers.greedy_sampler", "GreedySampler"),
        (f"{_SRC}.models.bert.bert_backbone", "BertBackbone"),
        (f"{_SRC}.layers.modeling.position_embedding", "PositionEmbedding"),
        ("keras_nlp.tokenizers", "WordPieceTokenizer"),
        ("keras_cv.src.layers.preprocessing.grid_mask", "GridMask"),
    ],
)
def test_classes_of_a_library_beside_keras_are_to_be_installed(module: str, name: str) -> None:
    assert found(module, name, vocabulary=None) == {_CUSTOM}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (f"{_SRC}.utils.preset_utils", "get_file"),
        (f"{_SRC}.utils.preset_utils", "KerasPresetSaver"),
        (f"{_SRC}.tokenizers.word_piece_tokenizer_trainer", "compute_word_piece_vocabulary"),
        (f"{_SRC}.tokenizers.tokenizer", "Tokenizer.from_preset"),
    ],
)
def test_what_is_no_class_of_a_model_stays_a_danger(module: str, name: str) -> None:
    assert _DANGER in found(module, name)


@pytest.mark.parametrize(
    ("module", "name", "key"),
    [
        (f"{_SRC}.models.bert.bert_tokenizer", "BertTokenizer", "vocabulary"),
        (f"{_SRC}.models.gpt2.gpt2_tokenizer", "GPT2Tokenizer", "merges"),
        (f"{_SRC}.tokenizers.sentence_piece_tokenizer", "SentencePieceTokenizer", "proto"),
        ("my_package.text", "Tokenizer", "vocabulary"),
    ],
)
def test_a_vocabulary_of_a_path_outside_is_a_danger(module: str, name: str, key: str) -> None:
    assert _READS in found(module, name, **{key: "/etc/passwd"})
    assert _READS in found(module, name, **{key: "../other/vocabulary.txt"})
    assert _READS not in found(module, name, **{key: ["/etc/passwd", "word"]})


def test_a_vocabulary_that_the_config_holds_is_no_path() -> None:
    """A text of more than 2048 characters that is base64 is the vocabulary, any other its path."""
    kept = base64.b64encode(b"\xff" * 1800).decode()
    assert kept.startswith("/")
    module = f"{_SRC}.tokenizers.sentence_piece_tokenizer"
    assert _READS not in found(module, "SentencePieceTokenizer", proto=kept)
    assert _READS in found(module, "SentencePieceTokenizer", proto=kept[:1800])
    assert _READS in found(module, "SentencePieceTokenizer", proto="/" * 2100 + "etc/passwd")
