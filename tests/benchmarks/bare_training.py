"""Experiment 1 of the notes as a script of its own, for comparison with the app.

``bare_training.py keras|tf_keras EPOCHS`` trains a new model for every line it reads and answers
with the seconds that ``fit`` took, and with those of building, compiling and fitting together.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import numpy as np

rng = np.random.default_rng(42)
x_train, y_train = rng.random((1000, 32)), rng.integers(10, size=1000)
x_val, y_val = rng.random((200, 32)), rng.integers(10, size=200)


def compiled_model(keras: Any) -> Any:
    inputs = keras.Input(shape=(32,), name="digits")
    x = keras.layers.Dense(64, activation="relu", name="dense_1")(inputs)
    x = keras.layers.Dense(64, activation="relu", name="dense_2")(x)
    outputs = keras.layers.Dense(10, name="predictions")(x)
    model = keras.Model(inputs=inputs, outputs=outputs)
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["sparse_categorical_accuracy"],
    )
    return model


def train(keras: Any, epochs: int) -> dict[str, float]:
    start = time.perf_counter()
    model = compiled_model(keras)
    built = time.perf_counter()
    model.fit(
        x_train,
        y_train,
        batch_size=32,
        epochs=epochs,
        validation_data=(x_val, y_val),
        verbose=0,
    )
    end = time.perf_counter()
    return {"fit": end - built, "whole": end - start}


if __name__ == "__main__":
    library = importlib.import_module(sys.argv[1])
    for _line in sys.stdin:
        print(json.dumps(train(library, int(sys.argv[2]))), flush=True)
