"""The vocabularies of lookup layers, which Keras 3 keeps as assets of a model.

Source: ``save_assets`` in ``keras/src/layers/preprocessing/index_lookup.py``: always written, also
before the layer was adapted, but where the config holds the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from explorer.formats.artifact import Check
from explorer.formats.keras.config import LayerConfig, places
from explorer.formats.storage import Storage

_LOOKUPS = ("IntegerLookup", "StringLookup", "TextVectorization")


def vocabulary_checks(storage: Storage, assets: str, model: LayerConfig) -> Iterator[Check]:
    """Whether each vocabulary is there in the folder ``assets``."""
    for members in _members(assets, model).values():
        there = any(map(storage.has, members))
        problem = (
            ""
            if there
            else "The config says that the vocabulary of this layer is in this file, but it is not "
            "there: Keras loads the layer without its words. Copy or save the model again."
        )
        yield Check("asset present", members[0], problem)


def _members(assets: str, model: LayerConfig) -> Mapping[str, list[str]]:
    """By the names of the layers, since one that lies in two models is stored in either.

    How a person's own class stores what lies in it, its code decides.
    """
    found: dict[str, list[str]] = {}
    foreign = [] if model.own_class else [""]
    for layer, place in places(model):
        if layer.layers and not layer.own_class:
            foreign.append(f"{place.store}/")
        in_file = layer.own_class in _LOOKUPS and layer.config.get("vocabulary", "") is None
        if in_file and not place.store.startswith(tuple(foreign)):
            member = f"{assets}/{place.store}/vocabulary.txt"
            found.setdefault(layer.name, []).append(member)
    return found
