"""A few hundred damaged files of each kind; ``fuzz.py`` is the script for thousands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from explorer.formats.registry import open_artifact
from tests.formats.fuzz import fuzz
from tests.formats.fuzz_seeds import SEEDS, make_seed

_COUNT = 200


@pytest.mark.parametrize("name", SEEDS)
def test_what_is_damaged_is_sound_before(name: str, tmp_path: Path) -> None:
    artifact = open_artifact(str(make_seed(SEEDS[name], tmp_path / name)))
    assert artifact.format != "unknown"
    assert [check for check in artifact.checks() if check.problem] == []
    assert all(tensor.read().shape == tensor.shape for tensor in artifact.tensors())
    artifact.close()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in Linux's way")
@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files_end_in_a_tree_or_in_a_refusal(name: str) -> None:
    outcome = fuzz(SEEDS[name], range(_COUNT))
    assert outcome.broken == []
    assert outcome.opened + outcome.refused == _COUNT
