"""The notes' own code as a bare script: trains, and loads what the app has saved.

``notes.py REQUEST`` reads a JSON list of tasks and writes the predictions of each as a ``.npy``
file. It imports nothing of the program.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def get_uncompiled_model(keras: Any) -> Any:
    inputs = keras.Input(shape=(32,), name="digits")
    x = keras.layers.Dense(64, activation="relu", name="dense_1")(inputs)
    x = keras.layers.Dense(64, activation="relu", name="dense_2")(x)
    outputs = keras.layers.Dense(10, name="predictions")(x)
    return keras.Model(inputs=inputs, outputs=outputs)


def get_compiled_model(keras: Any) -> Any:
    model = get_uncompiled_model(keras)
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["sparse_categorical_accuracy"],
    )
    return model


def subclass(keras: Any, ported: bool) -> Any:
    class MyModel(keras.Model):  # type: ignore[misc]
        def __init__(self, num_classes: int = 10, **kwargs: Any) -> None:
            super().__init__(name="my_model")
            self.num_classes = num_classes
            self.dense_1 = keras.layers.Dense(32, activation="relu")
            self.dense_2 = keras.layers.Dense(num_classes)

        def call(self, inputs: Any) -> Any:
            x = self.dense_1(inputs)
            return self.dense_2(x)

        if not ported:
            call = tf.function(
                call, input_signature=[tf.TensorSpec([None, 32], tf.float32, name="digits")]
            )

    return MyModel


def new_model(task: dict[str, Any], keras: Any) -> Any:
    if task["demo"] == "functional":
        return get_uncompiled_model(keras)
    model = subclass(keras, task["ported"])(num_classes=10)
    if keras.__name__ == "keras" and not task["ported"]:
        model.build((None, 32))
    else:
        model(np.zeros((1, 32), np.float32))
    return model


def train_functional(keras: Any, data: Any) -> Any:
    model = get_compiled_model(keras)
    model.fit(
        data["x_train"],
        data["y_train"],
        batch_size=32,
        epochs=5,
        validation_data=(data["x_val"], data["y_val"]),
        verbose=0,
    )
    return model


def train_subclass(model: Any, keras: Any, data: Any) -> Any:
    optimizer = keras.optimizers.SGD(learning_rate=1e-3)
    loss_fn = keras.losses.CategoricalCrossentropy(from_logits=True)
    train_dataset = tf.data.Dataset.from_tensor_slices((data["x_train"], data["y_train"]))
    train_dataset = train_dataset.shuffle(buffer_size=1024).batch(64)
    for _epoch in range(3):
        for x_batch_train, y_batch_train in train_dataset:
            with tf.GradientTape() as tape:
                logits = model(x_batch_train)
                loss_value = loss_fn(y_batch_train, logits)
            grads = tape.gradient(loss_value, model.trainable_weights)
            optimizer.apply_gradients(zip(grads, model.trainable_weights, strict=True))
    return model


def train(task: dict[str, Any], x: np.ndarray) -> np.ndarray:
    keras = importlib.import_module(task["keras"])
    data = np.load(task["path"])
    keras.utils.set_random_seed(42)
    if task["demo"] == "functional":
        model = train_functional(keras, data)
    else:
        model = train_subclass(new_model(task, keras), keras, data)
    return np.asarray(model.predict(x, batch_size=len(x), verbose=0))


def load(task: dict[str, Any], x: np.ndarray) -> np.ndarray:
    keras, path, how = importlib.import_module(task["keras"]), task["path"], task["how"]
    if how == "saved_model":
        loaded = tf.saved_model.load(path)
        (output,) = loaded.signatures["serving_default"](**{task["input"]: tf.constant(x)}).values()
        return np.asarray(output)
    if how == "load_model":
        known = {"MyModel": subclass(keras, task["ported"])}
        model = keras.models.load_model(path, custom_objects=known)
    else:
        model = new_model(task, keras)
        if how == "load_weights":
            model.load_weights(path)
        else:
            tf.train.Checkpoint(model=model).restore(path).expect_partial()
    return np.asarray(model.predict(x, batch_size=len(x), verbose=0))


def main(request: str) -> None:
    for task in json.loads(Path(request).read_text()):
        run = train if task["how"] == "train" else load
        np.save(task["result"], run(task, np.load(task["x"])))


if __name__ == "__main__":
    main(sys.argv[1])
