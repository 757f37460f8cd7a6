"""Output shapes of the layers that make numbers of words and categories."""

from __future__ import annotations

from typing import Any

from explorer.formats.artifact import Shape
from explorer.formats.keras.dims import LINE, Config, Dims, Rule


def _encoded(config: Config, shape: Dims, depth: Any) -> Shape:
    """A number for each value, a vector for each, or one for each sample.

    What Keras 2 and 3 have in common: they differ for samples of other than one dimension.
    """
    mode = config.get("output_mode", "int")
    if mode == "int":
        return shape
    if mode != "one_hot":
        return (shape[0], int(depth)) if len(shape) == 2 else None
    if len(shape) > 1 and shape[-1] is None:
        return None
    return (*(shape[:-1] if shape[-1] == 1 and len(shape) > 1 else shape), int(depth))


def _lookup(config: Config, shape: Dims) -> Shape:
    key = "max_tokens" if config.get("pad_to_max_tokens") else "vocabulary_size"
    return _encoded(config, shape, config.get(key))


def _text(config: Config, shape: Dims) -> Shape:
    """Each text is split into words; several numbers stand for it, or one vector.

    Keras 3 has a vector for each of several texts, Keras 2 takes no more than one.
    """
    if config.get("split") is None or config.get("ragged"):
        return None
    if config.get("output_mode", "int") == "int":
        return (shape[0], config.get("output_sequence_length"))
    vector = _lookup(config, (shape[0], None))
    if vector is None or len(shape) == 1 or config.get(LINE) == 2:
        return vector
    return (*shape, vector[-1]) if config.get(LINE) == 3 else None


def _hashing(config: Config, shape: Dims) -> Shape:
    """Keras 3 says one vector for a sample of several values, though it makes one for each."""
    is_one = config.get("output_mode") == "one_hot" and shape[-1:] != (1,)
    if is_one and config.get(LINE) == 3:
        return (*shape[:-1], int(config["num_bins"]))
    is_sure = not is_one or config.get(LINE) == 2
    return _encoded(config, shape, config["num_bins"]) if is_sure else None


def _crossing(config: Config, shape: Dims) -> Shape:
    return _encoded(config, shape, config["num_bins"])


def _category(config: Config, shape: Dims) -> Shape:
    return _encoded({"output_mode": "multi_hot", **config}, shape, config["num_tokens"])


def _discretization(config: Config, shape: Dims) -> Shape:
    bounds = config.get("bin_boundaries")
    return _encoded(config, shape, config["num_bins"] if bounds is None else len(bounds) + 1)


ENCODING_RULES: dict[str, Rule] = {
    "CategoryEncoding": _category,
    "Discretization": _discretization,
    "HashedCrossing": _crossing,
    "Hashing": _hashing,
    "IntegerLookup": _lookup,
    "StringLookup": _lookup,
    "TextVectorization": _text,
}
