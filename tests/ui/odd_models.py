"""Make SavedModels with unusual signatures, and write down what TensorFlow answers.

Run in a process of its own, so that the tests stay without TensorFlow: ``odd_models.py OUT`` makes
``OUT/texts`` and ``OUT/shapes``, and ``OUT/texts.npz`` and ``OUT/shapes.npz`` with the answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

LONG = "a_signature_whose_name_goes_on_and_on_for_far_more_than_fifty_characters"
TEXTS = ["hello, world", "Grüße aus Köln", ""]
X = np.array([0.25, 0.5, 0.75, 1.0], np.float32)


class Texts(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def list(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"upper": tf.strings.upper(text), "length": tf.strings.length(text)}

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.string, name="text")])
    def column(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"twice": tf.strings.join([text, text])}


class Shapes(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def kinds(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(x)[0]
        grid = tf.range(3 * 8 * 9, dtype=tf.float32)
        return {
            "scalar": tf.reduce_sum(x),
            "nan": tf.where(x > 0.4, x, tf.fill(tf.shape(x), float("nan"))),
            "whole": tf.cast(x * 4, tf.int64),
            "flag": x > 0.4,
            "cube": tf.reshape(tf.range(count * 6), [count, 2, 3]),
            "image": x[:, None, None, None] * tf.reshape(grid, [1, 8, 9, 3]),
            "empty": tf.zeros([0, 3]),
            "complex": tf.complex(x, -x),
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None, 3], tf.float32, name=f"in_{i}") for i in range(12)]
    )
    def many(self, *given: tf.Tensor) -> dict[str, tf.Tensor]:
        total = tf.add_n(given)
        return {f"an_output_with_a_long_name_{i}": total * i for i in range(20)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="count")])
    def huge(self, count: tf.Tensor) -> dict[str, tf.Tensor]:
        numbers = tf.range(count)
        return {"column": numbers[:, None], "row": numbers[None]}


def _keep(path: Path, answers: dict[str, tf.Tensor]) -> None:
    """Strings as fixed-width bytes: a test opens the file without unpickling."""
    arrays = {name: np.asarray(tensor) for name, tensor in answers.items()}
    np.savez(
        path, **{k: a.astype(np.bytes_) if a.dtype == object else a for k, a in arrays.items()}
    )


def main(out: Path) -> None:
    texts, shapes = Texts(), Shapes()
    tf.saved_model.save(
        texts, str(out / "texts"), {"serving_default": texts.list, "column": texts.column}
    )
    tf.saved_model.save(
        shapes,
        str(out / "shapes"),
        {"serving_default": shapes.kinds, LONG: shapes.many, "huge": shapes.huge},
    )
    column = texts.column(tf.constant(TEXTS)[:, None])
    _keep(out / "texts.npz", {**texts.list(tf.constant(TEXTS)), **column})
    _keep(out / "shapes.npz", shapes.kinds(tf.constant(X)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
