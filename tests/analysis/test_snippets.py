"""The code that is offered for copying runs as it is, and calls the signature."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from explorer.analysis.snippets import is_callable, signature_code
from explorer.formats.artifact import Artifact, Node, NodeType, Signature, SignatureTensor
from explorer.formats.registry import open_artifact


def artifact_with(format_key: str, *signatures: Signature) -> Artifact:
    root = Node("m", NodeType.DIRECTORY)
    return Artifact("/m", "m", format_key, "", 0, root, signatures=signatures)


def signature(key: str, *names: str, tags: tuple[str, ...] = ("serve",)) -> Signature:
    inputs = tuple(SignatureTensor(name, "float32", (None, 3)) for name in names)
    return Signature(key, "", tags, inputs, (SignatureTensor("y", "float32", None),))


def test_every_signature_of_real_savedmodels_runs(corpus: Path) -> None:
    codes = []
    for name in ("half_plus_two_tf1", "notes_tf20/functional/4_model"):
        artifact = open_artifact(str(corpus / name))
        # Parsing a serialized example of zeros fails in the graph itself.
        codes += [
            signature_code(artifact, s)
            for s in artifact.signatures
            if is_callable(s) and all(t.dtype != "string" for t in s.inputs)
        ]
    assert len(codes) == 3
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(codes)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("tf.Tensor(") == 3
    assert "[[2.]]" in ran.stdout  # half of zero, plus two


def test_the_meta_graph_is_named_where_there_are_several() -> None:
    one, two = signature("f", "x"), signature("f", "x", tags=("serve", "gpu"))
    assert "tags" not in signature_code(artifact_with("saved_model", one), one)
    assert "tags=['serve', 'gpu']" in signature_code(artifact_with("saved_model", one, two), two)


def test_names_that_are_no_python_names_are_passed_in_a_dictionary() -> None:
    odd = signature("f", "x", "class", "my input")
    code = signature_code(artifact_with("saved_model", odd), odd)
    assert "run(**{'x': tf.zeros([1, 3], tf.float32), 'class': " in code
    compile(code, "code", "exec")


def test_a_tflite_model_runs_by_its_signature_runner() -> None:
    lite = signature("serve", "x")
    code = signature_code(artifact_with("tflite", lite), lite)
    assert "get_signature_runner('serve')" in code
    assert "x=np.zeros([1, 3], np.float32)" in code


def test_initialisation_is_not_called() -> None:
    assert not is_callable(signature("__saved_model_init_op"))
    assert is_callable(signature("serving_default"))
