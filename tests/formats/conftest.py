"""What TensorFlow itself makes and says, once for all tests of formats; artifacts that close."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from explorer.formats.artifact import Artifact
from explorer.formats.registry import open_artifact
from tests.formats.originals import Originals, make_originals

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")  # other examples are for the script, tests.formats.fuzz

_GRAPHS = Path(__file__).with_name("graph_originals.py")
_CORPUS = (
    "basic_pitch_nmp",
    "half_plus_two_tf1",
    "notes_tf20/functional/2_model",
    "notes_tf20/functional/4_model",
    "notes_tf20/subclass/4_model",
    "notes_tf20/functional/checkpoints/mannal_checkpoint",
    "notes_tf20/subclass/checkpoints/mannal_checkpoint",
)


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    """Models that a process with TensorFlow made, and what it says of them."""
    return make_originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="session")
def corpus_originals(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Originals:
    """What TensorFlow says of the real artifacts."""
    out = tmp_path_factory.mktemp("corpus_originals")
    return make_originals(out, {name: corpus / name for name in _CORPUS})


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graphs in every form, that a process with TensorFlow made, and what it says of them."""
    out = tmp_path_factory.mktemp("graphs")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(_GRAPHS), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Artifact]]:
    """Opens artifacts and closes them after the test."""
    artifacts: list[Artifact] = []

    def open_it(path: Path) -> Artifact:
        artifacts.append(open_artifact(str(path)))
        return artifacts[-1]

    yield open_it
    for artifact in artifacts:
        artifact.close()


@pytest.fixture
def copied(tmp_path: Path, originals: Originals) -> Path:
    """The prefix of a copy of a checkpoint with strings and weights, to be damaged."""
    original = originals["keras3_checkpoint/ck-1"].path
    for file in original.parent.glob("ck-1.*"):
        shutil.copy(file, tmp_path)
    return tmp_path / "ck-1"
