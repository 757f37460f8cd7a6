"""``config.json`` of a folder that may be no model of Keras: Keras 3 takes it for one all the same.

Source: ``load_model`` in ``keras/src/saving/saving_api.py``, which looks for that file alone, and
``deserialize_keras_object`` in ``serialization_lib.py``, which builds whatever objects are in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from explorer.formats.artifact import Config, UnreadableArtifact
from explorer.formats.json_tree import LARGEST_JSON, excess, parse_json
from explorer.formats.storage import Storage, joined

CONFIG = "config.json"


def folder_config(storage: Storage, folder: str = "") -> Iterator[Config]:
    """The config that Keras would read in a folder; what is no JSON it refuses as well.

    Bytes that are no UTF-8 are a text to Keras where the machine's encoding is another.
    """
    member = joined(folder, CONFIG)
    with suppress(UnreadableArtifact, OSError):
        if storage.has(member):
            text = storage.read(member, 0, LARGEST_JSON + 1)
            value = parse_json(text.decode("utf-8", "replace"))
            if value is not None or excess(text):
                yield Config(member, value)
