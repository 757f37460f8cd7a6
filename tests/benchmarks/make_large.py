"""Writes large files for the benchmarks: ``make_large.py KIND BYTES FOLDER``, prints the path."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

_LAYERS = 20


def main(kind: str, size: int, folder: Path) -> None:
    """Write one file or folder and print its path as JSON."""
    maker = {"datasets": many_datasets, "constants": graph_of_constants}.get(kind)
    path = maker(size, folder) if maker else saved(kind, size, folder)
    print(json.dumps(str(path)))


def saved(kind: str, size: int, folder: Path) -> Path:
    """A model of 20 dense layers whose weights take ``size`` bytes, saved as ``kind``."""
    import keras
    import tensorflow as tf

    units = int((size / 4 / _LAYERS) ** 0.5)
    layers: list[Any] = [
        keras.layers.Dense(units, kernel_initializer="ones") for _ in range(_LAYERS)
    ]
    model = keras.Sequential([keras.Input((units,)), *layers])
    if kind == "saved_model":
        tf.saved_model.save(model, str(folder / "model"))
        return folder / "model"
    if kind == "checkpoint":
        return Path(tf.train.Checkpoint(model=model).write(str(folder / "checkpoint")))
    path = folder / f"model.{kind}"
    model.save(path)
    return path


def many_datasets(count: int, folder: Path) -> Path:
    """One HDF5 group with ``count`` small datasets."""
    import h5py

    with h5py.File(folder / "many.h5", "w") as file:
        group = file.create_group("weights")
        for number in range(count):
            group.create_dataset(f"dataset_{number}", data=np.zeros((4, 2), np.float32))
    return folder / "many.h5"


def graph_of_constants(size: int, folder: Path) -> Path:
    """A SavedModel without variables: ten constants that take ``size`` bytes together."""
    import tensorflow as tf

    rows = size // 4 // 10
    with tf.Graph().as_default():
        total = tf.compat.v1.placeholder(tf.float32, (), "x")
        for number in range(10):
            total += tf.constant(np.full(rows, number, np.float32))[0]
        with tf.compat.v1.Session() as session:
            tf.compat.v1.saved_model.simple_save(
                session, str(folder / "constants"), {"x": total}, {"y": total}
            )
    return folder / "constants"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
