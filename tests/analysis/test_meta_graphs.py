"""The graph that TensorFlow 1 writes beside a checkpoint is part of what a scan looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.scanning import findings


def trained(
    tf: Any, folder: Path, *, does_more: bool = False, fills_by_itself: bool = False
) -> None:
    """A checkpoint of a model with a vocabulary, as training code of TensorFlow 1 writes it."""
    v1 = tf.compat.v1
    words = folder / "words.txt"
    words.write_text("a\nb\n")
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.string, [], "x")
        index = tf.lookup.TextFileIndex
        source = tf.lookup.TextFileInitializer(
            str(words), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        )
        table = tf.lookup.StaticHashTable(source, -1)
        variable = v1.get_variable("v", [], tf.int64, use_resource=False)
        with tf.control_dependencies([v1.tables_initializer()] if fills_by_itself else []):
            y = table.lookup(x) + variable
        if does_more:
            v1.py_func(lambda value: value, [y], tf.int64)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model.ckpt"))
    words.unlink()


def told(path: Path) -> list[tuple[str, str, str]]:
    return [(one.severity.value, one.rule, one.where.partition(":")[0]) for one in findings(path)]


def test_a_checkpoint_says_the_same_as_its_graph(tf: Any, tmp_path: Path) -> None:
    trained(tf, tmp_path)
    words = ("warning", "reads-vocabulary", "meta graph []")
    assert told(tmp_path / "model.ckpt.meta") == [words]
    beside = (*words[:2], "model.ckpt.meta, meta graph []")
    assert told(tmp_path / "model.ckpt.index") == told(tmp_path) == [beside]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [({"does_more": True}, "calls-python"), ({"fills_by_itself": True}, "reads-vocabulary")],
)
def test_what_using_the_graph_runs_is_a_danger(
    tf: Any, tmp_path: Path, changes: Any, rule: str
) -> None:
    trained(tf, tmp_path, **changes)
    for name in ("model.ckpt.meta", "model.ckpt.index", "."):
        assert told(tmp_path / name)[0][:2] == ("danger", rule)


def test_a_damaged_graph_is_told(tf: Any, tmp_path: Path) -> None:
    trained(tf, tmp_path)
    graph = tmp_path / "model.ckpt.meta"
    graph.write_bytes(graph.read_bytes()[:-100])
    for name in ("model.ckpt.index", "."):
        assert ("warning", "not-scanned", "model.ckpt.meta") in told(tmp_path / name)
