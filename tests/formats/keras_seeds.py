"""Sound files of Keras's rarer formats, made of a real archive by the libraries that Keras uses."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from tests import corpus

_WEIGHTS = "model.weights.h5"


def _members() -> dict[str, bytes]:
    with zipfile.ZipFile(corpus.folder() / "sleep_stages.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _variables(weights: bytes) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """For each object of a weights file its arrays by number."""
    found: dict[str, dict[str, np.ndarray]] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset):
            place, _, number = name.rpartition("/vars/")
            found.setdefault(place, {})[number] = item[()]

    with h5py.File(io.BytesIO(weights)) as file:
        file.visititems(visit)
    yield from found.items()


def unpacked(folder: Path) -> Path:
    """The archive as a folder, with a vocabulary such as a lookup layer has."""
    target = folder / "unpacked"
    for name, data in {**_members(), "assets/layers/lookup/vocabulary.txt": b"a\nb\n"}.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(data)
    return target


def pickled(folder: Path) -> Path:
    """The archive with its weights as ``.npz``: NumPy pickles the dictionary of each object."""
    members = _members()
    arrays = dict(_variables(members.pop(_WEIGHTS)))
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    with zipfile.ZipFile(folder / "pickled.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("model.weights.npz", packed.getvalue())
    return folder / "pickled.keras"


def sharded(folder: Path) -> Path:
    """The weights in two files with their index, in an archive that holds them as they are."""
    shards = {f"parts_{number:05}.weights.h5": io.BytesIO() for number in range(2)}
    weight_map: dict[str, str] = {}
    size = 0
    for number, (place, arrays) in enumerate(_variables(_members()[_WEIGHTS])):
        shard = list(shards)[number % len(shards)]
        weight_map[f"/{place}/vars"] = shard
        size += sum(array.nbytes for array in arrays.values())
        with h5py.File(shards[shard], "a") as file:
            group = file.create_group(f"{place}/vars")
            group.attrs["name"] = place.rpartition("/")[2]
            for key, array in arrays.items():
                group[key] = array
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    with zipfile.ZipFile(folder / "sharded.zip", "w") as archive:
        archive.writestr("parts.weights.json", json.dumps(index))
        for name, data in shards.items():
            archive.writestr(name, data.getvalue())
    return folder / "sharded.zip"
